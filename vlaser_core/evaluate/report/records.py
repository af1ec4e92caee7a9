"""The report of a checkpoint on records that were held out: what it said, beside what the record says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from vlaser_core.data.shards.reader import decode
from vlaser_core.errors import InputError
from vlaser_core.evaluate.reasoning_score import Heard, ReasoningScore, Tally
from vlaser_core.evaluate.report.model import Item, Measure, Report, Section, failures_first
from vlaser_core.reasoning.draw import GREEN, ORANGE, draw_stated
from vlaser_core.train.records import Records

A_FAMILY = 4  # answers shown of each family
PICTURES = 4  # of one question


def records_report(result: ReasoningScore, heard: Sequence[Heard], records: Records, settings: dict[str, Any], command: str) -> Report:
    """records: those that `heard` numbers; only pictures that are shown are read."""
    measures = [_measure(name, tally) for name, tally in result.families.items()]
    measures += [_measure(name, tally, main=True) for name, tally in (*result.categories.items(), ("all", result.overall))]
    left_out = {reason: f"{count}, for example {result.examples[reason]}" for reason, count in result.left_out.items()}
    items = []
    for family in result.families:
        mine = [Item(str(place), one.score) for place, one in enumerate(heard) if one.family == family]
        items += [_item(heard[int(item.title)], records) for item in failures_first(mine, A_FAMILY)]
    return Report(
        "Held-out questions",
        f"{100 * result.overall.score:.1f} % of {result.overall.questions} answers; {100 * result.mean_of_categories:.1f} % with each category alike",
        tuple(measures),
        settings,
        command,
        items=tuple(items),
        items_total=len(heard),
        items_about="Green: places of the record's answer. Orange: of the model's.",
        sections=(Section("Records left out", left_out, open=True),) if left_out else (),
    )


def items_of(heard: Sequence[Heard]) -> list[dict[str, Any]]:
    """Every answer for the summary, so that two runs can be compared question by question."""
    return [{"id": f"{one.record}#{one.turn}", "category": one.category, "family": one.family, "score": round(one.score, 6)} for one in heard]


def _measure(name: str, tally: Tally, main: bool = False) -> Measure:
    cells = {"without looking": f"{100 * tally.commonest:.1f}", "overlap of boxes": "" if tally.overlap is None else f"{tally.overlap:.2f}"}
    return Measure(name, tally.score, tally.interval_95, tally.questions, cells=cells, main=main)


def _item(one: Heard, records: Records) -> Item:
    try:
        pictures = [decode(picture) for picture in records.sample(one.number).pictures[:PICTURES]]
    except InputError:
        pictures = []
    lines = (("question", one.question), ("record", one.reference), ("model", one.said.strip() or "(nothing)"))
    shown = (drawn(pictures[0], one.reference, one.said), *pictures[1:]) if pictures else ()
    return Item(one.record, one.score, f"{one.category} · {one.family}", shown, lines=lines)


def drawn(picture: np.ndarray, reference: str, said: str) -> np.ndarray:
    """A copy with the boxes and points of both answers."""
    scale = max(1.0, 360 / picture.shape[1])
    canvas = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    draw_stated(canvas, reference, GREEN)
    return draw_stated(canvas, said, ORANGE)
