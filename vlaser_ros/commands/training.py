"""`vlaser train …`: both stages of training from recipes, and how fast they go. Arguments alone, read by tyro.

A recipe's values are the defaults of the options behind it: `vlaser train flow flow_nano --steps 100` is the file with
one number changed. No ROS, except for bags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Union

import tyro
from tyro.conf import OmitArgPrefixes, Positional, subcommand

from vlaser_core.train.flow_recipe import FlowRecipe
from vlaser_core.train.recipe import read_recipe
from vlaser_core.train.sft_recipe import SftRecipe


@dataclass(frozen=True)
class TrainSft:
    """Stage 1: teach the backbone to answer, from records of pictures and conversations. Stopped at any moment, the same command goes on."""

    file: Positional[str | None] = None  # a recipe: its path (*.yaml) or a name below config/train
    recipe: OmitArgPrefixes[SftRecipe] = SftRecipe()
    dry_run: bool = False  # only say what would be trained, and what it would take
    processes: int = 1  # a dry run reckons with; of a run torchrun says it
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        if self.dry_run:
            from vlaser_ros.commands.train_dry import reckon_sft

            return reckon_sft(self.recipe, self.processes, self.json)
        from vlaser_ros.commands.train_sft import train_sft

        return train_sft(self.recipe, self.json)


@dataclass(frozen=True)
class TrainFlow:
    """Stage 2: teach the action expert to move, from recorded episodes. Stopped at any moment, the same command goes on."""

    file: Positional[str | None] = None  # a recipe: its path (*.yaml) or a name below config/train
    recipe: OmitArgPrefixes[FlowRecipe] = FlowRecipe()
    dry_run: bool = False  # only say what would be trained, and what it would take
    processes: int = 1  # a dry run reckons with; of a run torchrun says it
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        if self.dry_run:
            from vlaser_ros.commands.train_dry import reckon_flow

            return reckon_flow(self.recipe, self.processes, self.json)
        from vlaser_ros.commands.train_flow import train_flow

        return train_flow(self.recipe, self.json)


@dataclass(frozen=True)
class TrainBench:
    """Samples a second of stage 2: prefixes computed for every batch, and computed once and read."""

    checkpoint: Path | None = None  # folder; the one that ships by default
    size: str | None = None  # nano, 2b or 8b of random weights instead
    batch: int = 256  # samples an update
    steps: int = 12  # updates to time, each way
    times_per_prefix: int = 1  # flow times a sample
    precision: str = "float32"  # float32, autocast or bfloat16
    device: str = "cpu"  # cpu or cuda
    threads: int = 1  # CPU threads
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.train_bench import bench_training

        return bench_training(self)


TrainCommand = Union[
    Annotated[TrainSft, subcommand("sft")],
    Annotated[TrainFlow, subcommand("flow")],
    Annotated[TrainBench, subcommand("bench")],
]

# Commands whose first word may name a recipe: what to read it as, and the command it gives the defaults of.
RECIPES = {"sft": (SftRecipe, TrainSft), "flow": (FlowRecipe, TrainFlow)}


@dataclass(frozen=True)
class Train:
    """Training: sft (stage 1), flow (stage 2), bench."""

    command: Annotated[TrainCommand, tyro.conf.arg(name="")]

    def run(self) -> int:
        return self.command.run()


def defaults(arguments: Sequence[str]) -> Train | None:
    """The command with a recipe's values in it, where the command line names a recipe. Raises ConfigError for a bad one."""
    if len(arguments) < 3 or arguments[0] != "train" or arguments[1] not in RECIPES or arguments[2].startswith("-"):
        return None
    kind, command = RECIPES[arguments[1]]
    return Train(command(arguments[2], read_recipe(kind, arguments[2])))
