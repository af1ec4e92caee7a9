"""What `vlaser record`, `vlaser bag` and `vlaser eval bag` can be asked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, subcommand

from vlaser_ros.commands.bag_look import Look
from vlaser_ros.commands.loading import Loading


@dataclass(frozen=True)
class Record:
    """Record a running robot into MCAP, its contract included, until Ctrl-C."""

    robot: Positional[str]  # a contract's name (tabletop, widowx) or a path to its YAML file
    out: Path | None = None  # a file ending in .mcap; runs/record/<robot>_<time>.mcap by default
    topics: tuple[str, ...] = ()  # to record beside the contract's and the stack's own
    all: bool = False  # every topic there is
    exclude: tuple[str, ...] = ()  # regular expressions of topics to leave out
    duration: float = 0.0  # s to record; 0: until Ctrl-C
    split_size: int = 0  # MB after which a new file begins; the recording is then a folder
    split_duration: float = 0.0  # s after which a new file begins
    max_size: int = 0  # MB after which recording ends
    keep_free: int = 200  # MB to leave free on the disk; recording ends before
    compression: Literal["zstd", "lz4", "none"] = "zstd"
    domain_id: int | None = None  # ROS domain; ROS_DOMAIN_ID by default
    json: bool = False  # only the account, as one JSON line

    def run(self) -> int:
        from vlaser_ros.bags.record import Settings, record

        out = self.out or Path(f"runs/record/{Path(self.robot).stem}_{time.strftime('%Y%m%d_%H%M%S')}.mcap")
        limits = {"duration": self.duration, "split_size": self.split_size, "split_duration": self.split_duration}
        limits |= {"max_size": self.max_size, "keep_free": self.keep_free}
        options = {"compression": self.compression, "domain_id": self.domain_id, "json": self.json}
        return record(self.robot, Settings(out, self.topics, self.all, self.exclude, **limits, **options))


@dataclass(frozen=True)
class _Topics:
    """Whose bag it is, where the bag does not say."""

    embodiment: str = ""  # contract, by name or path, for a bag without one
    image_topic: tuple[str, ...] = ()  # camera:=/topic/in/the/bag, where the contract does not say


@dataclass(frozen=True)
class EvalBag(Loading, _Topics):
    """Run the policy over a recorded episode and compare it, step by step, with what was done."""

    bag: Positional[Path] = tyro.MISSING  # file or folder: MCAP, sqlite3 (.db3) or ROS 1 (.bag)
    joint_topic: str = ""  # joint states in the bag, where the contract does not say
    instruction: str = ""  # what the robot was told, where the bag does not say
    against: Literal["auto", "chunks", "motion"] = "auto"  # accepted action chunks, or measured motion; auto: chunks where there are any
    stride: int = 1  # of the pictures (against motion) or of the chunks
    limit: int = 0  # chunks at most; 0: all
    seed: int = 0  # of the first chunk's noise; the others follow
    max_age: float | None = None  # s, oldest view; the contract's by default
    drop_idle: bool = False  # against motion: leave out pictures after which the arm stood still for a step, such as those in which it waited
    out: Path | None = None  # folder for report.html, summary.json and steps.csv
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.bag_evaluation import evaluate_bag

        return evaluate_bag(self)


@dataclass(frozen=True)
class Info:
    """What a bag holds: robot, topics, counts, length."""

    bag: Positional[Path]  # file or folder
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.bag_contents import info

        return info(self.bag, self.json)


@dataclass(frozen=True)
class Repair:
    """Copy what can still be read of a damaged MCAP file into a new one with an index."""

    file: Positional[Path]  # e.g. of a recorder that was killed
    out: Path | None = None  # <name>.repaired.mcap beside it by default

    def run(self) -> int:
        from vlaser_ros.commands.bag_contents import mend

        return mend(self.file, self.out or self.file.with_suffix(".repaired.mcap"))


@dataclass(frozen=True)
class GroundBag(Loading, _Topics):
    """Look for a phrase in every n-th picture of a bag; leaves an annotated video and a table."""

    bag: Positional[Path] = tyro.MISSING  # file or folder
    phrase: Positional[str] = tyro.MISSING  # what to look for
    camera: str = ""  # of the contract; its first by default
    every: int = 10  # pictures from one look to the next; those between show the last answer
    limit: int = 0  # looks at most; 0: all
    out: Path = Path("runs/ground")  # folder for ground.mp4 and ground.csv

    def run(self) -> int:
        from vlaser_ros.commands.bag_grounding import ground_bag

        return ground_bag(self)


@dataclass(frozen=True)
class Bag:
    """Look into a bag, mend it, or look for things in its pictures."""

    what: Annotated[
        Annotated[Info, subcommand("info")]
        | Annotated[Look, subcommand("look")]
        | Annotated[Repair, subcommand("repair")]
        | Annotated[GroundBag, subcommand("ground")],
        tyro.conf.arg(name=""),
    ]

    def run(self) -> int:
        return self.what.run()
