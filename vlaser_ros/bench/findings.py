"""What a benchmark found, beside what it must keep to; as a table for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Finding:
    """fault: what was done. happened: what followed. measured, bound: in words with units. ok: whether the bound was kept.
    numbers: the same for programs; every duration in seconds."""

    fault: str
    happened: str
    measured: str
    bound: str
    ok: bool
    numbers: dict[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 90th and 99th percentile and maximum, and how many values there were; NaN without any."""
    points = np.percentile(values, [50, 90, 99, 100]) if len(values) else [float("nan")] * 4
    return {"count": len(values), **{name: float(value) for name, value in zip(("p50", "p90", "p99", "max"), points, strict=True)}}


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def show(findings: Sequence[Finding], title: str) -> None:
    """Print the table."""
    table = Table("fault", "what happened", "measured", "bound", "ok", title=title, show_lines=True)
    for one in findings:
        table.add_row(one.fault, one.happened, one.measured, one.bound, "yes" if one.ok else "[bold red]NO[/]")
    Console().print(table)
