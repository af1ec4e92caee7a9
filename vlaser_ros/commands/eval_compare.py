"""`vlaser eval compare`: two runs of one evaluation side by side. No ROS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import tyro
from tyro.conf import Positional


@dataclass(frozen=True)
class EvalCompare:
    """Two runs of one evaluation: differences, overlap of intervals, a paired test where both did the same episodes or questions."""

    first: Positional[Path] = tyro.MISSING  # its summary.json, the folder of its --out, or what it printed with --json
    second: Positional[Path] = tyro.MISSING  # likewise
    out: Path | None = None  # HTML file of the comparison
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        return compare_runs(self)


def compare_runs(options: EvalCompare) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from vlaser_core.errors import InputError
    from vlaser_core.evaluate.report.compare import compare, overlap, page, verdict
    from vlaser_core.evaluate.report.model import command_line
    from vlaser_core.evaluate.report.results import read_results

    found = compare(read_results(options.first), read_results(options.second))
    if options.out is not None:
        try:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(page(found, command_line()), encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot write {options.out}: {error.strerror}") from error
    if not options.json:
        table = Table("", "first", "second", "difference", "better, worse", "p", "", "intervals", title=f"{found.first.name} and {found.second.name}")
        for change in found.changes:
            values = ["—" if value is None else f"{100 * value:.1f}" for value in (change.first, change.second)]
            difference = "—" if change.difference is None else f"{100 * change.difference:+.1f}"
            tested = change.paired
            counts = (f"{tested.better}, {tested.worse} of {tested.n}", f"{tested.p:.2g}") if tested else ("", "")
            table.add_row(escape(change.name), *values, difference, *counts, verdict(change), overlap(change))
        console = Console()
        console.print(table)
        for key, (mine, theirs) in found.settings.items():
            console.print(f"[dim]{escape(key)}: {escape(str(mine))} and {escape(str(theirs))}[/dim]")
    print(json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False))
    return 0
