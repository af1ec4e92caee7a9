"""Whether an answer is right, by the kind of answer the reference is. Knows no torch.

| the reference is | right is |
|---|---|
| boxes | as many, in its order, each with an intersection over union of at least 0.5, and the same words beside them |
| points | as many, in its order, each on the object's own pixels (to two of the truth's map) or in its box; where no object is marked or known, within 50 thousandths |
| a spot that may be anywhere free, or a place to take hold | what the data engine's checker accepts |
| a length asked for with its unit | VSI-Bench's mean relative accuracy: the share of the tolerances 50, 45, … 5 % that it keeps |
| yes, no, a letter | the first word says so |
| anything else | the same words |

Case, white space, tags and a final full stop count nowhere; an angle counts to 15 degrees, its direction either way.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from vlaser_core.data.check import check
from vlaser_core.data.check.look import Look
from vlaser_core.data.phrasing import Turn
from vlaser_core.data.truth import Box, ObjectTruth, Point, SceneTruth
from vlaser_core.reasoning.parse import parse_boxes, parse_points, parse_yes_no

OVERLAP = 0.5
NEAR = 50.0  # thousandths
ANGLE = 15  # degrees
OPEN = frozenset({"free_space", "free_beside", "grasp_point"})  # families with many right answers

_PLACE = re.compile(r"\[\s*\d[\d\s,]*\]")
_TAG = re.compile(r"</?(?:box|point|ref)>|<\|[a-z_]+\|>")
_ANGLE = re.compile(r"\bangle (\d{1,3})\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_UNIT = re.compile(r"\b(?:mm|cm|(?:milli|centi)?met(?:er|re)s?)\b", re.IGNORECASE)
_LETTER = re.compile(r"\W*([A-H])\b")


@dataclass(frozen=True)
class Verdict:
    """score: 0…1. overlap: mean intersection over union of the reference's boxes, None where it has none."""

    score: float
    overlap: float | None = None


def score_answer(family: str, question: str, reference: str, said: str, truth: SceneTruth | None = None) -> Verdict:
    """How right `said` is as an answer to `question`. truth: what is exactly known of the picture, where that was kept."""
    boxes, points = parse_boxes(reference)[0], parse_points(reference)[0]
    if boxes or points:
        return _places(family, question, reference, said, boxes, points, truth)
    wanted = _words(reference)
    if wanted in ("yes", "no"):
        return Verdict(float(parse_yes_no(said) is (wanted == "yes")))
    if _LETTER.fullmatch(reference.strip()):
        found = _LETTER.match(said)
        return Verdict(float(found is not None and found.group(1) == reference.strip()))
    if _UNIT.search(question) and _NUMBER.fullmatch(_UNIT.sub("", reference).strip()):
        return Verdict(_relative_accuracy(float(_NUMBER.search(reference).group()), said))
    return Verdict(float(_words(said) == wanted))


def _words(text: str) -> str:
    bare = _PLACE.sub(" ", _TAG.sub(" ", text))
    return " ".join(re.sub(r"[\[\]]", " ", bare).lower().split()).rstrip(" .")


def _relative_accuracy(wanted: float, said: str) -> float:
    found = _NUMBER.search(said)
    if found is None:
        return 0.0
    value = float(found.group())
    if wanted == 0:
        return float(value == 0)
    error = abs(value - wanted) / abs(wanted)
    return sum(error <= tolerance / 100 + 1e-9 for tolerance in range(5, 55, 5)) / 10


def _places(
    family: str, question: str, reference: str, said: str, boxes: tuple[Box, ...], points: tuple[Point, ...], truth: SceneTruth | None
) -> Verdict:
    said_boxes, malformed = parse_boxes(said)
    said_points = parse_points(said)[0]
    overlaps = [overlap(one, other) for one, other in zip(boxes, said_boxes, strict=False)]
    mean = sum(overlaps) / len(boxes) if boxes else None
    # A JSON list's own bracket counts as malformed, in the reference as well.
    as_many = (len(said_boxes), len(said_points), len(malformed)) == (len(boxes), len(points), len(parse_boxes(reference)[1]))
    if not as_many or not _same_words(reference, said):
        return Verdict(0.0, mean)
    if family in OPEN and truth is not None:
        return Verdict(float(not check(truth, [Turn(family, question, said)])))
    look = None if truth is None else Look(truth)
    right = all(_on_place(one, other, look) for one, other in zip(points, said_points, strict=True))
    return Verdict(float(right and all(value >= OVERLAP for value in overlaps)), mean)


def _same_words(reference: str, said: str) -> bool:
    angles = [_ANGLE.findall(text) for text in (reference, said)]
    if len(angles[0]) != len(angles[1]):
        return False
    for wanted, given in zip(*angles, strict=True):
        apart = abs(int(wanted) - int(given)) % 180
        if min(apart, 180 - apart) > ANGLE:
            return False
    return _words(_ANGLE.sub("", reference)) == _words(_ANGLE.sub("", said))


def _on_place(wanted: Point, said: Point, look: Look | None) -> bool:
    marked = None if look is None else _marked(wanted, look.truth)
    if marked is None:
        return math.dist(wanted, said) <= NEAR
    if look.truth.pixels is not None:
        return look.touches(said, marked)
    x1, y1, x2, y2 = marked.box
    return x1 <= said[0] <= x2 and y1 <= said[1] <= y2


def _marked(point: Point, truth: SceneTruth) -> ObjectTruth | None:
    """The object that a reference's point was put on."""
    return next((thing for thing in truth.objects if thing.box is not None and point in (thing.point, thing.grasp_point)), None)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0, width) * max(0, height)
    return shared / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared)
