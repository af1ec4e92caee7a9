"""`vlaser bench gate`: what the chunk gate costs a chunk on this machine. No ROS, no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class BenchGate:
    """Time the chunk gate on chunks that pass it: its own checks, and the kinematics between them."""

    robot: str = "widowx"  # a contract's name or YAML file
    chunks: int = 5000  # how many to time
    rate: float = 0.0  # Hz to resample to, as the controller's controller_rate; 0 for waypoints alone
    seed: int = 0  # of the chunks
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        return bench_gate(self)


def bench_gate(options: BenchGate) -> int:
    """Print the table and the JSON line. Raises InputError for no chunks, ConfigError for an unknown robot."""
    from vlaser_core.embodiment import load_embodiment
    from vlaser_core.errors import InputError
    from vlaser_ros.safety.cost import measure

    if options.chunks < 1:
        raise InputError(f"at least one chunk is timed, got {options.chunks}")
    report = measure(load_embodiment(options.robot), options.chunks, rate=options.rate, seed=options.seed)
    if not options.json:
        from rich.console import Console
        from rich.table import Table

        title = (
            f"gate, {report.embodiment}: {report.steps} steps, {f'{report.rate_hz:g} Hz' if report.rate_hz else 'waypoints'}, ms a chunk"
        )
        table = Table("part", "median", "p99", "median (CPU)", "p99 (CPU)", title=title)
        for name, cost in (("checks", report.checks), ("kinematics", report.kinematics), ("total", report.total)):
            table.add_row(name, *(f"{value:.3f}" for value in (cost.wall_p50, cost.wall_p99, cost.cpu_p50, cost.cpu_p99)))
        Console().print(table)
    print(json.dumps(report.to_json()))
    return 0
