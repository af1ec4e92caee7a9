"""The results of an experiment, as far as they are there, in one dictionary: what the page, the table and the JSON line show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from pydantic import TypeAdapter
from rich.table import Table

from training.ablation.jobs import Job
from training.ablation.settings import Ablation
from training.ablation.store import Store
from vlaser_core.evaluate.intervals import mcnemar, wilson_interval

Episodes = dict[tuple[str, int, int], bool]  # (task, scene's seed, policy's seed) → success at the final step
DOMAINS = ("elsewhere", "tabletop")


def summarise(settings: Ablation, store: Store, jobs: Mapping[str, Job]) -> dict:
    """Success with 95 % intervals, questions, curves and sensitivities of whatever is done. line: the whole in short."""
    done = {name: store.read(name) for name in jobs if store.done(name)}
    episodes = {name: _episodes(done, (f"episodes-{name}-{seed}" for seed in settings.seeds), settings.seeds) for name in settings.initialisations}
    rows = [_row(name, done, episodes) for name in settings.initialisations]
    sensitivities = [_sensitivity(settings, name, done, episodes) for name in settings.sensitivities]
    summary = {
        "settings": TypeAdapter(Ablation).dump_python(settings, mode="json"),
        "jobs": {"all": len(jobs), "done": len(done), "core_hours": round(sum(one["core_seconds"] for one in done.values()) / 3600, 2)},
        "renderer": next((one["renderer"] for name, one in done.items() if name.startswith("episodes-")), ""),
        "initialisations": rows,
        "sensitivities": [one for one in sensitivities if one["episodes"]],
        "curves": {name: _mean_curve(done[f"policies-{name}"]["curves"]) for name in settings.initialisations if f"policies-{name}" in done},
    }
    summary["line"] = {
        "jobs": summary["jobs"],
        "success": {row["name"]: row["mean"] for row in rows},
        "interval_95": {row["name"]: row["interval_95"] for row in rows},
        "reasoning": {row["name"]: {domain: row["reasoning"][domain]["mean"] for domain in row["reasoning"]} for row in rows},
        "sensitivities": {one["name"]: one["mean"] for one in summary["sensitivities"]},
    }
    return summary


def _episodes(done: Mapping[str, dict], names: Iterable[str], seeds: Iterable[int]) -> Episodes:
    return {
        (task, scene, seed): success
        for name, seed in zip(names, seeds, strict=True)
        if name in done
        for task, scene, success in done[name]["episodes"]
    }


def _success(episodes: Episodes) -> dict:
    """Mean over tasks, its interval over all episodes, and the range over the policies' seeds."""
    if not episodes:
        return {"mean": None, "interval_95": None, "tasks": {}, "seeds": {}, "episodes": 0}
    tasks = sorted({task for task, _, _ in episodes})
    seeds = sorted({seed for _, _, seed in episodes})
    share = {task: [won for key, won in episodes.items() if key[0] == task] for task in tasks}
    return {
        "mean": round(float(np.mean([np.mean(won) for won in share.values()])), 4),
        "interval_95": [round(bound, 4) for bound in wilson_interval(sum(episodes.values()), len(episodes))],
        "tasks": {task: {"wins": int(sum(won)), "of": len(won), "interval_95": [round(b, 4) for b in wilson_interval(sum(won), len(won))]} for task, won in share.items()},
        "seeds": {str(seed): round(float(np.mean([won for key, won in episodes.items() if key[2] == seed])), 4) for seed in seeds},
        "episodes": len(episodes),
    }


def _paired(one: Episodes, other: Episodes) -> dict | None:
    """Two policies on the same scenes: how often only one of them succeeded, and how likely such a split is by chance."""
    both = sorted(one.keys() & other.keys())
    if not both:
        return None
    first, second = (sum(a[key] and not b[key] for key in both) for a, b in ((one, other), (other, one)))
    return {"better": first, "worse": second, "p": round(mcnemar(first, second), 4)}


def _row(name: str, done: Mapping[str, dict], episodes: Mapping[str, Episodes]) -> dict:
    answers = done.get(f"reasoning-{name}", {})
    backbone = done.get(f"backbone-{name}", {})
    return {
        "name": name,
        **_success(episodes[name]),
        "against_base": _paired(episodes[name], episodes["base"]) if name != "base" else None,
        "reasoning": {
            domain: {
                "mean": answers[domain]["mean_of_categories"],
                "overall": answers[domain]["overall"]["score"],
                "interval_95": answers[domain]["overall"]["interval_95"],
                "commonest": answers[domain]["overall"]["commonest"],
                "categories": {category: tally["score"] for category, tally in answers[domain]["categories"].items()},
            }
            for domain in DOMAINS
            if domain in answers
        },
        "stage1": {key: backbone[key] for key in ("pictures", "updates", "conversations", "loss") if key in backbone},
    }


def _sensitivity(settings: Ablation, name: str, done: Mapping[str, dict], episodes: Mapping[str, Episodes]) -> dict:
    what = settings.sensitivities[name]
    seeds = what.seeds or settings.seeds
    mine = _episodes(done, (f"sensitivity-{name}-{seed}" for seed in seeds), seeds)
    return {"name": name, "of": what.backbone, **_success(mine), "against_main": _paired(mine, episodes[what.backbone])}


def _mean_curve(curves: Mapping[str, list[dict]]) -> list[dict]:
    """Over the seeds, update by update."""
    runs = list(curves.values())
    return [
        {"step": entries[0]["step"], **{key: round(float(np.mean([entry[key] for entry in entries])), 5) for key in ("loss", "chunk_error", "xy_mm")}}
        for entries in zip(*runs, strict=False)
    ]


def tables(summary: dict) -> list[Table]:
    """For a terminal."""
    main = Table("initialisation", "success", "95 %", "over base", "p", "questions elsewhere", "on the table", title=f"{summary['jobs']['done']} of {summary['jobs']['all']} jobs done")
    base = summary["initialisations"][0]["mean"]
    for row in summary["initialisations"]:
        paired, asked = row["against_base"], row["reasoning"]
        gain = "" if None in (row["mean"], base) or row["name"] == "base" else f"{100 * (row['mean'] - base):+.1f}"
        main.add_row(
            row["name"], percent(row["mean"]), span(row["interval_95"]), gain, chance(paired),
            *(percent(asked[domain]["mean"]) if domain in asked else "" for domain in DOMAINS),
        )  # fmt: skip
    if not summary["sensitivities"]:
        return [main]
    more = Table("sensitivity", "of", "success", "95 %", "p")
    for one in summary["sensitivities"]:
        more.add_row(one["name"], one["of"], percent(one["mean"]), span(one["interval_95"]), chance(one["against_main"]))
    return [main, more]


def percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def chance(paired: dict | None) -> str:
    """How likely a split of pairs is by chance."""
    return "" if paired is None else "< 0.001" if paired["p"] < 0.001 else f"{paired['p']:.3f}"


def span(interval: list[float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
