"""Points in answers, and whether they lie where they should.

Vlaser gives places as `<point>[[x, y], …]</point>` in thousandths of the picture; most benchmarks ask for tuples between 0 and 1. Each
is read in its own way and never guessed at: `[0.4, 0.5]` is no place for one who was asked for thousandths.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlaser_core.evaluate.benchmarks.question import NO_COORDINATES, Prompts, Verdict
from vlaser_core.reasoning.parse import parse_boxes, parse_points

# What Vlaser's authors put before the question of every benchmark that asks for places (Vlaser_VLM/README.md).
VLASER_PREFIX = (
    'You are InternVL. Your task is to locate several points in the given image according to the task descriptions. Your answer should be formatted as "<point>[[x1, y1], [x2, y2],...]</point>". '
    "The point coordinates are normalized to integers between 0 and 1000. Return the answer in the point format directly."
)
POINT_TOKENS = 100  # of an answer, as the authors' two scripts allow
NO_TAGS = "coordinates without their <point> tags"
POINT_TILES = 6  # the squares they cut a picture into
_TAGGED = re.compile(r"<point>\s*\[\s*(\[.*?\])\s*\]</point>", re.DOTALL)
_INTEGER_PAIR = re.compile(r"\[\s*(\d+)\s*,\s*(\d+)\s*\]")
_NUMBER_PAIR = re.compile(r"\[\s*(\d+\.?\d*)\s*,\s*(\d+\.?\d*)\s*\]")
_TUPLE = re.compile(r"\(([-+]?\d+\.?\d*(?:,\s*[-+]?\d+\.?\d*)*?)\)")
_GROUP = re.compile(r"[(\[]\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:\s*,\s*[-+]?(?:\d+\.?\d*|\.\d+))+)\s*[)\]]")
Pair = tuple[float, float]


@dataclass(frozen=True)
class Places:
    """points: 0…1 of width and height, each once. boxes: likewise. refused: groups of numbers that are no place in the picture."""

    points: tuple[Pair, ...]
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    refused: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.points) + len(self.boxes) + len(self.refused)


def tagged_points(text: str) -> list[tuple[int, int]]:
    """Thousandths as Vlaser's README reads them: the whole numbers in the first `<point>[[…]]</point>`, and nothing without the tags."""
    found = _TAGGED.search(text)
    return [(int(x), int(y)) for x, y in _INTEGER_PAIR.findall(found.group(1))] if found else []


def untagged(text: str) -> str:
    """Why `tagged_points` found nothing."""
    return NO_TAGS if _INTEGER_PAIR.search(text) else NO_COORDINATES


def thousandths(points: Sequence[Pair]) -> list[Pair]:
    """0…1 of points 0…1000."""
    return [(x / 1000, y / 1000) for x, y in points]


def paired_numbers(text: str) -> list[Pair]:
    """Thousandths as Vlaser's two scripts read them: every `[number, number]`, however large."""
    return [(float(x), float(y)) for x, y in _NUMBER_PAIR.findall(text)]


def number_tuples(text: str) -> list[tuple[float | int, ...]]:
    """`(a, b, …)` as RoboPoint reads them: a number with a point in it is a float, another one an integer. Raises ValueError for `1.2.3`."""
    return [tuple(float(part) if "." in part else int(part) for part in group.split(",")) for group in _TUPLE.findall(text)]


def read_places(text: str, prompts: Prompts) -> Places:
    """What the answer names, in the notation it was asked for; equal places once."""
    if prompts == "vlaser":
        points, malformed = parse_points(text)
        boxes = tuple((x1 / 1000, y1 / 1000, x2 / 1000, y2 / 1000) for x1, y1, x2, y2 in dict.fromkeys(parse_boxes(text)[0]))
        return Places(tuple((x / 1000, y / 1000) for x, y in dict.fromkeys(points)), boxes, malformed)
    points, boxes, refused = [], [], []
    for found in _GROUP.finditer(text):
        values = tuple(float(part) for part in found.group(1).split(","))
        if len(values) not in (2, 4) or not all(0 <= value <= 1 for value in values):
            refused.append(found.group())
        elif len(values) == 2:
            points.append(values)
        elif values[0] < values[2] and values[1] < values[3]:
            boxes.append(values)
        else:
            refused.append(found.group())
    return Places(tuple(dict.fromkeys(points)), tuple(dict.fromkeys(boxes)), tuple(refused))


def pixel(value: float, size: int) -> int:
    """The pixel that holds a place 0…1; the far edge belongs to the last one."""
    return min(int(value * size), size - 1)


def share_inside(mask: np.ndarray, places: Places) -> tuple[float, str]:
    """Mean over all places, refused ones counting 0: a point is in the mask (bool (H, W)) or not, a box to the share of its pixels."""
    height, width = mask.shape
    values = [float(mask[pixel(y, height), pixel(x, width)]) for x, y in places.points]
    for x1, y1, x2, y2 in places.boxes:
        part = mask[pixel(y1, height) : pixel(y2, height) + 1, pixel(x1, width) : pixel(x2, width) + 1]
        values.append(float(part.mean()))
    total = sum(values)
    return total / len(places), f"{total:g} of {len(places)} inside"


def value_at(values: np.ndarray, pixels: Sequence[tuple[float, float]]) -> float:
    """Mean of `values` (H, W) at pixels (x, y), 0 for those outside: how RoboPoint, and those after it, score a mask."""
    height, width = values.shape
    return float(np.mean([float(values[int(y), int(x)]) if 0 <= x < width and 0 <= y < height else 0.0 for x, y in pixels]))


def filled(group: Sequence[float], width: int, height: int, scaled: bool) -> list[tuple[int, int]]:
    """Every pixel of a box (x0, y0, x1, y1), as RoboPoint turns a box into points. Raises TypeError where corners mix floats and integers."""
    x0, y0, x1, y1 = (int(value * size) for value, size in zip(group, (width, height, width, height), strict=True)) if scaled else group
    inside = np.zeros((height, width), dtype=bool)
    inside[y0:y1, x0:x1] = True
    rows, columns = np.where(inside)
    return list(zip(columns.tolist(), rows.tolist(), strict=True))


def placed(score: float, read: str, points: Sequence[Pair]) -> Verdict:
    """A verdict that shows where the points lie."""
    return Verdict(score, read=read, points=tuple((float(x), float(y)) for x, y in points))


def judge_mask(mask: np.ndarray, answer: str, prompts: Prompts) -> Verdict:
    """The corrected score of an answer against a mask, bool (H, W)."""
    places = read_places(answer, prompts)
    if not len(places):
        return Verdict(0.0, fault=NO_COORDINATES)
    score, read = share_inside(mask, places)
    return placed(score, read, places.points)


def judge_tagged(values: np.ndarray, answer: str) -> Verdict:
    """Vlaser's answer as its README turns it into pixels, scored as RoboPoint scores masks: values (H, W), 0…1."""
    height, width = values.shape
    found = tagged_points(answer)
    if not found:
        return Verdict(0.0, fault=untagged(answer))
    pixels = [(int(x / 1000 * width), int(y / 1000 * height)) for x, y in found]
    score = value_at(values, pixels)
    return placed(score, f"{score * len(found):g} of {len(found)} inside", thousandths(found))
