"""Stage 2 as a recipe: what `vlaser train flow` reads from a YAML file and its options. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from vlaser_core.errors import ConfigError
from vlaser_core.train.loop_config import LoopConfig

Trained = Literal["expert", "expert+vision", "all"]


@dataclass(frozen=True)
class DataRecipe:
    """Where episodes come from, and how a data set's own names and units become the robot's (see `data/robot/adapt.py`)."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    data: tuple[str, ...] = ()  # sets, kind:path each: lerobot, bridge, fractal, robotwin, tabletop or bag
    cameras: tuple[str, ...] = ()  # the robot's camera:=the data set's, where they differ
    proprio: tuple[str, ...] = ()  # names of the state values to keep, in the robot's order; all by default
    actions: tuple[str, ...] = ()  # names of the action values to keep, in the robot's order; all by default
    degrees: bool = False  # the data set's angles are degrees
    gripper_state: tuple[float, float] | None = None  # measured values that mean closed and open; openness already by default
    gripper_action: tuple[float, float] | None = None  # commanded values that mean closed and open; likewise
    stride: int = 1  # keep every k-th step; for absolute actions only
    drop_idle: bool = False  # leave out steps in which nothing moves, such as those in which a recorded policy was thinking
    instruction: str = ""  # said of episodes that say none; those are left out by default
    image_topic: tuple[str, ...] = ()  # camera:=/topic/in/the/bag, where a bag's contract does not say
    joint_topic: str = ""  # joint states in bags, where the contract does not say
    weights: tuple[float, ...] = ()  # share of the samples from each set; by their size by default
    split: str = ""  # of Bridge and Fractal: train, val, …; all by default
    wrap_angles: bool = False  # of Bridge: differences of angles the short way round, which upstream's statistics do not take
    swapped_colours: bool = False  # of RoboTwin: red and blue exchanged, as the published RoboTwin policy has seen them


@dataclass(frozen=True)
class FlowRecipe:
    """Stage 2: flow-matching loss on action chunks. `batch` counts the samples of an update over all processes."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    source: DataRecipe = DataRecipe()
    out: Path = Path("runs/flow")  # log, state and, at the end, checkpoint/
    checkpoint: Path | None = None  # to begin from; the one that ships by default
    size: Literal["nano", "2b", "8b"] | None = None  # what a dry run reckons with where the checkpoint is not there
    embodiment: str | None = None  # robot, by name or path; the checkpoint's own by default
    tokenizer: Path | None = None  # folder; the checkpoint's own by default
    views: int | None = None  # how many of the robot's cameras the policy looks through; as before by default, all with a new expert
    expert: Literal["keep", "new"] = "keep"  # new: an expert that has learned nothing; what a model that only reasons gets anyway
    expert_width: int | None = None  # of a new expert; the old one's, or upstream's for the backbone, by default
    expert_mlp: int | None = None  # of a new expert; likewise
    train: Trained = "expert"  # the rest is frozen
    statistics: str = "data"  # percentiles to normalise by: the data's own, the checkpoint's, or those of a JSON file
    batch: int = 64  # samples an update
    times_per_prefix: int = 1  # random flow times a sample, for one reading of its picture
    mask_padding: bool = True  # steps behind an episode's end do not count; upstream counts the repeated last action
    proprio_noise: float = 0.0  # standard deviation added to normalised proprioception
    augment: float = 0.5  # strength of random light, colour and noise on pictures; 0: none
    prefixes: Literal["store", "recompute"] = "store"  # of a frozen backbone: kept on disk, or computed anew for each batch
    pool: int = 2048  # pictures in memory from which batches are drawn when prefixes are not stored
    workers: int = 0  # processes that read pictures ahead
    backbone_rate: float = 1.0  # factor on the learning rate of whatever is trained of the backbone
    seed: int = 0  # of everything random
    device: str = "cpu"  # cpu or cuda
    threads: int = 1  # CPU threads a process
    evaluate_every: int = 0  # updates between two closed-loop evaluations in the tabletop simulator; 0: none
    evaluate_episodes: int = 4  # a task, each time
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=2000, learning_rate=5e-4))

    def __post_init__(self) -> None:
        if min(self.batch, self.times_per_prefix, self.pool) < 1 or min(self.workers, self.evaluate_every) < 0:
            raise ConfigError("batch, times_per_prefix and pool are at least 1, workers and evaluate_every at least 0")
        if (self.expert_width is None) != (self.expert_mlp is None):
            raise ConfigError("give both expert_width and expert_mlp, or neither")
