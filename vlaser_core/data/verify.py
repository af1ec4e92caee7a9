"""A whole set held against itself: every record fits the schema, every picture decodes at its stated size, and every
answer that was derived from a kept truth is derived again by `check`, which shares no code with the writers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vlaser_core.data.check import check
from vlaser_core.data.phrasing import Turn
from vlaser_core.data.shards.reader import RecordSet, decode
from vlaser_core.data.source import Sample, unit_of
from vlaser_core.errors import InputError

LISTED = 100


@dataclass
class Verification:
    """records: looked at. checked: answers derived again, by family. without_truth: records whose answers nothing here
    can tell right from wrong. disagreements: how many; listed: the first of them, as a person reads them.
    """

    records: int = 0
    pictures: int = 0
    checked: Counter[str] = field(default_factory=Counter)
    without_truth: int = 0
    disagreements: int = 0
    listed: list[dict[str, str]] = field(default_factory=list)

    def report(self, identity: str, family: str, question: str, answer: str, expected: str) -> None:
        self.disagreements += 1
        if len(self.listed) < LISTED:
            self.listed.append({"id": identity, "family": family, "question": question, "answer": answer, "expected": expected})

    def to_json(self) -> dict[str, Any]:
        """Plain, `disagreements` last."""
        return {
            "records": self.records,
            "pictures": self.pictures,
            "checked": dict(sorted(self.checked.items())),
            "without_truth": self.without_truth,
            "listed": self.listed,
            "disagreements": self.disagreements,
        }


def verify(records: RecordSet) -> Verification:
    """Check everything. Raises InputError for a shard that cannot be read: there is nothing to say about the rest then."""
    found = Verification()
    ids: set[str] = set()
    decoded = ("", "")
    for sample in records.samples():
        record = sample.record
        found.records += 1
        if record.id in ids:
            found.report(record.id, record.family, "", record.id, "an id that occurs once")
        ids.add(record.id)
        unit = unit_of(record.id)
        for index, picture in enumerate(sample.pictures):
            # A unit's records come in order of their pictures, so remembering the last one decodes each about once.
            if (unit, picture.name) == decoded:
                continue
            decoded = (unit, picture.name)
            found.pictures += 1
            fault = _picture_fault(sample, index)
            if fault:
                found.report(record.id, record.family, f"picture {picture.name}", "", fault)
        if sample.truth is None:
            found.without_truth += 1
            continue
        turns = [Turn(record.family, question, answer) for question, answer in record.turns()]
        found.checked[record.family] += len(turns)
        for disagreement in check(sample.truth, turns):
            found.report(record.id, disagreement.family, disagreement.question, disagreement.answer, disagreement.expected)
    return found


def _picture_fault(sample: Sample, index: int) -> str:
    try:
        height, width = decode(sample.pictures[index]).shape[:2]
    except InputError as error:
        return f"a picture: {error}"
    stated = sample.record.width, sample.record.height
    return "" if index or (width, height) == stated else f"{stated[0]} × {stated[1]} as the record states, it is {width} × {height}"
