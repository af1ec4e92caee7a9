"""`vlaser data build`: a source or a plan into a folder, with a progress bar."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from vlaser_core.data.engine import BuildReport, Part, build
from vlaser_core.data.mix import is_plan, load_plan, plan_path
from vlaser_core.data.shards import UnitReport
from vlaser_core.data.stage import Census, Stage
from vlaser_core.errors import InputError


class Options(Protocol):
    """What to build; see `vlaser_ros.commands.data.Build`."""

    what: str
    out: Path
    records: int | None
    seed: int
    workers: int
    address: str | None
    root: Path
    renderer: str
    writer: str | None
    judge: str | None
    cache: Path


DEFAULT_RECORDS = 40_000  # of a simulated source, which has no end of its own


def parts_of(options: Options) -> list[Part]:
    """What the command line asks for. A plan's counts shrink in proportion to `--records`."""
    from sim_bridge.sources import SIMULATED, settings_of
    from vlaser_ros.commands.data_sources import open_source

    if is_plan(options.what):
        shares = load_plan(plan_path(options.what)).shares
        total = sum(share.records for share in shares)
        wanted = [
            (share.source, share.records if options.records is None else max(1, round(share.records * options.records / total)))
            for share in shares
        ]
    else:
        endless = options.what in SIMULATED
        wanted = [(options.what, DEFAULT_RECORDS if endless and options.records is None else options.records)]
    parts = []
    for name, records in wanted:
        source = open_source(name, options.root, records or 0, options.seed, options.renderer)
        # Simulated units are all alike and listed without end: in their order, a larger set goes on where a smaller one ended.
        parts.append(Part(source, records, settings_of(source), shuffled=name not in SIMULATED))
    return parts


def build_set(options: Options) -> int:
    """Build, tell what was left out and why, and end with the report as a JSON line."""
    parts = parts_of(options)
    console = Console(stderr=True)
    stages, censuses = between(options, console)
    targets = [part.target for part in parts]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        total = None if None in targets else sum(targets)
        bar = progress.add_task(options.what, total=total, note="")
        done = left_out = 0

        def note(report: UnitReport) -> None:
            nonlocal done, left_out
            done += report.records
            left_out += sum(sum(counts.values()) for counts in report.left_out.values())
            shown = done if total is None else min(done, total)  # units are whole, the last one is cut afterwards
            progress.update(bar, completed=shown, note=f"{left_out} left out" if left_out else "")

        report = build(parts, options.out, options.seed, stages, censuses, options.workers, options.address, note)
    print_report(report, console)
    print(json.dumps({"folder": str(options.out), **asdict(report)}))
    return 0


def between(options: Options, console: Console) -> tuple[list[Stage], list[Census]]:
    """What a plan has done to its records: written, judged, cleaned. A single source is built as it is."""
    if not is_plan(options.what):
        if options.writer or options.judge:
            raise InputError("--writer and --judge are for plans; `vlaser data label` has records written for a set or a folder of pictures")
        return [], []
    from vlaser_ros.commands.data_labels import plan_stages

    path = plan_path(options.what)
    return plan_stages(load_plan(path), path.parent, options.writer, options.judge, options.cache, console)


def print_report(report: BuildReport, console: Console) -> None:
    console.print(
        f"{report.records} records, {report.pictures} pictures, {report.bytes / 2**20:.1f} MiB; "
        f"{report.written} units written now, {report.resumed} there before, {report.retried} begun again after a worker died"
    )
    rows = [
        (name, reason, count, (report.examples[name][reason] or [""])[0])
        for name, counts in report.left_out.items()
        for reason, count in counts.items()
    ]
    rows += [("afterwards", rule, count, "") for rule, count in report.dropped.items()]
    if rows:
        table = Table("left out by", "reason", "records", "for example")
        for name, reason, count, example in rows:
            table.add_row(name, reason, str(count), example)
        console.print(table)
    for name, missing in report.short.items():
        console.print(f"[yellow]{name} holds {missing} records fewer than asked for[/]")
