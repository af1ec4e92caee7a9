"""What the experiment varies and how long each part trains: one YAML file, `config/train/ablation.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from vlaser_core.errors import ConfigError
from vlaser_core.train.loop_config import LoopConfig

Trained = Literal["expert", "expert+vision", "all"]


@dataclass(frozen=True)
class Reasoning:
    """An initialisation: what the backbone learns in stage 1 behind the base.

    data: `elsewhere` (out of domain), `tabletop` (in domain), or nothing for the base itself. categories: of the records;
    empty: all four. share: of the set's pictures, so that the amount of data can be varied at the same number of updates.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    data: Literal["", "elsewhere", "tabletop"]
    categories: tuple[str, ...] = ()
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"share is above 0 and at most 1, got {self.share}")


@dataclass(frozen=True)
class Judging:
    """Closed loop and questions. Episodes are the same scenes for every policy, so that differences are paired."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    episodes: int = 50  # a task and policy
    questions: int = 600  # of each held-out set, for each backbone
    renderer: str = "auto"
    curve_scenes: int = 512  # held-out scenes on which the error of chunks is measured while stage 2 trains
    curve_every: int = 100  # updates


@dataclass(frozen=True)
class Sensitivity:
    """One question besides the main one, asked of the policies of one initialisation.

    executed: steps of each chunk before looking again. flow_steps: of the integration. train: what the finished policies are
    trained on for, by `joint`, with pictures read anew for every update; `expert` is what the others are to be compared with.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    backbone: str
    executed: int | None = None
    flow_steps: int | None = None
    train: Trained | None = None
    seeds: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Ablation:
    """The whole experiment. base, tune: stage 1 of the base and of what is built on it; flow: stage 2, the same for all."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    initialisations: dict[str, Reasoning]
    base: LoopConfig
    tune: LoopConfig
    flow: LoopConfig
    joint: LoopConfig
    """Stage 2 gone on with where a sensitivity says what to train."""
    records: int = 40_000
    """Of each set of questions, built where it is missing."""
    scenes: int = 4000
    """A task, with the scripted expert's chunk: what stage 2 trains on."""
    base_categories: tuple[str, ...] = ("qa",)
    """Of the out-of-domain set: what the base may know of the world before it is told anything about robots."""
    text_batch: int = 16
    """Pictures an update of stage 1."""
    turns: int = 3
    """Questions about each, in one conversation: seeing a picture costs more than asking about it."""
    task_share: float = 0.7
    """Share of the updates of stage 1 that answer the policy's own prompt, an instruction, with what the categories say of the task."""
    flow_batch: int = 256
    joint_batch: int = 32
    number_width: float = 6.0
    seeds: tuple[int, ...] = (0, 1, 2)
    sensitivities: dict[str, Sensitivity] = field(default_factory=dict)
    judging: Judging = Judging()
    data_seed: int = 7
    tabletop: Path | None = None
    """A set that is there already."""
    elsewhere: Path | None = None

    def __post_init__(self) -> None:
        if "base" not in self.initialisations or self.initialisations["base"].data:
            raise ConfigError("initialisations need a `base` without data: what the others are compared with")
        for name in (*self.initialisations, *self.sensitivities):
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
                raise ConfigError(f"{name!r} names files: small letters, digits and - only")
        if self.text_batch < 1 or self.turns < 1 or not 0 <= self.task_share <= 1:
            raise ConfigError(f"text_batch and turns are at least 1 and task_share 0 to 1; got {self.text_batch}, {self.turns} and {self.task_share}")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds are different numbers, at least one; got {self.seeds}")
        unknown = sorted({one.backbone for one in self.sensitivities.values()} - set(self.initialisations))
        if unknown:
            raise ConfigError(f"sensitivities ask about unknown initialisations {', '.join(unknown)}; known: {', '.join(self.initialisations)}")
