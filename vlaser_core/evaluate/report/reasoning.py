"""The report of the twelve reasoning benchmarks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.shards.reader import decode
from vlaser_core.errors import InputError
from vlaser_core.evaluate.benchmarks.places import VLASER_PREFIX
from vlaser_core.evaluate.benchmarks.published import NAMES, SOURCE, TITLES, published
from vlaser_core.evaluate.benchmarks.question import Metric, Question, Verdict
from vlaser_core.evaluate.benchmarks.run import Outcome
from vlaser_core.evaluate.benchmarks.summary import average_words
from vlaser_core.evaluate.report.media import pointed
from vlaser_core.evaluate.report.model import Item, Matrix, Measure, Report, Section, failures_first

MARKED = ("Vlaser-2B", "Vlaser-8B")
PICTURES = 4  # of one question
A_BENCHMARK = 6  # questions shown of each benchmark
_PICTURE_LINE = re.compile(r"([\w-]+ ?\d*: *)?<image>")


def reasoning_report(summary: dict[str, Any], outcomes: Sequence[Outcome], settings: dict[str, Any], command: str) -> Report:
    """summary: of `vlaser_core.evaluate.benchmarks.summary`; outcomes: the same with its questions, for pictures."""
    found, metric, average = summary["benchmarks"], summary["metric"], summary["average"]
    rows = published()
    measures = [_measure(name, found[name], rows) for name in NAMES if name in found]
    if average["value"] is not None:
        marks = {model: rows[model]["average"] / 100 for model in MARKED}
        note = "" if average["complete"] else "partial: see above"
        measures.append(Measure("average" if average["complete"] else "average, PARTIAL", average["value"], None, average["over"], note, marks, main=True))
    ours = {TITLES[name]: 100 * found[name]["score"] for name in found if found[name]["score"] is not None}
    ours["average"] = 100 * average["value"] if average["complete"] else None
    matrix = Matrix(
        (*TITLES.values(), "average"),
        ((f"{settings.get('model', 'this model')} ({metric})", ours, False), *((model, _titled(values), True) for model, values in rows.items())),
        SOURCE,
    )
    badges = [] if average["complete"] else [average_words(average, summary["fixtures"])]
    badges += ["synthetic fixtures: these numbers say nothing about a model"] if summary["fixtures"] else []
    badges += [f"limited to {summary['limit']} questions a benchmark"] if summary["limit"] else []
    items = [item for outcome in outcomes for item in failures_first(_items(outcome, metric), A_BENCHMARK)]
    total = sum(len(outcome.judged.get(metric, ())) for outcome in outcomes)
    return Report(
        "Embodied reasoning, twelve benchmarks",
        f"{average_words(average, summary['fixtures'])}; metric: {metric}",
        tuple(measures),
        settings,
        command,
        tuple(badges),
        matrix,
        tuple(items),
        total,
        "Orange: the places of the answer. Green: where they should be.",
        tuple(_sections(summary)),
    )


def _measure(name: str, found: dict[str, Any], rows: dict[str, dict[str, float]]) -> Measure:
    other = {metric: _percent(score["score"]) for metric, score in found["other_metrics"].items()}
    cells = {"unread": str(sum(found["unread"].values())), "damaged": str(sum(found["damaged"].values())), **other}
    # A badge says it of all of them.
    note = "; ".join([*(why for why in found["incomplete"] if "fixtures" not in why), *found["notes"]])
    marks = {model: rows[model][name] / 100 for model in MARKED}
    interval = None if found["interval_95"] is None else tuple(found["interval_95"])
    return Measure(found["title"], found["score"], interval, found["scored"], note, marks, cells)


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f}"


def _titled(values: dict[str, float]) -> dict[str, float | None]:
    return {TITLES.get(name, name): value for name, value in values.items()}


def _items(outcome: Outcome, metric: Metric) -> list[Item]:
    """The questions of a benchmark: those that are shown are chosen first, pictures are read for few."""
    judged = sorted(outcome.judged.get(metric, ()), key=lambda each: each.verdict.score)
    wrong = [each for each in judged if each.verdict.score < 1]
    right = [each for each in judged if each.verdict.score >= 1]
    items = []
    for each in (*_spread(wrong, A_BENCHMARK), *_spread(right, A_BENCHMARK // 3)):
        question = outcome.shown.get(each.id)
        lines = [("answer", outcome.answers.get(each.id, "").strip() or "(nothing)")]
        pictures: tuple[np.ndarray, ...] = ()
        if question is not None:
            lines.insert(0, ("question", _bare(question.prompt)))
            pictures = _pictures(outcome.benchmark, question, each.verdict)
        if each.verdict.read and each.verdict.read not in lines[-1][1]:
            lines.append(("read as", each.verdict.read))
        caption = " · ".join(part for part in (TITLES[outcome.benchmark.name], each.group, each.verdict.fault) if part)
        items.append(Item(each.id, each.verdict.score, caption, pictures, lines=tuple(lines)))
    return items


def _spread(judged: list, most: int) -> list:
    if len(judged) <= most:
        return judged
    return [judged[round(place)] for place in np.linspace(0, len(judged) - 1, most)]


def _bare(prompt: str) -> str:
    """The end of a prompt, where its question stands, without Vlaser's words before it and the lines that only hold a picture."""
    lines = (line for line in prompt.replace(VLASER_PREFIX, "").split("\n") if not _PICTURE_LINE.fullmatch(line.strip()))
    text = "\n".join(lines).replace("<image>", "[picture]").strip()
    return text if len(text) <= 700 else f"… {text[-700:]}"


def _pictures(benchmark: Any, question: Question, verdict: Verdict) -> tuple[np.ndarray, ...]:
    try:
        pictures = [decode(picture) for picture in question.pictures()]
        truth = question.truth()
    except (Damaged, InputError):
        return ()
    if len(pictures) > PICTURES:
        pictures = [pictures[round(place)] for place in np.linspace(0, len(pictures) - 1, PICTURES)]
    if len(pictures) == 1:
        mask, targets = benchmark.target(truth)
        pictures = [pointed(pictures[0], verdict.points, mask, targets)]
    return tuple(pictures)


def _sections(summary: dict[str, Any]) -> list[Section]:
    sections = []
    if summary["absent"]:
        sections.append(Section("Not there", {TITLES[name]: why for name, why in summary["absent"].items()}, open=True))
    damaged = {TITLES[name]: each["damaged"] for name, each in summary["benchmarks"].items() if each["damaged"]}
    if damaged:
        sections.append(Section("Damaged questions: counted, never scored", damaged, open=True))
    unread = {TITLES[name]: each["unread"] for name, each in summary["benchmarks"].items() if each["unread"]}
    if unread:
        sections.append(Section("Answers that could not be read: wrong, by reason", unread, open=True))
    for name, each in summary["benchmarks"].items():
        groups = {group: f"{_percent(score['score'])} ({score['n']})" for group, score in each["groups"].items()}
        faults = {f"fault: {fault['name']}": f"upstream: {fault['upstream']}. Corrected: {fault['corrected']}" for fault in each["faults"]}
        sections.append(Section(TITLES[name], groups | faults))
    return sections
