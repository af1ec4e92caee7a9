"""The JSON of any evaluation, read back: what was measured, on which episodes or questions, with which settings.

Read are `summary.json`, a folder that holds one, and what the commands print with `--json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlaser_core.errors import InputError
from vlaser_core.evaluate.report.simulation import interval_of_mean

# Of a run, not of what was asked for: two runs differ in them without being different evaluations.
_PASSING = {"wall_s", "out", "command", "versions", "created", "inference_ms", "chunks", "unreachable_chunks", "threads", "workers", "together", "batch", "seconds"}


@dataclass(frozen=True)
class Number:
    """A measure. value, interval: 0…1. n: of what it is a mean."""

    value: float
    interval: tuple[float, float] | None = None
    n: int | None = None


@dataclass(frozen=True)
class Sum:
    """A number that stands for the items of several measures. alike: each measure weighs the same, however many items it has; otherwise each item."""

    measures: frozenset[str]
    alike: bool


@dataclass(frozen=True)
class Results:
    """kind: of evaluation; numbers: by name, in their order; items: score 0…1 by (measure, id), empty where the JSON does not say; sums: of the numbers
    whose items are those of other measures; mean: the one that sums up all."""

    kind: str
    name: str
    numbers: dict[str, Number]
    items: dict[tuple[str, str], float]
    settings: dict[str, Any]
    mean: str | None = None
    sums: dict[str, Sum] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=())


def read_results(path: Path) -> Results:
    """Raises InputError for a file that is missing, is no JSON, or is no evaluation that is known."""
    file = path / "summary.json" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {error}; give a summary.json, or the folder of an evaluation's --out") from error
    found = _loaded(text)
    if found is None:
        raise InputError(f"{file} is no JSON object; give a summary.json, or what an evaluation printed with --json")
    for kind, (known, read) in _KINDS.items():
        if found.get("kind") == kind or ("kind" not in found and known(found)):
            try:
                return read(found, file)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InputError(f"{file} looks like an evaluation of kind {kind} and lacks a part of it: {error!r}") from error
    raise InputError(f"{file} is no evaluation that can be compared; known are {', '.join(_KINDS)}")


def _loaded(text: str) -> dict[str, Any] | None:
    """A JSON object; of several lines, as commands print them, the last."""
    for candidate in (text, next((line for line in reversed(text.splitlines()) if line.strip()), "")):
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return None


def _reasoning(found: dict, file: Path) -> Results:
    numbers = {name: _number(each["score"], each["interval_95"], each["n"]) for name, each in found["benchmarks"].items() if each["score"] is not None}
    average, notes = found["average"], ()
    if average["value"] is not None:
        numbers["average"] = Number(average["value"], None, average["over"])
        notes = () if average["complete"] else (f"the average is partial: over {average['over']} of twelve, or not whole ones",)
    items = {(item["measure"], item["id"]): float(item["score"]) for item in found.get("items", ())}
    settings = {**found.get("settings", {}), "metric": found["metric"], "fixtures": found["fixtures"]}
    return Results("reasoning", _name(settings, "model", file), numbers, items, _lasting(settings), *_mean("average", numbers, items), notes)


def _tabletop(found: dict, file: Path) -> Results:
    """The tabletop, and RoboTwin, whose summary has the same shape."""
    rollouts = found["rollouts"]
    numbers = {
        task: _number(share, found["interval_95"][task], sum(each["task"] == task for each in rollouts)) for task, share in found["success"].items()
    }
    if found["mean_success"] is not None:
        interval = interval_of_mean([(each["task"], each["success"]) for each in rollouts])
        numbers["mean"] = Number(found["mean_success"], interval, len(rollouts))
    items = {(each["task"], f"seed {each['seed']}"): float(each["success"]) for each in rollouts}
    if "grounding" in found:
        grounding = found["grounding"]
        numbers["point inside the object"] = _number(grounding["point_in_mask"], grounding["interval_95"], grounding["frames"])
    left_out = {"rollouts", "success", "success_any", "interval_95", "mean_success", "mean_success_any", "grounding", "settings", "kind", "published", "unfinished", "episodes"}
    settings = {key: value for key, value in found.items() if key not in left_out} | found.get("settings", {})
    kind = "robotwin" if "task_config" in found else "tabletop"
    return Results(kind, _name(settings, "checkpoint", file), numbers, items, _lasting(settings), *_mean("mean", numbers, items))


def _simpler(found: dict, file: Path) -> Results:
    """SimplerEnv: shares by task, and each episode in `episodes.jsonl` beside the summary."""
    numbers = {task: _number(each["success"], each["interval_95"], each["episodes"]) for task, each in found["tasks"].items() if each["success"] is not None}
    if "mean_success" in found:
        interval = found.get("mean_interval_95")
        numbers["mean"] = _number(found["mean_success"], interval, found["episodes"])
    items, notes = {}, []
    rows = file.parent / "episodes.jsonl"
    if rows.is_file():
        # What a kill leaves of a line is no episode.
        for line in rows.read_text(encoding="utf-8", errors="replace").rpartition("\n")[0].splitlines():
            row = json.loads(line)
            items[row["task"], row["name"]] = float(row["success"])
    if found.get("unfinished"):
        notes.append(f"{len(found['unfinished'])} episodes were not finished")
    settings = {key: found[key] for key in ("suite", "renderer", "policy") if key in found}
    manifest = file.parent / "manifest.json"
    if manifest.is_file():
        settings |= {key: value for key, value in (_loaded(manifest.read_text(encoding="utf-8")) or {}).items() if key not in ("assets", "films", "tasks")}
    policy = settings.get("policy", {})
    name = Path(str(policy.get("checkpoint") or policy.get("kind") or file.parent)).name
    return Results("simpler", name, numbers, items, _lasting(settings), *_mean("mean", numbers, items), tuple(notes))


def _records(found: dict, file: Path) -> Results:
    numbers = {name: _number(each["score"], each["interval_95"], each["questions"]) for name, each in found["families"].items()}
    numbers |= {name: _number(each["score"], each["interval_95"], each["questions"]) for name, each in found["categories"].items()}
    overall = found["overall"]
    numbers["all"] = _number(overall["score"], overall["interval_95"], overall["questions"])
    left_out = {"families", "categories", "overall", "mean_of_categories", "examples", "settings", "kind", "items"}
    settings = {key: value for key, value in found.items() if key not in left_out} | found.get("settings", {})
    items, sums = {}, {"all": set()}
    for item in found.get("items", ()):
        measure = f"{item['category']} · {item['family']}"
        items[measure, item["id"]] = float(item["score"])
        for name in ("all", item["category"], item["family"]):
            sums.setdefault(name, set()).add(measure)
    by_name = {name: Sum(frozenset(measures), alike=False) for name, measures in sums.items()}
    return Results("records", _name(settings, "checkpoint", file), numbers, items, _lasting(settings), "all", by_name)


def _mean(name: str, numbers: dict[str, Number], items: dict[tuple[str, str], float]) -> tuple[str | None, dict[str, Sum]]:
    """The mean that counts each measure alike, if there is one: `mean` and `sums`."""
    return (name, {name: Sum(frozenset(measure for measure, _ in items), alike=True)}) if name in numbers else (None, {})


def _bag(found: dict, file: Path) -> Results:
    within = found["policy"]["within"]
    numbers = {f"steps within {threshold}": Number(each["all_dims"], None, found["policy"]["steps"]) for threshold, each in within.items()}
    left_out = {"policy", "hold", "timings", "missed", "instructions"}
    settings = {key: value for key, value in found.items() if key not in left_out}
    return Results("bag", _name(settings, "checkpoint", file), numbers, {}, _lasting(settings))


def _number(value: float, interval: Any, n: int | None) -> Number:
    return Number(float(value), None if interval is None else (float(interval[0]), float(interval[1])), n)


def _name(settings: Mapping[str, Any], key: str, file: Path) -> str:
    return Path(str(settings[key])).name if settings.get(key) else file.parent.name or file.stem


def _lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in _PASSING}


_KINDS: dict[str, tuple[Callable[[dict], bool], Callable[[dict, Path], Results]]] = {
    "reasoning": (lambda found: "benchmarks" in found, _reasoning),
    "tabletop": (lambda found: "rollouts" in found, _tabletop),
    "robotwin": (lambda found: "rollouts" in found, _tabletop),
    "simpler": (lambda found: isinstance(found.get("tasks"), dict) and "episodes" in found, _simpler),
    "records": (lambda found: "categories" in found and "families" in found, _records),
    "bag": (lambda found: "policy" in found and "hold" in found, _bag),
}
