"""`vlaser data clean | blocklist`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vlaser_core.data.clean.blocklist import make_blocklist, save_blocklist
from vlaser_core.data.clean.plan import CleanPlan
from vlaser_core.data.clean.sets import sources_of
from vlaser_core.data.engine import BuildReport, Part, build
from vlaser_core.data.shards import UnitReport
from vlaser_core.data.shards.files import write_text
from vlaser_core.data.stage import Census, Stage
from vlaser_core.errors import InputError
from vlaser_ros.commands.data_build import print_report
from vlaser_ros.commands.data_rework import Blocklist, Clean


def parts_of_set(folder: Path, out: Path) -> list[Part]:
    """A set's sources as parts of a build into another folder. Raises InputError for the same folder, or one that holds no set."""
    if out.resolve() == folder.resolve():
        raise InputError(f"{out} is the set itself: write into another folder")
    parts = [Part(source, settings=source.settings, shuffled=False) for source in sources_of(folder)]
    if not parts:
        raise InputError(f"{folder} holds no records")
    return parts


def build_with_bar(
    parts: Sequence[Part], out: Path, seed: int, stages: Sequence[Stage], censuses: Sequence[Census], workers: int, console: Console
) -> BuildReport:
    """Build, with a bar of units."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("units"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(out.name, total=sum(len(part.source.units()) for part in parts))

        def note(report: UnitReport) -> None:
            progress.update(bar, advance=1)

        return build(parts, out, seed, stages, censuses, workers, progress=note)


def clean(options: Clean) -> int:
    """Clean a set, tell what was left out by rule, and end with the report as a JSON line."""
    console, began = Console(stderr=True), time.perf_counter()
    plan = CleanPlan(
        options.rules,
        options.same_text,
        options.near_pictures,
        options.exact_pictures,
        tuple(str(path.resolve()) for path in options.benchmarks),
    )
    parts = parts_of_set(options.folder, options.out)
    read = sum(unit.items for part in parts for unit in part.source.units())
    report = build_with_bar(parts, options.out, 0, plan.stages(), plan.censuses(), options.workers, console)
    print_report(report, console)
    seconds = round(time.perf_counter() - began, 3)
    told = {"folder": str(options.out), "read": read, **asdict(report), "seconds": seconds, "records_per_s": round(read / seconds, 1)}
    write_text(options.out / "report.json", json.dumps({"read": read, "settings": asdict(plan), **asdict(report)}, indent=1) + "\n")
    print(json.dumps(told))
    return 0


def blocklist(options: Blocklist) -> int:
    """Make a list, and tell what is in it and which files could not be read."""
    made = make_blocklist(options.folder, options.name or options.folder.resolve().name, options.words)
    save_blocklist(made, options.out)
    console = Console(stderr=True)
    for skipped in made.skipped[:20]:
        console.print(f"[yellow]not read: {skipped}[/]", highlight=False)
    counts = {"questions": made.questions, "ngrams": len(made.ngrams), "pictures": len(made.pictures), "skipped": len(made.skipped)}
    print(json.dumps({"list": str(options.out), "name": made.name, **counts}))
    return 0
