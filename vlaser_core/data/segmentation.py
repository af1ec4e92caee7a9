"""Boxes, points and visible fractions of things, measured on a picture of which each pixel says what it shows."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from vlaser_core.data.truth import Box, Point

_DEEP = 0.7


def region(values: np.ndarray, value: int) -> tuple[Box | None, Point | None]:
    """Tight box of the pixels (h, w) that are `value`, and a point well inside of them, in thousandths; None without any.

    Of what a gripper hides in the middle, the pixel nearest to the middle would lie on an edge, and whoever points there
    with a pixel's error points at the gripper. So: of the pixels that are at least _DEEP as far from an edge as the one that is
    farthest, the nearest to the middle.
    """
    height, width = values.shape
    rows, columns = np.nonzero(values == value)
    if not len(rows):
        return None, None
    across, down = 1000 / width, 1000 / height
    box = round(columns.min() * across), round(rows.min() * down), round((columns.max() + 1) * across), round((rows.max() + 1) * down)
    left, top = columns.min(), rows.min()
    # A border of its own, so that the picture's edge is an edge too.
    part = np.pad((values[top : rows.max() + 1, left : columns.max() + 1] == value).astype(np.uint8), 1)
    depth = cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_5)[rows - top + 1, columns - left + 1]
    away = (columns - columns.mean()) ** 2 + (rows - rows.mean()) ** 2
    chosen = np.argmin(np.where(depth >= _DEEP * depth.max(), away, np.inf))
    return box, (round((columns[chosen] + 0.5) * across), round((rows[chosen] + 0.5) * down))


def shows(values: np.ndarray, point: Point, value: int) -> bool:
    """Does the pixel at a point in thousandths show `value`?"""
    height, width = values.shape
    return bool(values[min(height - 1, point[1] * height // 1000), min(width - 1, point[0] * width // 1000)] == value)


def visible_fraction(values: np.ndarray, value: int, plain: int, alone: Callable[[], int]) -> float:
    """Visible pixels of an object over those it would show alone, 0 … 1.

    plain: values up to it are background and hide nothing. alone: how many pixels it would cover were nothing before it; only
    called where something that might hide a part borders on it.
    """
    visible = (values == value).astype(np.uint8)
    if not visible.any():
        return 0.0
    beside = cv2.dilate(visible, np.ones((3, 3), np.uint8)) > visible
    if (values[beside] <= plain).all():
        return 1.0
    return round(min(1.0, int(np.count_nonzero(visible)) / max(1, alone())), 4)
