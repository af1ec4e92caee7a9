"""Orders in the picture and in depth that nobody would dispute: by margins, and only where point and box agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from vlaser_core.data.truth import ObjectTruth

IMAGE_MARGIN = 25  # of 1000: closer together than this, left and right are a matter of taste
EDGE_MARGIN = 12
METRE_MARGIN = 0.015
DEPTH_MARGIN = 0.03  # share of the distance from the camera


def stacked(one: ObjectTruth, other: ObjectTruth) -> bool:
    """Does one rest on the other? Then nobody would say that one is beside, behind or nearer than the other."""
    return one.support == other.name or other.support == one.name


def centre(thing: ObjectTruth, axis: int) -> float:
    """Middle of the box along x (axis 0) or y (1)."""
    return (thing.box[axis] + thing.box[axis + 2]) / 2


def before(one: ObjectTruth, other: ObjectTruth, axis: int) -> bool | None:
    """Is `one` left of (axis 0) or above (1) `other`? None when too close, or when points and boxes say different things."""
    point, box = other.point[axis] - one.point[axis], centre(other, axis) - centre(one, axis)
    if min(abs(point), abs(box)) < IMAGE_MARGIN or (point > 0) != (box > 0):
        return None
    return point > 0


def in_order(things: Sequence[ObjectTruth], axis: int) -> list[ObjectTruth] | None:
    """Left to right (axis 0) or top to bottom (1); None without any, or when two neighbours cannot be told."""
    ordered = sorted(things, key=lambda thing: thing.point[axis])
    told = all(before(one, other, axis) for one, other in pairwise(ordered))
    return ordered if ordered and told else None


def outermost(things: Sequence[ObjectTruth], axis: int, far: bool) -> ObjectTruth | None:
    """The object farthest left or up (right or down with `far`), by its middle and by its edge; None when another comes close to it."""
    first, *others = sorted(things, key=lambda thing: thing.point[axis], reverse=far)
    for other in others:
        ahead = other.box[axis] - first.box[axis] if not far else first.box[axis + 2] - other.box[axis + 2]
        if ahead < EDGE_MARGIN or not (before(other, first, axis) if far else before(first, other, axis)):
            return None
    return first


def by_distance(
    things: Sequence[ObjectTruth], distance: Callable[[ObjectTruth], float], margin: Callable[[float], float]
) -> list[ObjectTruth] | None:
    """Nearest first; None when two neighbours are closer together than `margin` of the nearer one's distance."""
    ordered = sorted(things, key=distance)
    told = all(distance(other) - distance(one) >= margin(distance(one)) for one, other in pairwise(ordered))
    return ordered if ordered and told else None
