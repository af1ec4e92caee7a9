"""`vlaser bench faults` and `vlaser bench ros`: the running stack, measured on this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class BenchFaults:
    """Break the stack in every way that is foreseen, with real processes, and measure what follows. Exit code 1 where a bound is not kept."""

    only: tuple[str, ...] = ()  # names of faults; all by default, an unknown name lists them
    quick: bool = False  # each fault once or twice: for a look, not for numbers
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.bench.faults import measure
        from vlaser_ros.bench.findings import show

        found = dict(measure(self.only, quick=self.quick, tell=lambda name: print(f"{name} …", file=sys.stderr, flush=True)))
        if not self.json:
            show(list(found.values()), "faults")
        ok = all(one.ok for one in found.values())
        print(json.dumps({"ok": ok, "quick": self.quick, "faults": {name: one.to_json() for name, one in found.items()}}))
        return 0 if ok else 1


@dataclass(frozen=True)
class BenchRos:
    """What ROS adds to the model's time, with a stand-in of known delay: picture to chunk, round trips, 5 Hz kept, memory. Exit code 1 where
    a bound is not kept."""

    seconds: float = 600.0  # of chunks at 5 Hz
    repeats: int = 100  # of each round trip
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        from vlaser_ros.bench.latency import measure

        report = measure(self.seconds, repeats=self.repeats, tell=lambda what: print(f"{what} …", file=sys.stderr, flush=True))
        if not self.json:
            _show(report)
        print(json.dumps({"ok": not report.broken, **report.to_json()}))
        return 1 if report.broken else 0


def _show(report) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("ms", "median", "p90", "p99", "longest", "of", title=f"beside a model of {report.delay * 1000:g} ms")
    rows = {
        "picture's stamp → chunk, less the model": report.chunk_overhead,
        "  of it until the policy takes the picture": report.view_age,
        "  of it afterwards": report.after_view,
        **{
            f"{name}, round trip less the model" if "age" not in name.split() else name: values
            for name, values in report.round_trips.items()
        },
    }
    for name, values in rows.items():
        table.add_row(name, *(f"{values[key] * 1000:.1f}" for key in ("p50", "p90", "p99", "max")), str(values["count"]))
    console = Console()
    console.print(table)
    console.print(f"{report.chunks} chunks in {report.seconds:g} s, {report.on_time:.2%} on time, {report.rejected} rejected")
    for name, memory in report.rss.items():
        console.print(
            f"{name}: {memory['first_mb']:.1f} → {memory['last_mb']:.1f} MB ({memory['growth']:+.2%}), {report.cpu[name]:.0%} of a core"
        )
    for words in report.broken:
        console.print(f"not kept: {words}", style="red")
