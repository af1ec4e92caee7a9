"""What all of it came to, as JSON: each benchmark, the average, and what the paper printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlaser_core.evaluate.benchmarks.published import NAMES, SOURCE, TITLES, published
from vlaser_core.evaluate.benchmarks.question import METRICS, Metric, Score, by_group, faults_of
from vlaser_core.evaluate.benchmarks.run import Outcome


def summarise(outcomes: Sequence[Outcome], absent: dict[str, str], metric: Metric, fixtures: bool, limit: int | None) -> dict[str, Any]:
    """metric: the one the average is of. absent: why a benchmark is not there, by name."""
    found = {outcome.benchmark.name: _benchmark(outcome, metric, fixtures, limit) for outcome in outcomes}
    return {
        "kind": "reasoning",
        "metric": metric,
        "fixtures": fixtures,
        "limit": limit,
        "benchmarks": found,
        "absent": absent,
        "average": average(found, fixtures),
        "published": {"source": SOURCE, "percent": published()},
        "items": [
            {"id": each.id, "measure": outcome.benchmark.name, "group": each.group, "score": round(each.verdict.score, 6), "fault": each.verdict.fault}
            for outcome in outcomes
            for each in outcome.judged.get(metric, ())
        ],
    }


def average(found: dict[str, dict], fixtures: bool) -> dict[str, Any]:
    """The plain mean of the benchmarks' percent, as the paper's table has it. complete: over all twelve, each whole; otherwise it is partial
    and `missing` and `incomplete` say why."""
    scores = {name: found[name]["score"] for name in NAMES if name in found and found[name]["score"] is not None}
    incomplete = {name: found[name]["incomplete"] for name in scores if found[name]["incomplete"]}
    missing = [name for name in NAMES if name not in scores]
    return {
        "value": sum(scores.values()) / len(scores) if scores else None,
        "over": len(scores),
        "complete": not missing and not incomplete and not fixtures,
        "missing": missing,
        "incomplete": incomplete,
    }


def average_words(average: dict[str, Any], fixtures: bool) -> str:
    """The average with what it is an average of."""
    if average["value"] is None:
        return "no average: nothing was scored"
    value = f"{average['value']:.1%}"
    if average["complete"]:
        return f"average of all twelve: {value}"
    why = [f"{average['over']} of twelve benchmarks"] if average["missing"] else []
    why += ["synthetic fixtures"] if fixtures else []
    why += [f"{len(average['incomplete'])} not whole"] if average["incomplete"] else []
    return f"PARTIAL average ({', '.join(why)}): {value}"


def _benchmark(outcome: Outcome, metric: Metric, fixtures: bool, limit: int | None) -> dict[str, Any]:
    benchmark = outcome.benchmark
    judged = outcome.judged.get(metric, [])
    score = benchmark.score(judged, metric)
    damaged = sum(outcome.damage.counts.values())
    incomplete = []
    if fixtures:
        incomplete.append("synthetic fixtures, not the benchmark")
    elif limit and len(judged) + damaged < outcome.questions:
        incomplete.append(f"limited to {len(judged)} of {outcome.questions}")
    if damaged:
        incomplete.append(f"{damaged} damaged")
    if benchmark.size and outcome.questions < benchmark.size and not fixtures:
        incomplete.append(f"{outcome.questions} questions there, {benchmark.size} published")
    others = [other for other in METRICS if other != metric and other in outcome.judged]
    result = {
        "title": TITLES[benchmark.name],
        **_score(score),
        "questions": outcome.questions,
        "scored": len(judged),
        "asked_now": outcome.asked,
        "damaged": dict(outcome.damage.counts),
        "damaged_examples": {reason: items[:3] for reason, items in outcome.damage.examples.items()},
        "unread": dict(faults_of(judged)),
        "cut_off": outcome.cut_off,
        "groups": {name: _score(each) for name, each in by_group(judged).items()},
        "other_metrics": {other: _score(benchmark.score(outcome.judged[other], other)) for other in others},
        "faults": [vars(fault) for fault in benchmark.faults],
        "incomplete": incomplete,
        "notes": outcome.notes,
    }
    if outcome.lost:
        result["workers_lost"] = dict(outcome.lost)
    if benchmark.name == "refspatial_bench":
        seen = [each for each in judged if each.group != "unseen"]
        result["groups"]["without unseen"] = _score(benchmark.score(seen, metric))
    return result


def _score(score: Score) -> dict[str, Any]:
    interval = None if score.interval is None else [round(bound, 4) for bound in score.interval]
    return {"score": None if score.value is None else round(score.value, 6), "interval_95": interval, "n": score.questions}
