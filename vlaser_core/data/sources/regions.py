"""Points and boxes of data sets as integers 0…1000 of the picture, or refused: nothing is clipped into the picture."""

from __future__ import annotations

import math
import re

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.truth import Box, Point

_NUMBERS = re.compile(r"[\[(]\s*(-?\d+(?:\.\d+)?(?:\s*,\s*-?\d+(?:\.\d+)?)+)\s*,?\s*[\])]")


def as_point(x: float, y: float, width: float, height: float) -> Point:
    """A point in units of which the picture measures width × height (pixels, or 1 × 1). Raises Damaged outside of it."""
    if not (math.isfinite(x) and math.isfinite(y) and 0 <= x <= width and 0 <= y <= height):
        raise Damaged("point outside the picture", f"({x:g}, {y:g}) of {width:g} × {height:g}")
    return round(x * 1000 / width), round(y * 1000 / height)


def as_box(x1: float, y1: float, x2: float, y2: float, width: float, height: float) -> Box:
    """A box by two corners, in the same units. Raises Damaged outside of the picture or without an area."""
    try:
        first, second = as_point(x1, y1, width, height), as_point(x2, y2, width, height)
    except Damaged as error:
        raise Damaged("box outside the picture", f"({x1:g}, {y1:g}, {x2:g}, {y2:g}) of {width:g} × {height:g}") from error
    if first[0] >= second[0] or first[1] >= second[1]:
        raise Damaged("box without an area", f"({x1:g}, {y1:g}, {x2:g}, {y2:g}) of {width:g} × {height:g}")
    return (*first, *second)


def number_groups(text: str) -> list[tuple[float, ...]]:
    """The tuples of numbers in a text such as `[(0.46, 0.53), (0.50, 0.52)]`, in order."""
    return [tuple(float(part) for part in group.split(",")) for group in _NUMBERS.findall(text)]
