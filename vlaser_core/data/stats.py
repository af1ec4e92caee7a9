"""What a set is made of: its mix, the lengths of its texts, and whether its answers are balanced.

Answers are compared as they stand; where every answer is a place, the places themselves are the balance: a 10 × 10
histogram of the centres of boxes and points over the picture.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlaser_core.data.digest import sample_digest, set_digest
from vlaser_core.data.shards.reader import RecordSet
from vlaser_core.data.shards.schema import LABELS
from vlaser_core.data.source import unit_of
from vlaser_core.reasoning.parse import parse_boxes, parse_points

CELLS = 10
TOP = 5
ENOUGH, ONE_SIDED = 30, 0.8  # questions of a family, and the share of one answer, from which on it is told
_KINDS_AT_MOST = 2000  # different answers counted a family; beyond that they are as good as all different


@dataclass
class FamilyStats:
    """One family. answers: how often each was given; other: answers beyond the first _KINDS_AT_MOST different ones."""

    records: int = 0
    questions: int = 0
    wordings: set[int] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    other: int = 0
    question_lengths: array[int] = field(default_factory=lambda: array("I"))
    answer_lengths: array[int] = field(default_factory=lambda: array("I"))

    def add(self, question: str, answer: str) -> None:
        self.questions += 1
        self.wordings.add(hash(question))
        self.question_lengths.append(len(question))
        self.answer_lengths.append(len(answer))
        if answer in self.answers or len(self.answers) < _KINDS_AT_MOST:
            self.answers[answer] += 1
        else:
            self.other += 1

    def unbalanced(self) -> bool:
        """Whether saying one thing always would nearly always be right."""
        return self.questions >= ENOUGH and self.answers.most_common(1)[0][1] > ONE_SIDED * self.questions

    def to_json(self) -> dict[str, Any]:
        top = [{"answer": answer, "share": round(count / max(1, self.questions), 4)} for answer, count in self.answers.most_common(TOP)]
        return {
            "records": self.records,
            "questions": self.questions,
            "different_questions": len(self.wordings),
            "different_answers": len(self.answers) + self.other,
            "top_answers": top,
            "question_characters": quantiles(self.question_lengths),
            "answer_characters": quantiles(self.answer_lengths),
        }


def quantiles(lengths: array[int]) -> dict[str, int]:
    """Smallest, median, 95th percentile, largest; empty without any."""
    if not lengths:
        return {}
    return {"min": min(lengths), "median": int(np.median(lengths)), "p95": int(np.percentile(lengths, 95)), "max": max(lengths)}


@dataclass
class Stats:
    """A set's numbers. mix: records by label and value. places: centres of boxes and points, (row, column) of the picture."""

    records: int
    pictures: int
    with_truth: int
    mix: dict[str, dict[str, int]]
    families: dict[str, FamilyStats]
    places: np.ndarray
    dropped: dict[str, int]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """Plain, `digest` last."""
        return {
            "records": self.records,
            "pictures": self.pictures,
            "with_truth": self.with_truth,
            "left_out_afterwards": self.dropped,
            "mix": self.mix,
            "families": {name: family.to_json() for name, family in self.families.items()},
            "places": self.places.tolist(),
            "unbalanced": [name for name, family in self.families.items() if family.unbalanced()],
            "digest": self.digest,
        }


def stats(records: RecordSet) -> Stats:
    """Read a whole set once. Raises InputError naming a damaged shard."""
    mix: dict[str, Counter[str]] = {label: Counter() for label in LABELS}
    families: dict[str, FamilyStats] = {}
    places = np.zeros((CELLS, CELLS), int)
    digests, pictures, with_truth = [], set(), 0
    for sample in records.samples():
        digests.append(sample_digest(sample))
        with_truth += sample.truth is not None
        record = sample.record
        pictures.update(hash((unit_of(record.id), picture.name)) for picture in sample.pictures)
        for label in LABELS:
            mix[label][getattr(record, label)] += 1
        family = families.setdefault(record.family, FamilyStats())
        family.records += 1
        for question, answer in record.turns():
            family.add(question, answer)
            for x, y in centres(answer):
                places[min(CELLS - 1, int(y * CELLS / 1000)), min(CELLS - 1, int(x * CELLS / 1000))] += 1
    return Stats(
        records=len(digests),
        pictures=len(pictures),
        with_truth=with_truth,
        mix={label: dict(sorted(counts.items())) for label, counts in mix.items()},
        families=dict(sorted(families.items())),
        places=places,
        dropped=records.index.dropped,
        digest=set_digest(digests),
    )


def centres(answer: str) -> list[tuple[float, float]]:
    """Centres (x, y in 0…1000) of the boxes and points an answer states, with tags or in brackets alone."""
    if "[" not in answer:
        return []
    boxes = [((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in parse_boxes(answer)[0]]
    return boxes + [(float(x), float(y)) for x, y in parse_points(answer)[0]]
