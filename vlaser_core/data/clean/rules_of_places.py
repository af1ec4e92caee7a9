"""What boxes and points must be: inside the picture, of some size, told once, of the kind asked for, and true to the question's own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vlaser_core.data.source import Sample
from vlaser_core.data.truth import Box, Point
from vlaser_core.reasoning.parse import NOT_VISIBLE, parse_boxes, parse_points

_ASKS_BOX = re.compile(r"\banswer with (?:a |one |the )?(?:bounding )?box(?:es)?\b", re.IGNORECASE)
_ASKS_POINT = re.compile(r"\banswer with (?:a |one |the )?points?\b", re.IGNORECASE)
_IN_BOX = re.compile(r"\b(?:in|inside|within|fills?) (?:the )?(?:box )?(?=\[)", re.IGNORECASE)
_AT_POINT = re.compile(r"\b(?:thing|object|item) (?:that is )?at (?:the point )?(?=\[)", re.IGNORECASE)
_GROUP = re.compile(r"\[\s*(-?\d[\d\s,.-]*)\]")  # numbers alone: not a JSON list of objects
_WORDS_AT_MOST = 8  # of an answer that says in words that there is nothing to point to


@dataclass(frozen=True)
class PlaceRules:
    """smallest: sides of a box, in thousandths. largest: part of the picture that a box may cover. most: places in one answer."""

    smallest: int = 4
    largest: float = 0.98
    most: int = 60

    def fault(self, sample: Sample) -> str:
        """The first rule that a record breaks, empty for none."""
        grounding = sample.record.category == "grounding"
        return next((fault for question, answer in sample.record.turns() if (fault := self._turn_fault(question, answer, grounding))), "")

    def _turn_fault(self, question: str, answer: str, grounding: bool) -> str:
        boxes, points = parse_boxes(answer)[0], parse_points(answer)[0]
        if grounding and not all(_possible(found) for found in _GROUP.findall(answer)):
            return "a place that cannot be"
        return self._size_fault(boxes, points) or _kind_fault(question, answer, boxes, points) or _own_fault(question, boxes, points)

    def _size_fault(self, boxes: tuple[Box, ...], points: tuple[Point, ...]) -> str:
        if any(min(x2 - x1, y2 - y1) < self.smallest for x1, y1, x2, y2 in boxes):
            return "a box of hardly any size"
        if any((x2 - x1) * (y2 - y1) > self.largest * 1e6 for x1, y1, x2, y2 in boxes):
            return "a box of the whole picture"
        if len(set(boxes)) < len(boxes) or len(set(points)) < len(points):
            return "a place is told twice"
        return "too many places" if len(boxes) + len(points) > self.most else ""


def _kind_fault(question: str, answer: str, boxes: tuple[Box, ...], points: tuple[Point, ...]) -> str:
    """An answer of the other kind, or a sentence, where boxes or points were asked for; `not visible` and the like are answers."""
    asked = [(_ASKS_BOX, boxes, points, "a box"), (_ASKS_POINT, points, boxes, "a point")]
    if sum(bool(pattern.search(question)) for pattern, *_ in asked) != 1:
        return ""
    for pattern, wanted, other, name in asked:
        if pattern.search(question) and not wanted:
            if other:
                return f"{name} was asked for and another kind of place is given"
            if len(answer.split()) > _WORDS_AT_MOST and NOT_VISIBLE not in answer.lower():
                return f"{name} was asked for and words are given"
    return ""


def _own_fault(question: str, boxes: tuple[Box, ...], points: tuple[Point, ...]) -> str:
    """A point asked for in a box lies in it; the box of the thing at a point holds that point."""
    own_boxes, own_points = parse_boxes(question)[0], parse_points(question)[0]
    if len(own_boxes) == 1 and not own_points and _IN_BOX.search(question) and not all(_inside(point, own_boxes[0]) for point in points):
        return "a point lies outside the question's box"
    if len(own_points) == 1 and not own_boxes and _AT_POINT.search(question) and len(boxes) == 1 and not _inside(own_points[0], boxes[0]):
        return "a box does not hold the question's point"
    return ""


def _possible(numbers: str) -> bool:
    boxes, malformed = parse_boxes(f"[{numbers}]")
    return not malformed and bool(boxes or parse_points(f"[{numbers}]")[0])


def _inside(point: Point, box: Box) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]
