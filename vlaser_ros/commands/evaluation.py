"""`vlaser eval` and `vlaser parity`: numbers with the command that makes them, a JSON line last. No ROS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from vlaser_core.errors import InputError

if TYPE_CHECKING:
    from sim_bridge.tabletop.evaluate import Episode


class Evaluation(Protocol):
    """What to evaluate; see `vlaser_ros.commands.arguments.EvalTabletop`."""

    checkpoint: Path | None
    device: str
    dtype: str
    threads: int
    episodes: int
    seed: int
    tasks: tuple[str, ...]
    workers: int
    together: int
    executed_steps: int | None
    flow_steps: int | None
    grounding: int
    renderer: str
    out: Path | None
    json: bool


def evaluate_world(options: Evaluation) -> int:
    """Run the episodes; with `json` only the JSON line is on stdout, progress is on stderr either way."""
    if min(options.workers, options.together) < 1 or options.grounding < 0:
        raise InputError(
            f"workers and together must be at least 1 and grounding at least 0, got {options.workers}, {options.together} and {options.grounding}"
        )
    from vlaser_core.checkpoint.folder import shipped_checkpoint
    from vlaser_core.engine import check_device, dtype_of
    from vlaser_ros.commands.inspection import describe

    check_device(options.device)
    dtype_of(options.dtype)
    # A bad checkpoint is told here: a worker process could only report it as a traceback.
    checkpoint = options.checkpoint or shipped_checkpoint()
    describe(checkpoint)
    from sim_bridge.tabletop.evaluate import evaluate, evaluate_grounding
    from sim_bridge.tabletop.tasks import TASKS

    tasks = options.tasks or tuple(TASKS)
    episodes: list[Episode] = []
    model = {"device": options.device, "dtype": options.dtype, "threads": options.threads}
    bar = Progress(
        "[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True)
    )
    with bar as progress:
        line = progress.add_task("episodes", total=options.episodes * len(tasks))

        def played(episode: Episode) -> None:
            episodes.append(episode)
            progress.advance(line)

        summary = evaluate(
            checkpoint=checkpoint,
            episodes=options.episodes,
            seed=options.seed,
            tasks=tasks,
            renderer=options.renderer,
            workers=options.workers,
            together=options.together,
            executed_steps=options.executed_steps,
            flow_steps=options.flow_steps,
            progress=played,
            films=options.out is not None,
            **model,
        )
        if options.grounding:
            line = progress.add_task("grounding", total=options.grounding)
            summary["grounding"] = evaluate_grounding(
                checkpoint, options.grounding, renderer=options.renderer, progress=lambda: progress.advance(line), **model
            )
    summary = {"checkpoint": str(checkpoint), **model, **summary}
    if options.out is not None:
        _write(options.out, summary, episodes)
    if not options.json:
        Console().print(_table(summary))
    print(json.dumps(summary))
    return 0


def _write(out: Path, summary: dict, episodes: Sequence[Episode]) -> None:
    """summary.json, and report.html with films of what failed first."""
    from vlaser_core.evaluate.report.model import command_line, write_report
    from vlaser_core.evaluate.report.simulation import Rollout, simulation_report

    rollouts = [Rollout(each.task, f"seed {each.seed}", each.success, each.success_any, each.film) for each in episodes]
    results = ("success", "success_any", "interval_95", "mean_success", "mean_success_any", "grounding", "rollouts")
    settings = {key: value for key, value in summary.items() if key not in results}
    about = "What the policy saw before each chunk, in orange where it led the gripper; twice as fast as it was."
    report = simulation_report("Tabletop", summary, rollouts, settings, command_line(), about)
    write_report(out, report, {"kind": "tabletop", **summary})
    Console(stderr=True).print(f"report: {out / 'report.html'}")


def compare(directory: Path) -> int:
    """Every group of reference vectors in `directory`: a table, then the report as JSON. 1 when any differs."""
    from sim_bridge.simpler.parity import simpler_checks
    from vlaser_core.evaluate.parity import core_groups, parity

    report = parity(directory, {**core_groups(), "simpler": simpler_checks})
    table = Table("group", "checks", "of them exact", "largest error", "failed")
    for name, group in report.groups().items():
        table.add_row(name, str(group.checks), str(group.exact), f"{group.largest:.2e}", ", ".join(group.failed) or "none")
    for skipped in report.skipped:
        table.add_row(skipped.group, "skipped", "", "", skipped.reason)
    Console().print(table)
    print(json.dumps(report.to_json()))
    return 0 if report.ok else 1


def _table(summary: dict) -> Table:
    table = Table(
        "task",
        "success",
        "95 % interval",
        "at any step",
        title=f"{summary['episodes_per_task']} episodes a task, seed {summary['seed']}, {summary['renderer']}",
    )
    for task, share in summary["success"].items():
        low, high = summary["interval_95"][task]
        table.add_row(task, f"{share:.0%}", f"{low:.0%} to {high:.0%}", f"{summary['success_any'][task]:.0%}")
    if "grounding" in summary:
        low, high = summary["grounding"]["interval_95"]
        table.add_row(
            f"point inside the object ({summary['grounding']['frames']} pictures)",
            f"{summary['grounding']['point_in_mask']:.0%}",
            f"{low:.0%} to {high:.0%}",
            "",
        )
    table.add_row("mean", f"{summary['mean_success']:.1%}", "", f"{summary['mean_success_any']:.1%}")
    return table
