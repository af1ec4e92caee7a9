"""`vlaser robotwin` and `vlaser eval robotwin`: RoboTwin 2.0, in a user's checkout and its own environment. No ROS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import subcommand

from vlaser_ros.commands.loading import Loading


@dataclass(frozen=True)
class Install:
    """Put the adapter into a checkout as policy/Vlaser, for RoboTwin's own evaluation and for XPolicyLab's; it asks `vlaser serve`."""

    checkout: Path  # folder of RoboTwin, or of XPolicyLab
    link: bool = False  # symbolic links to this installation instead of copies
    force: bool = False  # replace a folder of that name that is not ours, and changed settings

    def run(self) -> int:
        from sim_bridge.robotwin.install import install

        for place in install(self.checkout, self.link, self.force):
            kept = f"; kept your {', '.join(place.kept)}" if place.kept else ""
            print(f"{place.folder}: {', '.join(place.files)}{kept}")
        print("next, in this environment: vlaser serve --checkpoint CHECKPOINT; then RoboTwin's evaluation in its own (docs/robotwin.md)")
        return 0


@dataclass(frozen=True)
class Check:
    """Look for the files that an evaluation needs in a checkout: tasks, configurations, step limits, assets. 1 when something is missing."""

    checkout: Path  # folder of RoboTwin
    task_config: str = "demo_randomized"  # of the checkout
    json: bool = False  # only the account, as one JSON line

    def run(self) -> int:
        from sim_bridge.robotwin.checkout import missing

        lacking = missing(self.checkout, self.task_config)
        if not self.json:
            print("\n".join(lacking) or "everything is there")
        print(json.dumps({"checkout": str(self.checkout), "missing": lacking}))
        return 1 if lacking else 0


@dataclass(frozen=True)
class RoboTwin:
    """RoboTwin 2.0: the two-arm simulator that others judge policies in, in an environment of its own."""

    what: Annotated[Annotated[Install, subcommand("install")] | Annotated[Check, subcommand("check")], tyro.conf.arg(name="")]

    def run(self) -> int:
        return self.what.run()


@dataclass(frozen=True)
class EvalRoboTwin(Loading):
    """Success of a policy on RoboTwin's twelve tasks. A run that was broken off goes on where it was."""

    checkout: Path = tyro.MISSING  # folder of RoboTwin, with its assets
    python: Path = tyro.MISSING  # interpreter of RoboTwin's environment
    out: Path = Path("runs/robotwin")  # folder of the results and their page; the same one again goes on
    tasks: tuple[str, ...] = ()  # the twelve by default
    episodes: int = 50  # a task
    seed: int = 0  # RoboTwin's: scenes are drawn from 100000 · (1 + seed) upward
    instructions: Literal["seen", "unseen"] = "unseen"  # which wordings the policy is told
    task_config: str = "demo_randomized"  # of the checkout
    colours: Literal["true", "swapped"] = "true"  # swapped for a policy that was trained with red and blue exchanged
    executed_steps: int | None = None  # of each chunk before looking again; the whole chunk by default
    workers: int = 1  # simulators at once, each with a task
    patience: float = 1800.0  # seconds a simulator may say nothing before it is started anew
    videos: bool = False  # a film of every episode by ffmpeg, in OUT/videos
    json: bool = False  # only the result, as one JSON line

    def run(self) -> int:
        return evaluate_robotwin(self)


def evaluate_robotwin(options: EvalRoboTwin) -> int:
    """Play the episodes; a table unless `json`, and the summary as a JSON line last."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from sim_bridge.robotwin.evaluate import Plan, evaluate
    from sim_bridge.robotwin.tasks import TASKS
    from vlaser_core.checkpoint.folder import shipped_checkpoint
    from vlaser_core.serve.background import in_background
    from vlaser_core.serve.keys import default_keys
    from vlaser_core.serve.settings import Settings

    same = ("checkout", "python", "out", "episodes", "seed", "instructions", "task_config", "colours", "executed_steps", "workers", "videos", "patience")
    plan = Plan(tasks=options.tasks or tuple(TASKS), **{name: getattr(options, name) for name in same})
    plan.check()
    engine = options.load()
    checkpoint = str(options.checkpoint or shipped_checkpoint())
    model = {"checkpoint": checkpoint, "device": options.device, "dtype": options.dtype}
    settings = Settings(port=0, max_connections=plan.workers + 2, idle_s=24 * 3600.0)
    bar = Progress("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True))
    with in_background(engine, default_keys(engine.embodiment), settings, checkpoint=checkpoint) as server, bar as progress:
        line = progress.add_task("episodes", total=plan.episodes * len(plan.tasks))
        summary = model | evaluate(plan, server.url, model, lambda row: progress.advance(line))
    _write(options.out, summary)
    if not options.json:
        Console().print(_table(summary))
    print(json.dumps(summary))
    return 0


def _write(out: Path, summary: dict) -> None:
    """summary.json, and report.html with films of what failed first where films were made."""
    from vlaser_core.evaluate.report.model import command_line, write_report
    from vlaser_core.evaluate.report.simulation import Rollout, simulation_report

    rollouts = [
        Rollout(row["task"], f"seed {row['seed']}", bool(row["success"]), bool(row["success_any"]), out / "videos" / f"{row['name']}.mp4")
        for row in summary["rollouts"]
    ]
    results = ("success", "success_any", "interval_95", "mean_success", "mean_success_any", "rollouts", "published", "unfinished")
    settings = {key: value for key, value in summary.items() if key not in results}
    write_report(out, simulation_report("RoboTwin 2.0", summary, rollouts, settings, command_line()), {"kind": "robotwin", **summary})


def _table(summary: dict):
    from rich.table import Table

    table = Table("task", "success", "95 % interval", title=f"RoboTwin 2.0, {summary['task_config']}, {summary['instructions']} instructions, seed {summary['seed']}")
    for task, share in summary["success"].items():
        low, high = summary["interval_95"][task]
        table.add_row(task, f"{share:.0%}", f"{low:.0%} to {high:.0%}")
    if summary["mean_success"] is not None:
        table.add_row("mean", f"{summary['mean_success']:.1%}", "")
    for row in summary["published"]:
        table.add_row(f"{row['name']} (published)", f"{row['mean_success']:.1%}", "")
    return table
