"""`python -m sim_bridge.states`: record SimplerEnv's WidowX episodes with their state, for `vlaser data build simpler`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from sim_bridge.simpler.installation import find_installation
from sim_bridge.simpler.link import SimulatorLink
from sim_bridge.simpler.suites import suite
from sim_bridge.states.simpler import drive, path_of, replay
from vlaser_core.errors import InputError, VlaserError


@dataclass(frozen=True)
class Options:
    """Record episodes; those that are there already are left as they are."""

    checkout: Path  # of SimplerEnv, set up with `vlaser simpler setup`
    out: Path  # folder of recordings, such as datasets/simpler
    task: str = "all"  # one of the WidowX suite's tasks
    episodes: int = 24  # of each task
    seed: int = 0  # of what is spoilt, and which frames are kept


def main(options: Options) -> None:
    episodes = [episode for episode in suite("widowx") if options.task in ("all", episode.task)]
    tasks = dict.fromkeys(episode.task for episode in episodes)
    if not tasks:
        raise InputError(f"no task {options.task!r} in the suite widowx; it has {', '.join(dict.fromkeys(episode.task for episode in suite('widowx')))}")
    installation = find_installation(options.checkout)
    written = 0
    with SimulatorLink(installation) as link:
        for task in tasks:
            wanted = [episode for episode in episodes if episode.task == task][: options.episodes]
            missing = [episode for episode in wanted if not path_of(options.out, episode).exists()]
            plans = [drive(link, episode, np.random.default_rng([options.seed, episode.number])) for episode in missing]
            for path in replay(installation, plans, options.out) if plans else ():
                written += 1
                print(path, flush=True)
    print(json.dumps({"folder": str(options.out), "written": written}))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except VlaserError as error:
        sys.exit(f"error: {error}")
