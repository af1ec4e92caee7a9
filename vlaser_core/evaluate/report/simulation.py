"""The report of episodes in a simulator: success by task beside what others published, and films of what failed first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from vlaser_core.evaluate.intervals import mean_interval
from vlaser_core.evaluate.report.model import Item, Matrix, Measure, Report, Section, failures_first

SHOWN = 16  # films on a page
LARGEST = 4 * 2**20  # bytes of one of them


@dataclass(frozen=True)
class Rollout:
    """One episode. success: at its final step; success_any: at some step. film: MP4, or the file of it."""

    task: str
    name: str
    success: bool
    success_any: bool
    film: bytes | Path | None = None


def simulation_report(title: str, summary: dict[str, Any], rollouts: Sequence[Rollout], settings: dict[str, Any], command: str, about: str = "") -> Report:
    """summary: of `vlaser eval tabletop`, `simpler` or `robotwin`. about: what the films show; those that are missing or larger than LARGEST are left out."""
    shares = _shares(summary)
    measures = [_measure(task, each) for task, each in shares.items()]
    mean = summary.get("mean_success")
    if mean is not None:
        cells = {"at any step": f"{100 * summary['mean_success_any']:.1f}"}
        interval = interval_of_mean([(rollout.task, rollout.success) for rollout in rollouts])
        measures.append(Measure("mean of the tasks", mean, interval, len(rollouts), "each task alike", cells=cells, main=True))
    if "grounding" in summary:
        pointing = summary["grounding"]
        note = "share of pictures, one object looked for in each"
        measures.append(Measure("point inside the object", pointing["point_in_mask"], tuple(pointing["interval_95"]), pointing["frames"], note))
    won = sum(rollout.success for rollout in rollouts)
    unfinished = summary.get("unfinished") or {}
    return Report(
        title,
        "no episode was played" if mean is None else f"mean success {100 * mean:.1f} %; {won} of {len(rollouts)} episodes ended in success",
        tuple(measures),
        settings,
        command,
        (f"{len(unfinished)} episodes not finished: in no share",) if unfinished else (),
        _beside(summary, settings, mean),
        _items(rollouts),
        len(rollouts),
        about,
        tuple(_sections(rollouts, unfinished)),
    )


def interval_of_mean(episodes: Sequence[tuple[str, float]]) -> tuple[float, float]:
    """95 % interval of the mean over tasks that counts each task alike. episodes: (task, success)."""
    counts = Counter(task for task, _ in episodes)
    return mean_interval([success for _, success in episodes], [1 / counts[task] for task, _ in episodes])


def _shares(summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    if isinstance(summary.get("tasks"), dict):
        return summary["tasks"]
    played = Counter(each["task"] for each in summary["rollouts"])
    return {task: {"episodes": played[task], **{key: summary[key][task] for key in ("success", "interval_95", "success_any")}} for task in summary["success"]}


def _measure(task: str, each: dict[str, Any]) -> Measure:
    if not each["episodes"]:
        return Measure(task, None, note="not played")
    return Measure(task, each["success"], tuple(each["interval_95"]), each["episodes"], cells={"at any step": f"{100 * each['success_any']:.1f}"})


def _alternating(rollouts: Sequence[Rollout]) -> Iterable[Rollout]:
    """Those of the first task, second … taken in turn, so that a few show all tasks."""
    by_task: dict[tuple[str, bool], list[Rollout]] = defaultdict(list)
    for rollout in rollouts:
        by_task[rollout.task, rollout.success].append(rollout)
    return (rollout for rollout in chain.from_iterable(zip_longest(*by_task.values())) if rollout is not None)


def _items(rollouts: Sequence[Rollout]) -> tuple[Item, ...]:
    """Those that have films; which are shown is decided first, and only their films are read."""
    filmed = {f"{rollout.task}, {rollout.name}": rollout for rollout in _alternating(rollouts) if _there(rollout.film)}
    items = [Item(title, float(rollout.success), _caption(rollout)) for title, rollout in filmed.items()]
    films = ((item, filmed[item.title].film) for item in failures_first(items, SHOWN))
    return tuple(replace(item, film=film.read_bytes() if isinstance(film, Path) else film) for item, film in films)


def _there(film: bytes | Path | None) -> bool:
    return film.is_file() and film.stat().st_size <= LARGEST if isinstance(film, Path) else bool(film) and len(film) <= LARGEST


def _caption(rollout: Rollout) -> str:
    return "ended in success" if rollout.success else "had succeeded, and did not keep it" if rollout.success_any else "failed"


def _beside(summary: dict[str, Any], settings: dict[str, Any], mean: float | None) -> Matrix | None:
    published = summary.get("published") or ()
    if not published:
        return None
    column = "mean success"
    theirs = [(row["name"], {column: 100 * row.get("success", row.get("mean_success"))}, True) for row in published]
    sources = dict.fromkeys(row.get("source", "Vlaser, ICLR 2026") for row in published)
    ours = str(settings.get("model") or settings.get("checkpoint") or "this policy")
    return Matrix((column,), ((ours, {column: None if mean is None else 100 * mean}, False), *theirs), ", ".join(sources))


def _sections(rollouts: Sequence[Rollout], unfinished: dict[str, str]) -> list[Section]:
    sections = [Section("Not finished: neither success nor failure", unfinished, open=True)] if unfinished else []
    failed: dict[str, list[str]] = defaultdict(list)
    for rollout in rollouts:
        if not rollout.success:
            failed[rollout.task].append(rollout.name)
    return [*sections, Section("Every episode that failed", {task: ", ".join(names) for task, names in failed.items()})] if failed else sections
