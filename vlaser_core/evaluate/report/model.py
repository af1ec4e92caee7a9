"""What a report holds, whatever was evaluated."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("vlaser-ros", "torch", "transformers", "mujoco", "numpy")


@dataclass(frozen=True)
class Measure:
    """One number: a task, a benchmark, a mean. value, interval: 0…1; None where nothing was measured. n: of what it is a mean. marks: published
    values of the same thing, by whose they are. cells: further columns. group: heading under which it stands; main: a sum of the others.
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None = None
    n: int | None = None
    note: str = ""
    marks: Mapping[str, float] = field(default_factory=dict)
    cells: Mapping[str, str] = field(default_factory=dict)
    main: bool = False


@dataclass(frozen=True)
class Matrix:
    """Rows of others beside ours. rows: (name, percent by column, whether it is published). source: of the published ones."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, Mapping[str, float | None], bool], ...]
    source: str


@dataclass(frozen=True)
class Item:
    """One episode or question to look at. score: 0…1. film: MP4. pictures: RGB uint8. lines: (label, text)."""

    title: str
    score: float
    caption: str = ""
    pictures: tuple[np.ndarray, ...] = ()
    film: bytes | None = None
    lines: tuple[tuple[str, str], ...] = ()

    @property
    def failed(self) -> bool:
        return self.score < 1.0


@dataclass(frozen=True)
class Section:
    """A table of names and values, or a list of lines, below a heading; folded away unless `open`."""

    title: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    open: bool = False


@dataclass(frozen=True)
class Report:
    """title, headline: what was evaluated, and what it came to in a sentence. badges: what must not be overlooked (partial, fixtures). items: some of
    many, failures first; total: of how many they are; items_about: what their drawings mean. settings, command: how to do it again.
    """

    title: str
    headline: str
    measures: tuple[Measure, ...]
    settings: Mapping[str, Any]
    command: str
    badges: tuple[str, ...] = ()
    matrix: Matrix | None = None
    items: tuple[Item, ...] = ()
    items_total: int = 0
    items_about: str = ""
    sections: tuple[Section, ...] = ()
    versions: Mapping[str, str] = field(default_factory=lambda: versions())


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """What ran: interpreter, machine, and the packages that matter; a package that is absent is said to be."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def command_line() -> str:
    """How this process was asked for, to be typed again."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def write_report(folder: Path, report: Report, summary: dict[str, Any]) -> None:
    """`report.html` and `summary.json` into `folder`, which is made. The summary gets the report's settings, command and versions."""
    write_page(folder, report)
    whole = {**summary, "settings": dict(report.settings), "command": report.command, "versions": dict(report.versions)}
    (folder / "summary.json").write_text(json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def write_page(folder: Path, report: Report) -> None:
    """`report.html` alone, for an evaluation that keeps a summary of its own."""
    from vlaser_core.evaluate.report.page import page

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(page(report), encoding="utf-8")


def failures_first(items: Sequence[Item], most: int) -> tuple[Item, ...]:
    """At most `most`, the worst first; of those that are whole successes at most a quarter, so that both can be seen."""
    ordered = sorted(items, key=lambda item: item.score)
    failed, right = [item for item in ordered if item.failed], [item for item in ordered if not item.failed]
    kept = min(len(right), max(most // 4, most - len(failed)))
    return tuple(failed[: most - kept] + right[:kept])
