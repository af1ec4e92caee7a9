"""`vlaser data plan | bench`: what a large set would take, and what a small one takes here."""

from __future__ import annotations

import json
import tempfile
from itertools import islice
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Column, Table

from sim_bridge.sources import SIMULATED, settings_of
from vlaser_core.data.mix import load_plan, plan_path
from vlaser_core.errors import InputError
from vlaser_ros.commands.data_sources import open_source


class PlanOptions(Protocol):
    """See `vlaser_ros.commands.data.DataPlan`."""

    plan: str
    root: Path
    workers: int
    renderer: str
    json: bool


class BenchOptions(Protocol):
    """See `vlaser_ros.commands.data.DataBench`."""

    source: str
    records: int
    memory: tuple[int, ...]
    renderer: str
    json: bool


def show_plan(options: PlanOptions) -> int:
    """A table of the plan's sources, the estimate, and the JSON line."""
    from vlaser_core.data.plan import estimate, standing, to_json

    if options.workers < 1:
        raise InputError(f"expected at least 1 worker to reckon with, got {options.workers}")
    plan = load_plan(plan_path(options.plan))
    found = [
        standing(share, lambda name, records: open_source(name, options.root, records, renderer=options.renderer)) for share in plan.shares
    ]
    estimated = estimate(found, options.workers)
    if not options.json:
        console = Console()
        table = Table(
            "category",
            "source",
            "records",
            "weight",
            Column("licence", no_wrap=True, overflow="ellipsis", max_width=28),
            "there",
            "/s a core",
            title=plan.name,
        )
        for entry in found:
            share = entry.share
            rate = f"{1 / entry.rate.seconds:.0f}" if entry.rate else ""
            there = f"[green]{entry.items or '?'} in {entry.units} units[/]" if entry.present else "[red]missing[/]"
            table.add_row(share.category, share.source, f"{share.records:,}", f"{share.weight:g}", share.licence, there, rate)
        console.print(table)
        console.print("  ".join(f"{category} {records / 1e6:.1f} M" for category, records in plan.categories().items()))
        for entry in found:
            if not entry.present:
                console.print(f"{entry.share.source} is missing: {entry.missing}", highlight=False, markup=False)
        if estimated:
            assumed = (
                f"; {len(estimated.assumed)} missing sources reckoned at the mean of those that are there" if estimated.assumed else ""
            )
            console.print(
                f"about {estimated.hours:.1f} h with {options.workers} workers and {estimated.gigabytes:.0f} GB of disk, at the rates measured just now{assumed}"
            )
    print(json.dumps(to_json(plan, found, estimated)))
    return 0


def bench_set(options: BenchOptions) -> int:
    """Families, one worker against two, and peak memory by size; the JSON line last."""
    from vlaser_core.data.bench import end_to_end, family_rates
    from vlaser_core.data.source import Damage

    if options.source not in SIMULATED:
        raise InputError(f"bench measures a simulated source, {' or '.join(SIMULATED)}; got {options.source!r}")
    console = Console(stderr=True)

    def source(records: int):
        return open_source(options.source, Path(), records, 0, options.renderer)

    console.print("families …")
    probe = source(1)
    truths = list(
        {id(sample.truth): sample.truth for sample in islice(probe.read(probe.units()[0], Damage(), 0), 128) if sample.truth}.values()
    )
    families = family_rates(truths)
    with tempfile.TemporaryDirectory(prefix="vlaser-bench-") as folder:

        def measured(records: int, workers: int) -> dict:
            console.print(f"{records} records, {workers} workers …")
            made = source(records)
            return end_to_end(made, records, workers, Path(folder) / f"{records}-{workers}", settings_of(made))

        one, two = (measured(options.records, workers) for workers in (1, 2))
        memory = [measured(records, 2) for records in options.memory]
    result = {
        "source": options.source,
        "settings": settings_of(probe),
        "questions_per_second_per_core": families,
        "one_worker": one,
        "two_workers": two,
        "memory": memory,
        "ratio_two_to_one": round(two["records_per_second"] / one["records_per_second"], 3),
    }
    if not options.json:
        table = Table("family", "questions/s a core")
        for name, rate in families.items():
            table.add_row(name, f"{rate:.0f}")
        Console().print(table)
        table = Table("workers", "records", "records/s", "busy s", "wall s", "peak MB, all", "peak MB, a worker", "MB on disk")
        for run in (one, two, *memory):
            numbers = (
                "workers",
                "records",
                "records_per_second",
                "busy_seconds",
                "wall_seconds",
                "peak_megabytes",
                "worker_peak_megabytes",
                "megabytes_on_disk",
            )
            table.add_row(*(str(run[name]) for name in numbers))
        Console().print(table)
    print(json.dumps(result))
    return 0
