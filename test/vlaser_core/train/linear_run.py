"""A run small enough for a test, as a command: `python linear_run.py OUT [--die-at STEP] [--optimizer muon]`, also under torchrun.

Under torchrun it trains twice, on copies (OUT/copies) and on shards (OUT/shards) of the model, and leaves the weights of both.
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

import torch
from torch import nn

from vlaser_core.train.loop import LoopConfig, Weighted, train
from vlaser_core.train.processes import Processes, Share, join, whole

BATCH, STEPS = 8, 12


class Qwen2DecoderLayer(nn.Linear):
    """Named as a layer that sharding gathers on its own."""


def make_model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), Qwen2DecoderLayer(16, 16), nn.Tanh(), nn.Linear(16, 2))


def batch_of(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (8, 6), and which of the rows count: not equally many in each half."""
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(BATCH, 6, generator=generator)
    return x, torch.arange(BATCH) % 4 <= torch.arange(BATCH) // 4 * 2


def config(accumulation: int = 1, shard: bool = False, optimizer: str = "adamw") -> LoopConfig:
    spread = {"accumulation": accumulation, "shard": shard}
    return LoopConfig(STEPS, 0.02, warmup=3, weight_decay=0.1, ema=0.8, save_every=5, log_every=4, optimizer=optimizer, **spread)


def run(
    out: Path,
    processes: Processes = Processes(),
    accumulation: int = 1,
    shard: bool = False,
    seed: int = 0,
    die_at: int = -1,
    optimizer: str = "adamw",
) -> nn.Module:
    model = make_model(seed)
    share = Share(BATCH, accumulation, processes)

    def loss_at(micro_step: int) -> Weighted:
        update, rows = share.of(micro_step)
        if update == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        x, counts = (part[rows] for part in batch_of(update))
        squared = (model(x) - x[:, :2] * x[:, 2:4]).square().sum(1)
        return Weighted((squared * counts).sum(), counts.sum().float())

    train(model, loss_at, config(accumulation, shard, optimizer), out, "run", evaluate=lambda: {"norm": float(model(torch.ones(1, 6)).sum())}, evaluate_every=6)
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--die-at", type=int, default=-1)
    parser.add_argument("--optimizer", default="adamw")
    options = parser.parse_args()
    torch.set_num_threads(1)
    processes = join()
    if processes.count == 1:
        run(options.out, die_at=options.die_at, optimizer=options.optimizer)
    else:
        for name, shard in (("copies", False), ("shards", True)):
            model = run(options.out / name, processes, shard=shard, die_at=options.die_at if processes.rank else -1)
            weights = {key: whole(value) for key, value in model.state_dict().items()}
            if processes.leader:
                torch.save(weights, options.out / f"{name}.pt")
