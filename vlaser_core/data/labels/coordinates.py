"""From a model's words to boxes and points in thousandths of the picture. One pass: a place is read once, in one way.

Read are `[x, y]`, `(x, y)`, `(x=1, y=2)`, four of them as a box, `(x1, y1), (x2, y2)` behind a word for a box, and bare numbers
behind `at`, `position`, `coordinates`, `point`, `box`, `bounds`. A place outside of the picture, a box turned inside out, three
numbers, or fractions where pixels were asked for are reported and never repaired; with one such the whole answer is in doubt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.labels.grid import Grid, Sent
from vlaser_core.data.phrasing import box_text, point_text
from vlaser_core.data.sources.regions import as_box, as_point
from vlaser_core.data.truth import Box, Point

_NUMBER = r"(?:[xy][12]?\s*[:=]\s*)?-?\d{1,9}(?:\.\d{1,9})?\s*%?"
_GROUP = rf"[\[(]\s*({_NUMBER}(?:\s*,\s*{_NUMBER}){{1,3}})\s*[\])]"
_BOX_WORD = r"(?:box|boxes|bounds?|bounded by|bounding|region|from|top[- ]left|<\|box_start\|>|<box>)"
_CORNERS = rf"{_BOX_WORD}[^\[\]()\d]{{0,40}}{_GROUP}[^\[\]()\d.;]{{1,40}}{_GROUP}"
_BARE = rf"\b(?:at|positions?|coordinates?|points?|box(?:es)?|bounds?)\s*(?:is|are|of|:|=)?\s*({_NUMBER}(?:\s*,\s*{_NUMBER}){{1,3}})"
_PLACE = re.compile(rf"(?P<corners>{_CORNERS})|{_GROUP}|{_BARE}", re.IGNORECASE)
_VALUE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(%?)\s*(?:,|$)")
_MANY = re.compile(r"[\[(]\s*-?\d+(?:\.\d+)?(?:\s*,\s*-?\d+(?:\.\d+)?){4,}\s*[\])]")


@dataclass(frozen=True)
class Places:
    """Each box and point once, in order. faults: why others were refused, verbatim part included."""

    boxes: tuple[Box, ...]
    points: tuple[Point, ...]
    faults: tuple[str, ...]

    def text(self, wanted: str) -> tuple[str, str]:
        """(kind, answer) as records write it: of the kind wanted (`box` or `point`) where there is one, else of the other.
        Raises Damaged where there is none, or any was refused."""
        if self.faults:
            raise Damaged("a place in the answer is impossible", "; ".join(self.faults)[:300])
        for kind in (wanted, "point" if wanted == "box" else "box"):
            found = self.boxes if kind == "box" else self.points
            if found:
                return kind, box_text(*self.boxes) if kind == "box" else point_text(*self.points)
        raise Damaged("no coordinates in a grounding answer")


def has_places(text: str) -> bool:
    """Whether a text speaks of places in numbers."""
    return bool(_PLACE.search(text) or _MANY.search(text))


def read_places(text: str, grid: Grid, sent: Sent) -> Places:
    """All places of an answer about a picture as it was sent."""
    wide, high = grid.span(sent)
    boxes: list[Box] = []
    points: list[Point] = []
    faults = [f"{found.group(0)[:60]}: more than four numbers" for found in _MANY.finditer(text)]
    for found in _PLACE.finditer(text):
        groups = [group for group in found.groups()[1:] if group is not None]
        values = [_values(group) for group in groups]
        if len(values) == 2 and {len(part) for part in values} != {2}:
            takes = values  # two boxes behind the word `boxes`, not two corners
        elif len(values) == 2:
            takes = [values[0] + values[1]]
        else:
            takes = values
        for numbers in takes:
            try:
                scaled = _scaled(numbers, grid, wide, high)
                if len(scaled) == 4:
                    boxes.append(as_box(*scaled, wide, high))
                else:
                    points.append(as_point(*scaled, wide, high))
            except Damaged as error:
                faults.append(f"{found.group(0)[:60]}: {error}")
    return Places(tuple(dict.fromkeys(boxes)), tuple(dict.fromkeys(points)), tuple(faults))


def _values(group: str) -> list[tuple[float, bool]]:
    """(value, whether it is percent) of each number."""
    return [(float(number), percent == "%") for number, percent in _VALUE.findall(re.sub(r"[xyXY][12]?\s*[:=]\s*", "", group))]


def _scaled(numbers: list[tuple[float, bool]], grid: Grid, wide: float, high: float) -> tuple[float, ...]:
    """Numbers in the grid's unit. Raises Damaged for three, and for fractions that are no such unit."""
    if len(numbers) not in (2, 4):
        raise Damaged("neither a point nor a box", f"{len(numbers)} numbers")
    plain = [value for value, _ in numbers]
    percent = [flag for _, flag in numbers]
    if any(percent):
        if not all(percent):
            raise Damaged("percent and other numbers together")
        return tuple(value / 100 * (wide, high)[index % 2] for index, value in enumerate(plain))
    if grid.unit != "fractions" and max(plain) <= 1 and any(value != int(value) for value in plain):
        raise Damaged("fractions where others were asked for", str(plain))
    return tuple(plain)


def in_model_words(text: str, grid: Grid, sent: Sent) -> str:
    """A record's answer with its places (thousandths) as this model would say them, for one that is asked to judge it."""

    def said(found: re.Match[str]) -> str:
        numbers = [int(part) for part in found.group(1).split(",")]
        pairs = [grid.say(x, y, sent) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        return f"[{', '.join(part for pair in pairs for part in pair)}]"

    return re.sub(r"\[\s*(\d{1,4}\s*,\s*\d{1,4}(?:\s*,\s*\d{1,4}\s*,\s*\d{1,4})?)\s*\]", said, text)
