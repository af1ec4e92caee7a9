"""What an evaluation's episodes amount to: success with intervals per task and variant, and what was not scored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np

from sim_bridge.simpler.published import published
from sim_bridge.simpler.suites import Episode
from vlaser_core.evaluate.intervals import mean_interval, wilson_interval


def summarise(suite: str, episodes: Sequence[Episode], rows: Iterable[dict], unfinished: dict[str, str]) -> dict:
    """`success` is the flag at the final step. The mean over tasks weighs them alike, however many episodes each has.

    unfinished: episodes whose simulator was lost again and again → why; they are in no share, and named.
    """
    wanted = {episode.name for episode in episodes}
    rows = [row for row in rows if row["name"] in wanted]
    tasks = list(dict.fromkeys(episode.task for episode in episodes))
    by_task = {task: [row for row in rows if row["task"] == task] for task in tasks}
    variants: dict[str, dict[str, dict]] = {}
    for task, mine in by_task.items():
        variants[task] = {name: _shares([row for row in mine if row["variant"] == name]) for name in dict.fromkeys(row["variant"] for row in mine)}
    scored = [task for task in tasks if by_task[task]]
    summary = {
        "suite": suite,
        "episodes": len(rows),
        "of": len(wanted),
        "tasks": {task: _shares(by_task[task]) for task in tasks},
        "variants": variants,
        "unfinished": unfinished,
        "restarts": sum(row["restarts"] for row in rows),
        "published": [asdict(row) for row in published(suite)],
    }
    if scored:
        flags = [row["success"] for task in scored for row in by_task[task]]
        weights = [1.0 / len(by_task[task]) for task in scored for _ in by_task[task]]
        summary |= {
            "mean_success": float(np.mean([summary["tasks"][task]["success"] for task in scored])),
            "mean_interval_95": [round(bound, 4) for bound in mean_interval(flags, weights)],
            "mean_success_any": float(np.mean([summary["tasks"][task]["success_any"] for task in scored])),
        }
        times = np.array([seconds for row in rows for seconds in row["inference_s"]]) * 1000
        summary["inference_ms"] = {"median": round(float(np.median(times)), 1), "p99": round(float(np.quantile(times, 0.99)), 1)}
    return summary


def _shares(rows: Sequence[dict]) -> dict:
    wins, count = sum(row["success"] for row in rows), len(rows)
    low, high = wilson_interval(wins, count)
    return {
        "episodes": count,
        "success": wins / count if count else None,
        "interval_95": [round(low, 4), round(high, 4)],
        "success_any": sum(row["success_any"] for row in rows) / count if count else None,
    }
