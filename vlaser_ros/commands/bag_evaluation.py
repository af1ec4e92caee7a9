"""`vlaser eval bag`: the policy over a recorded episode, as a table, a page and a JSON line."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from vlaser_core.errors import InputError
from vlaser_core.evaluate.open_loop import THRESHOLDS
from vlaser_ros.commands.bags import EvalBag


def evaluate_bag(options: EvalBag) -> int:
    """With `json` only the JSON line is on stdout; progress is on stderr either way."""
    if options.stride < 1 or options.limit < 0:
        raise InputError(f"stride must be at least 1 and limit at least 0, got {options.stride} and {options.limit}")
    import rclpy  # noqa: F401 - first: where ROS 2 comes as wheels, its import may restart the interpreter

    from vlaser_ros.bags.open_loop import Options, open_loop
    from vlaser_ros.bags.page import write
    from vlaser_ros.bags.reader import Bag
    from vlaser_ros.bags.sources import find_sources
    from vlaser_ros.commands.settings import read_settings

    with Bag(options.bag) as bag:
        # The bag is looked at before the model is loaded, so that what it lacks is told at once.
        sources = find_sources(bag, options.embodiment, read_settings(options.image_topic), options.joint_topic)
        from vlaser_core.checkpoint.folder import shipped_checkpoint
        from vlaser_core.engine import Engine
        from vlaser_ros.demo.report import versions

        engine = Engine.load(options.checkpoint, options.device, options.dtype, options.threads)
        bar = Progress("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True))
        with bar as progress:
            line = progress.add_task("chunks", total=None)
            chosen = Options(options.instruction, options.against, options.stride, options.limit, options.seed, options.max_age, options.drop_idle)
            outcome = open_loop(bag, engine, sources, chosen, lambda done, total: progress.update(line, completed=done, total=total or None))
    policy, hold = outcome.errors(engine.checkpoint.statistics)
    summary = {
        "bag": str(options.bag),
        "checkpoint": str(options.checkpoint or shipped_checkpoint()),
        "embodiment": sources.embodiment.name,
        "embodied_by": sources.embodied_by,
        "topics": {**sources.images, "joint_states": sources.joints},
        "against": outcome.against,
        "bag_seconds": round(outcome.seconds, 2),
        "frames": outcome.frames,
        "stride": options.stride,
        "drop_idle": options.drop_idle,
        "seed": options.seed,
        "device": options.device,
        "dtype": options.dtype,
        "policy": policy.to_json(),
        "hold": {"l1": {key: hold.l1()[key] for key in ("mean", "per_dim")}, "within": {str(t): {"all_dims": hold.within(t)["all_dims"]} for t in THRESHOLDS}},
        "timings": outcome.timings(),
        "instructions": dict(outcome.instructions),
        "missed": dict(outcome.missed),
        "versions": versions(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }
    if options.out is not None:
        try:
            write(options.out, summary, outcome, f"{summary['embodiment']} policy over {options.bag.name}")
        except OSError as error:
            raise InputError(f"cannot write to {options.out}: {error.strerror}") from error
    if not options.json:
        Console().print(_table(summary))
    print(json.dumps(summary))
    return 0


def _table(summary: dict) -> Table:
    policy, hold = summary["policy"], summary["hold"]
    table = Table("normalised error", "policy", "holding still", title=f"{policy['chunks']} chunks against recorded {summary['against']}")
    table.add_row("L1, mean", f"{policy['l1']['mean']:.4f}", f"{hold['l1']['mean']:.4f}")
    for name, value in policy["l1"]["per_dim"].items():
        table.add_row(f"L1, {name}", f"{value:.4f}", f"{hold['l1']['per_dim'][name]:.4f}")
    for threshold, shares in policy["within"].items():
        table.add_row(f"steps within {threshold} in every dimension", f"{shares['all_dims']:.1%}", f"{hold['within'][threshold]['all_dims']:.1%}")
    inference = summary["timings"]["inference_s"]
    table.add_row("inference, median and 99 %", f"{inference['p50'] * 1000:.0f} and {inference['p99'] * 1000:.0f} ms", "")
    for reason, count in summary["missed"].items():
        table.add_row(f"left out: {reason}", str(count), "")
    return table
