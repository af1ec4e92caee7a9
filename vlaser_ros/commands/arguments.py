"""What `vlaser` can be asked: one class a subcommand, read by tyro. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Union

import tyro
from tyro.conf import Positional, subcommand

from training.ablation.command import Command as Ablation
from vlaser_ros.commands.bags import Bag, EvalBag, Record
from vlaser_ros.commands.checkpoints import Bench, Convert, Export, Inspect
from vlaser_ros.commands.data import Data
from vlaser_ros.commands.description import Urdf
from vlaser_ros.commands.eval_compare import EvalCompare
from vlaser_ros.commands.eval_reasoning import EvalReasoning
from vlaser_ros.commands.eval_records import EvalRecords
from vlaser_ros.commands.loading import Loading
from vlaser_ros.commands.robotwin import EvalRoboTwin, RoboTwin
from vlaser_ros.commands.serve import Serve
from vlaser_ros.commands.simpler import EvalSimpler, Simpler
from vlaser_ros.commands.training import Train, defaults

PROG = "vlaser"


@dataclass(frozen=True)
class _Reasoning(Loading):
    """Options of the commands that answer in words. Answers are the likeliest ones unless a temperature is given."""

    out: Path | None = None  # also write the picture with the answer drawn in
    temperature: float = 0.0  # above 0: words are drawn at random, 1 as the model weighs them
    top_p: float = 1.0  # of the draw: from the likeliest words that have this probability together
    seed: int = 0  # of the draw: the same seed gives the same answer


@dataclass(frozen=True)
class Up:
    """Start a robot's processes (simulated with `tabletop`) and keep them until Ctrl-C."""

    robot: Positional[str]  # a contract's name (tabletop, widowx, aloha, simpler, replay) or a path to its YAML file
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
    device: str = "cpu"  # cpu, cuda, cuda:1 …
    dtype: str = "float32"  # float32, bfloat16 or float16
    threads: int = 1  # CPU threads of the model
    domain_id: int | None = None  # ROS domain; a random one of this machine alone by default

    def run(self) -> int:
        from vlaser_ros.demo import Settings, demo

        model = {"device": self.device, "dtype": self.dtype, "threads": self.threads}
        return demo(Settings(self.out, self.checkpoint, self.engine, self.tasks, self.seed, domain_id=self.domain_id, **model))


@dataclass(frozen=True)
class Ground(_Reasoning):
    """Where is it? Boxes and points of a phrase in a picture, as JSON."""

    image: Positional[Path] = tyro.MISSING  # a picture file
    phrase: Positional[str] = tyro.MISSING  # what to look for

    def run(self) -> int:
        from vlaser_ros.commands.reasoning import ground

        return ground(self, self.image, self.phrase)


@dataclass(frozen=True)
class Plan(_Reasoning):
    """The steps that lead to a goal, as JSON."""

    image: Positional[Path] = tyro.MISSING  # a picture file
    goal: Positional[str] = tyro.MISSING  # what to reach
    ground: bool = False  # also locate each step's target

    def run(self) -> int:
        from vlaser_ros.commands.reasoning import plan

        return plan(self, self.image, self.goal, self.ground)


@dataclass(frozen=True)
class Ask(_Reasoning):
    """The answer to a question about a picture, or about several, as JSON."""

    image: Positional[Path] = tyro.MISSING  # a picture file
    question: Positional[str] = tyro.MISSING  # what to answer; <image> in it says where each picture stands
    more: tuple[Path, ...] = ()  # further picture files of the same question

    def run(self) -> int:
        from vlaser_ros.commands.reasoning import ask

        return ask(self, (self.image, *self.more), self.question)


@dataclass(frozen=True)
class EvalTabletop(Loading):
    """Closed-loop success and grounding of a checkpoint in a simulator, on scenes it was not trained on."""

    threads: int = 1  # CPU threads a worker
    episodes: int = 20  # a task
    seed: int = 0  # of the first episode
    tasks: tuple[str, ...] = ()  # all by default
    workers: int = 2  # processes
    together: int = 1  # episodes a worker plays at once, their chunks computed in one batch: faster, and inference times are then the batch's
    executed_steps: int | None = None  # of each chunk before looking again; the whole chunk by default
    flow_steps: int | None = None  # of the chunk's integration; the checkpoint's own number by default
    grounding: int = 200  # unseen pictures in which objects are pointed to as well; 0 leaves that out
    renderer: str = "auto"  # egl, osmesa, rays, or the first of these that works
    out: Path | None = None  # folder for summary.json and report.html, with films of episodes that failed first
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.evaluation import evaluate_world

        return evaluate_world(self)


@dataclass(frozen=True)
class Eval:
    """How good is a policy: closed loop in a simulator, open loop over a recorded episode, or in words about pictures."""

    what: Annotated[
        Annotated[EvalTabletop, subcommand("tabletop")]
        | Annotated[EvalSimpler, subcommand("simpler")]
        | Annotated[EvalRoboTwin, subcommand("robotwin")]
        | Annotated[EvalReasoning, subcommand("reasoning")]
        | Annotated[EvalRecords, subcommand("records")]
        | Annotated[EvalBag, subcommand("bag")]
        | Annotated[EvalCompare, subcommand("compare")],
        tyro.conf.arg(name=""),
    ]

    def run(self) -> int:
        return self.what.run()


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
    Annotated[Record, subcommand("record")],
    Annotated[Bag, subcommand("bag")],
    Annotated[Inspect, subcommand("inspect")],
    Annotated[Convert, subcommand("convert")],
    Annotated[Export, subcommand("export")],
    Annotated[Bench, subcommand("bench")],
    Annotated[Parity, subcommand("parity")],
    Annotated[Ablation, subcommand("ablation")],
    Annotated[Data, subcommand("data")],
    Annotated[Train, subcommand("train")],
    Annotated[Urdf, subcommand("urdf")],
    Annotated[Serve, subcommand("serve")],
    Annotated[RoboTwin, subcommand("robotwin")],
    Annotated[Simpler, subcommand("simpler")],
]


def parse(arguments: Sequence[str] | None = None) -> Command:
    """The command a command line asks for; `sys.argv` by default. Exits with 2 and usage when it is not one."""
    description = "Vlaser on ROS 2: grounding, planning and action chunks for a robot arm."
    arguments = sys.argv[1:] if arguments is None else arguments
    recipe = defaults(arguments)
    given = {} if recipe is None else {"default": recipe}
    return tyro.cli(Command, prog=PROG, description=description, args=arguments, config=(tyro.conf.ConsolidateSubcommandArgs,), **given)
