"""What the checker sees of a scene: boxes, centres and neighbours from the pixel map where there is one, and names in texts.

Written apart from the code that writes questions, and meant to stay so: only the truth's types are shared.
"""

from __future__ import annotations

import math
import re
from functools import cached_property

import numpy as np

from vlaser_core.data.truth import SURFACE, ObjectTruth, SceneTruth

_COLOURS = {"red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown", "grey"}
DEEP = 0.7  # of its greatest depth that a point lies inside of a thing at least
_OPTION = re.compile(r"^([A-D])\. (.+)$", re.MULTILINE)


def numbers(text: str) -> tuple[int, ...]:
    """All digits of a text as integers, in order."""
    return tuple(int(number) for number in re.findall(r"\d+", text))


def options(question: str) -> dict[str, str]:
    """Letter → text of each option of a multiple-choice question."""
    return {found[1]: found[2] for found in _OPTION.finditer(question)}


def colour_in(text: str) -> str | None:
    """The only colour word of a text."""
    found = [word for word in re.findall(r"[a-z]+", text) if word in _COLOURS]
    return found[0] if len(found) == 1 else None


class Look:
    """One truth, looked at."""

    def __init__(self, truth: SceneTruth) -> None:
        self.truth = truth
        patterns = [(phrase, thing) for thing in truth.objects for phrase in thing.phrases]
        # The longest first: alternatives of an expression are tried in order.
        patterns.sort(key=lambda pair: -len(pair[0]))
        self._owner = {}
        for phrase, thing in patterns:
            self._owner.setdefault(phrase, []).append(thing)
        words = "|".join(re.escape(phrase) for phrase in self._owner)
        self._names = re.compile(rf"(?:\b(\w+) )??(?<!\w)({words})(?!\w)") if words else None

    @cached_property
    def _drawn(self) -> np.ndarray | None:
        return None if self.truth.pixels is None else self.truth.pixels.values()

    @cached_property
    def _cells(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Rows and columns of each object's pixels."""
        pixels, drawn = self.truth.pixels, self._drawn
        return {name: np.nonzero(drawn == value) for value, name in enumerate(pixels.names)}

    def named(self, text: str) -> list[ObjectTruth]:
        """Objects named in a text, in its order. A colour before a name must be the object's own."""
        if self._names is None:
            return []
        found, at = [], 0
        while (match := self._names.search(text, at)) is not None:
            at = match.end()
            before, phrase = match.groups()
            fit = [thing for thing in self._owner[phrase] if before not in _COLOURS or before == thing.colour or before in phrase.split()]
            if len(fit) == 1:
                found.append(fit[0])
            elif len(fit) > 1:
                raise LookupError(f"{phrase!r} may be any of {[thing.name for thing in fit]}")
        return found

    def visible(self, thing: ObjectTruth) -> bool:
        if self._drawn is None:
            return thing.visible_fraction > 0
        return len(self._cells[thing.name][0]) > 0

    def all_visible(self) -> list[ObjectTruth]:
        return [thing for thing in self.truth.objects if self.visible(thing)]

    def box(self, thing: ObjectTruth) -> tuple[float, float, float, float]:
        """Thousandths, from the pixels."""
        if self._drawn is None:
            return thing.box
        rows, columns = self._cells[thing.name]
        across, down = 1000 / self.truth.pixels.width, 1000 / self.truth.pixels.height
        return columns.min() * across, rows.min() * down, (columns.max() + 1) * across, (rows.max() + 1) * down

    def is_box(self, values: tuple[int, ...], thing: ObjectTruth) -> bool:
        """Is this the box of all that shows of it? To one pixel of the map."""
        if len(values) != 4 or not self.visible(thing):
            return False
        tolerance = (0.0, 0.0) if self._drawn is None else (1000 / self.truth.pixels.width + 0.5, 1000 / self.truth.pixels.height + 0.5)
        return all(
            abs(value - wanted) <= tolerance[axis % 2] for axis, (value, wanted) in enumerate(zip(values, self.box(thing), strict=True))
        )

    def centre(self, thing: ObjectTruth) -> tuple[float, float]:
        """Middle of its pixels, thousandths."""
        if self._drawn is None:
            return thing.point
        rows, columns = self._cells[thing.name]
        return (columns.mean() + 0.5) * 1000 / self.truth.pixels.width, (rows.mean() + 0.5) * 1000 / self.truth.pixels.height

    def at(self, point: tuple[int, ...]) -> ObjectTruth | None:
        """The object at a point."""
        if self._drawn is None:
            return next((thing for thing in self.truth.objects if thing.point == point), None)
        name = self.truth.pixels.names[self._drawn[self._pixel(point)]]
        return next((thing for thing in self.truth.objects if thing.name == name), None)

    def _pixel(self, point: tuple[int, ...]) -> tuple[int, int]:
        """Row and column of the map at a point."""
        pixels = self.truth.pixels
        return min(pixels.height - 1, point[1] * pixels.height // 1000), min(pixels.width - 1, point[0] * pixels.width // 1000)

    def is_point(self, values: tuple[int, ...], thing: ObjectTruth) -> bool:
        """Is this a point of it, well inside, and as near its middle as any that is?"""
        if len(values) != 2 or not self.visible(thing):
            return False
        if self._drawn is None:
            return values == thing.point
        if self.at(values) is not thing:
            return False
        rows, columns = self._cells[thing.name]
        pixels = self.truth.pixels
        across, down = 1000 / pixels.width, 1000 / pixels.height
        # Near and deep are measured in the map's own pixels, to about one of them: the point may be of a finer picture.
        depth = _depth(rows, columns)
        row, column = self._pixel(values)
        here = (rows == row) & (columns == column)
        away = math.hypot(values[0] / across - 0.5 - columns.mean(), values[1] / down - 0.5 - rows.mean())
        surely = depth >= min(depth.max(), DEEP * depth.max() + 1.0)
        least = float(np.hypot(columns - columns.mean(), rows - rows.mean())[surely].min())
        return bool(depth[here].max() >= DEEP * depth.max() - 1.0) and away <= least + 1.5

    def touches(self, values: tuple[int, ...], thing: ObjectTruth) -> bool:
        """Does the point lie on it, to two pixels of the map?"""
        if len(values) != 2 or not self.visible(thing):
            return False
        if self._drawn is None:
            return thing.grasp_point == values or thing.point == values
        rows, columns = self._cells[thing.name]
        across, down = 1000 / self.truth.pixels.width, 1000 / self.truth.pixels.height
        return bool((np.hypot(columns + 0.5 - values[0] / across, rows + 0.5 - values[1] / down) <= 2.2).any())

    def bare(self, values: tuple[int, ...], radius: float = 20.0) -> bool:
        """Is everything within `radius` thousandths of the point surface?"""
        pixels, drawn = self.truth.pixels, self._drawn
        if drawn is None or len(values) != 2 or SURFACE not in pixels.names:
            return False
        across, down = 1000 / pixels.width, 1000 / pixels.height
        rows, columns = np.indices(drawn.shape)
        near = np.hypot((columns + 0.5) * across - values[0], (rows + 0.5) * down - values[1]) <= max(radius, across, down)
        return bool(near.any() and (drawn[near] == pixels.names.index(SURFACE)).all())

    def bordered(self, thing: ObjectTruth) -> bool:
        """Does something other than surface and background border on it in the picture?"""
        if self._drawn is None:
            return True
        rows, columns = self._cells[thing.name]
        height, width = self._drawn.shape
        around = set()
        for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            r, c = rows + down, columns + right
            inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
            around |= set(np.unique(self._drawn[r[inside], c[inside]]).tolist())
        return any(self.truth.pixels.names[value] not in (thing.name, SURFACE, "") for value in around)

    def lies_on(self, thing: ObjectTruth, other: ObjectTruth) -> bool:
        """By where they are and how large: its underside is above the other's and no higher than its top, and its middle over it."""
        if thing.held or other.held:
            return False
        if thing.size is None or other.size is None:
            return thing.support == other.name
        underside = thing.position[2] - thing.size[2] / 2
        bottom, top = other.position[2] - other.size[2] / 2, other.position[2] + other.size[2] / 2
        aside = math.dist(thing.position[:2], other.position[:2])
        return bottom + 0.0015 < underside < top + 0.02 and aside <= max(other.size[:2]) * 0.75

    def held(self) -> list[ObjectTruth]:
        return [thing for thing in self.truth.objects if thing.held]


def _depth(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Distance (n,) of each pixel of a thing to the nearest that is not of it; beyond the picture's edge nothing is."""
    own = set(zip(rows.tolist(), columns.tolist(), strict=True))
    beside = [(row + down, column + right) for row, column in own for down in (-1, 0, 1) for right in (-1, 0, 1)]
    around = np.array(sorted(set(beside) - own))
    return np.min([np.hypot(rows - row, columns - column) for row, column in around], axis=0)
