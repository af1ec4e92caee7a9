"""`vlaser data …`: build, check, look at, measure and hand on sets of training records. No ROS, no model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Union

import tyro
from tyro.conf import Positional, subcommand

from vlaser_ros.commands.data_rework import LABEL_CACHE, Blocklist, Clean, JudgeSet, Label


@dataclass(frozen=True)
class Build:
    """Fill a folder with records of a source or a plan. Stopped at any moment, the same command goes on."""

    what: Positional[str]  # tabletop, elsewhere, a public data set's name, or a plan (its path, *.yaml, or a name below config/data)
    out: Path  # folder of the set
    records: int | None = None  # wanted; a plan's own counts, or all there are, by default
    seed: int = 0  # of everything random; the same seed gives the same set whatever the number of workers
    workers: int = 1  # processes; 0 works in this one, without Ray
    address: str | None = None  # of a Ray cluster whose machines all see the folder; its own Ray by default
    root: Path = Path("datasets")  # where public data sets lie, each in a folder of its name
    renderer: str = "auto"  # egl, osmesa, rays, or the first of these that works; of simulated pictures
    writer: str | None = None  # has a plan's `write:` families written: a file (*.yaml), or a name below config/data/labels
    judge: str | None = None  # scores what was written: likewise; the writer itself by default
    cache: Path = LABEL_CACHE  # where answers of writers and judges are kept, and the account of what they cost

    def run(self) -> int:
        from vlaser_ros.commands.data_build import build_set

        return build_set(self)


@dataclass(frozen=True)
class Check:
    """Read every record and picture, and derive again every answer whose truth was kept. Code 1 where any disagrees."""

    folder: Positional[Path]  # a set
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.data_look import check_set

        return check_set(self.folder, self.json)


@dataclass(frozen=True)
class Stats:
    """The mix, the lengths and the balance of answers of a set, and its digest."""

    folder: Positional[Path]  # a set
    json: bool = False  # only the result, as one JSON line
    page: Path | None = None  # also write tables and plots to this HTML file

    def run(self) -> int:
        from vlaser_ros.commands.data_look import show_stats

        return show_stats(self.folder, self.json, self.page)


@dataclass(frozen=True)
class Show:
    """Write a page of samples with their boxes and points drawn, by family."""

    folder: Positional[Path]  # a set
    out: Path | None = None  # HTML file; show.html in the set's folder by default
    per_family: int = 6  # samples
    seed: int = 0  # of the draw

    def run(self) -> int:
        from vlaser_ros.commands.data_look import write_page

        return write_page(self.folder, self.out, self.per_family, self.seed)


@dataclass(frozen=True)
class DataPlan:
    """What of a plan is there, what is missing and how to get it, and the hours and disk it takes at the measured rate."""

    plan: Positional[str] = "vlaser_6m"  # a plan's name below config/data, or the path of one (*.yaml)
    root: Path = Path("datasets")  # where public data sets lie, each in a folder of its name
    workers: int = 2  # cores to reckon with
    renderer: str = "auto"  # of simulated pictures
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.data_plan import show_plan

        return show_plan(self)


@dataclass(frozen=True)
class DataBench:
    """Measure how fast a simulated set is made: by family, end to end with one and two workers, and the memory it takes."""

    source: str = "tabletop"  # or elsewhere
    records: int = 4096  # of the comparison of one worker with two
    memory: tuple[int, ...] = (10_000, 100_000)  # records at which peak memory is taken
    renderer: str = "auto"  # of the pictures
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.commands.data_plan import bench_set

        return bench_set(self)


@dataclass(frozen=True)
class Merge:
    """Put complete sets together into one."""

    folders: Positional[tuple[Path, ...]]  # sets
    out: Path  # a new folder

    def run(self) -> int:
        from vlaser_ros.commands.data_look import merge_sets

        return merge_sets(self.folders, self.out)


@dataclass(frozen=True)
class DataExport:
    """Write a set as JSONL beside an image folder, the form InternVL's trainers read."""

    folder: Positional[Path]  # a set
    out: Positional[Path]  # a new folder

    def run(self) -> int:
        from vlaser_ros.commands.data_look import export_set

        return export_set(self.folder, self.out)


DataCommand = Union[
    Annotated[Build, subcommand("build")],
    Annotated[Check, subcommand("check")],
    Annotated[Stats, subcommand("stats")],
    Annotated[Show, subcommand("show")],
    Annotated[DataPlan, subcommand("plan")],
    Annotated[DataBench, subcommand("bench")],
    Annotated[Merge, subcommand("merge")],
    Annotated[DataExport, subcommand("export")],
    Annotated[Label, subcommand("label")],
    Annotated[JudgeSet, subcommand("judge")],
    Annotated[Clean, subcommand("clean")],
    Annotated[Blocklist, subcommand("blocklist")],
]


@dataclass(frozen=True)
class Data:
    """Training records: build, check, stats, show, plan, bench, merge, export, label, judge, clean, blocklist."""

    command: Annotated[DataCommand, tyro.conf.arg(name="")]

    def run(self) -> int:
        return self.command.run()
