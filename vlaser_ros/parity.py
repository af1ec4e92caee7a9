"""`vlaser parity DIRECTORY`: every reference vector in the directory against this code, SimplerEnv's conventions included."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sim_bridge.simpler.parity import simpler_checks
from vlaser_core.evaluate.parity import Report, core_groups, parity


def all_groups_report(directory: Path) -> Report:
    """The report over the model's groups and the simulator bridges'. Raises InputError as `parity` does."""
    return parity(directory, {**core_groups(), "simpler": simpler_checks})


def print_parity(directory: Path, console: Console | None = None) -> int:
    """Print a table a group, every failure, and a JSON line last. Returns the exit status: 0 when all agree."""
    report, console = all_groups_report(directory), console or Console()
    table = Table("group", "checks", "exact", "largest error", "failed")
    for name, group in report.groups().items():
        largest = f"{group.largest:.1e}" if group.checks > group.exact else "—"
        table.add_row(name, str(group.checks), str(group.exact), largest, str(len(group.failed)))
    console.print(table)
    for check in report.checks:
        if not check.ok:
            console.print(f"[red]differs[/] {check.group}: {check.name}: {check.error:.3g}, allowed {check.tolerance:.3g}")
    for group in report.skipped:
        console.print(f"[yellow]skipped[/] {group.group}: {group.reason}")
    console.print(json.dumps(report.to_json(), ensure_ascii=False), soft_wrap=True, markup=False, highlight=False)
    return 0 if report.ok else 1
