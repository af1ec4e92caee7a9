"""Stage 2 as a command for tests under torchrun: `python flow_run.py CHECKPOINT DEMONSTRATIONS OUT`.

Prefixes kept, pictures pool by pool with everything trained, and the same on shards, below OUT.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vlaser_core.train.flow_recipe import DataRecipe, FlowRecipe
from vlaser_core.train.flow_stage import flow
from vlaser_core.train.loop_config import LoopConfig

WAYS = {
    "kept": {},
    "pooled": {"train": "all", "prefixes": "recompute", "pool": 13},
    "shards": {"train": "all", "prefixes": "recompute", "pool": 13},
}


def run(checkpoint: Path, data: Path, out: Path) -> None:
    for name, changes in WAYS.items():
        loop = LoopConfig(steps=4, learning_rate=1e-3, warmup=1, ema=0.5, save_every=2, log_every=1, shard=name == "shards")
        source = DataRecipe(data=(f"tabletop:{data}",))
        flow(FlowRecipe(source, out / name, checkpoint, batch=4, proprio_noise=0.02, augment=0.5, loop=loop, **changes), print)


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:]))
