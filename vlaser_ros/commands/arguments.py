"""What `vlaser` can be asked: one class a subcommand, read by tyro. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Union

import tyro
from tyro.conf import Positional, subcommand

from vlaser_ros.commands.checkpoints import Bench, Convert, Export, Inspect

PROG = "vlaser"


@dataclass(frozen=True)
class _Loading:
    """Options of the commands that load a model."""

    checkpoint: Path | None = None  # folder; the one that ships by default
    device: str = "cpu"  # cpu, cuda, cuda:1 …
    dtype: str = "float32"  # float32, bfloat16 or float16
    threads: int | None = None  # CPU threads, torch's choice by default
    out: Path | None = None  # also write the picture with the answer drawn in


@dataclass(frozen=True)
class Up:
    """Start a robot's processes (simulated with `tabletop`) and keep them until Ctrl-C."""

    robot: Positional[str]  # a contract's name (tabletop, widowx) or a path to its YAML file
    settings: Positional[tuple[str, ...]] = ()  # arguments as in `ros2 launch`, e.g. task:=widowx_carrot_on_plate engine:=stand_in
    sim: bool = False  # replace the real robot by its simulation

    def run(self) -> int:
        from vlaser_ros.commands.settings import read_settings
        from vlaser_ros.up import up

        up(self.robot, read_settings(self.settings), sim=self.sim)
        return 0


@dataclass(frozen=True)
class Demo:
    """Run the four tabletop tasks through the whole stack; leaves a video, a recording and a report."""

    out: Path = Path("runs/demo")  # folder of the results
    checkpoint: Path | None = None  # folder; the one that ships by default
    engine: str = "vlaser"  # vlaser, or stand_in: no weights, for looking at the stack alone
    tasks: tuple[str, ...] = ()  # all four by default
    seed: int = 0  # of the first scene; the others follow
    threads: int = 1  # CPU threads of the model
    domain_id: int | None = None  # ROS domain; a random one of this machine alone by default

    def run(self) -> int:
        from vlaser_ros.demo import Settings, demo

        return demo(Settings(self.out, self.checkpoint, self.engine, self.tasks, self.seed, self.threads, self.domain_id))


@dataclass(frozen=True)
class Ground(_Loading):
    """Where is it? Boxes and points of a phrase in a picture, as JSON."""

    image: Positional[Path] = tyro.MISSING  # a picture file
    phrase: Positional[str] = tyro.MISSING  # what to look for

    def run(self) -> int:
        from vlaser_ros.commands.reasoning import ground

        return ground(self, self.image, self.phrase)


@dataclass(frozen=True)
class Plan(_Loading):
    """The steps that lead to a goal, as JSON."""

    image: Positional[Path] = tyro.MISSING  # a picture file
    goal: Positional[str] = tyro.MISSING  # what to reach
    ground: bool = False  # also locate each step's target

    def run(self) -> int:
        from vlaser_ros.commands.reasoning import plan

        return plan(self, self.image, self.goal, self.ground)


@dataclass(frozen=True)
class Ask(_Loading):
    """The answer to a question about a picture, as JSON."""

    image: Positional[Path] = tyro.MISSING  # a picture file
    question: Positional[str] = tyro.MISSING  # what to answer

    def run(self) -> int:
        from vlaser_ros.commands.reasoning import ask

        return ask(self, self.image, self.question)


@dataclass(frozen=True)
class Eval:
    """Closed-loop success and grounding of a checkpoint in a simulator, on scenes it was not trained on."""

    world: Positional[str]  # tabletop
    checkpoint: Path | None = None  # folder; the one that ships by default
    episodes: int = 20  # a task
    seed: int = 0  # of the first episode
    tasks: tuple[str, ...] = ()  # all by default
    workers: int = 2  # processes
    executed_steps: int | None = None  # of each chunk before looking again; the whole chunk by default
    grounding: int = 200  # unseen pictures in which objects are pointed to as well; 0 leaves that out
    renderer: str = "auto"  # egl, osmesa, rays, or the first of these that works
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.evaluation import evaluate_world

        return evaluate_world(self)


@dataclass(frozen=True)
class Parity:
    """Compare our numbers with reference vectors of the original implementation."""

    directory: Positional[Path]  # folder of the reference vectors

    def run(self) -> int:
        from vlaser_ros.commands.evaluation import compare

        return compare(self.directory)


Command = Union[
    Annotated[Up, subcommand("up")],
    Annotated[Demo, subcommand("demo")],
    Annotated[Ground, subcommand("ground")],
    Annotated[Plan, subcommand("plan")],
    Annotated[Ask, subcommand("ask")],
    Annotated[Eval, subcommand("eval")],
    Annotated[Inspect, subcommand("inspect")],
    Annotated[Convert, subcommand("convert")],
    Annotated[Export, subcommand("export")],
    Annotated[Bench, subcommand("bench")],
    Annotated[Parity, subcommand("parity")],
]


def parse(arguments: Sequence[str] | None = None) -> Command:
    """The command a command line asks for; `sys.argv` by default. Exits with 2 and usage when it is not one."""
    description = "Vlaser on ROS 2: grounding, planning and action chunks for a robot arm."
    return tyro.cli(Command, prog=PROG, description=description, args=arguments, config=(tyro.conf.ConsolidateSubcommandArgs,))
