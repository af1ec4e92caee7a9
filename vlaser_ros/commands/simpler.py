"""What `vlaser simpler` and `vlaser eval simpler` can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import subcommand

from vlaser_ros.commands.loading import Loading

Suite = Literal["widowx", "google_vm", "google_va"]


@dataclass(frozen=True)
class Assets:
    """Check the files that SimplerEnv's suites need, one by one, and name those that are missing."""

    checkout: Path  # folder of SimplerEnv, with its submodule ManiSkill2_real2sim
    suites: tuple[Suite, ...] = ("widowx", "google_vm", "google_va")  # whose assets must be there
    tasks: tuple[str, ...] = ()  # of those suites; all by default
    json: bool = False  # only the account, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.simpler_setup import assets

        return assets(self)


@dataclass(frozen=True)
class Setup(Assets):
    """Make the environment in which a checkout of SimplerEnv runs, start it once, and check its assets."""

    python: Path | None = None  # a Python 3.10 or 3.11; the first that is found by default

    def run(self) -> int:
        from vlaser_ros.commands.simpler_setup import setup

        return setup(self)


@dataclass(frozen=True)
class Simpler:
    """SimplerEnv: the simulator that others judge policies in, in an environment of its own."""

    what: Annotated[Annotated[Setup, subcommand("setup")] | Annotated[Assets, subcommand("assets")], tyro.conf.arg(name="")]

    def run(self) -> int:
        return self.what.run()


@dataclass(frozen=True)
class EvalSimpler(Loading):
    """Success of a policy in SimplerEnv's suites. A run that was broken off goes on where it was."""

    checkout: Path = tyro.MISSING  # folder of SimplerEnv that `vlaser simpler setup` has prepared
    out: Path = Path("runs/simpler")  # folder of the results; the same one again goes on
    suite: Suite = "widowx"
    policy: Literal["checkpoint", "oracle", "zero"] = "checkpoint"  # oracle: scripted, with the simulator's own knowledge; zero: never moves
    tasks: tuple[str, ...] = ()  # of the suite; all by default
    episodes: int | None = None  # of each task; all by default
    workers: int = 1  # simulators at once
    seed: int = 0  # of the policy's noise
    executed_steps: int | None = None  # of each chunk before looking again; the whole chunk by default
    flow_steps: int | None = None  # of the chunk's integration; the checkpoint's own number by default
    videos: bool = False  # a film of every episode, in OUT/videos
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.simpler_eval import evaluate_simpler

        return evaluate_simpler(self)
