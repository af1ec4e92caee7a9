"""COCO run-length masks: their box, whether a point lies in them, and a point well inside."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from pycocotools import mask as codec

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.sources.regions import as_point
from vlaser_core.data.truth import Point

Rle = dict


def as_rle(segmentation: object, height: int, width: int) -> Rle:
    """A compressed run-length mask from COCO's forms: compressed, plain counts, or polygons. Raises Damaged."""
    try:
        if isinstance(segmentation, list):
            if not segmentation:
                raise ValueError("no polygon")
            rle = codec.merge(codec.frPyObjects(segmentation, height, width))
        elif isinstance(segmentation, dict):
            size = [int(value) for value in segmentation["size"]]
            if size != [height, width]:
                raise ValueError(f"mask of {size}, picture of {[height, width]}")
            counts = segmentation["counts"]
            if isinstance(counts, list):
                if sum(counts) != height * width or min(counts, default=0) < 0:
                    raise ValueError("counts do not add up to the picture")
                rle = codec.frPyObjects({"size": size, "counts": counts}, height, width)
            else:
                rle = {"size": size, "counts": counts.encode("ascii") if isinstance(counts, str) else bytes(counts)}
                if sum(runs_of(rle["counts"])) != height * width:  # the codec trusts them, and would write past its picture
                    raise ValueError("counts do not add up to the picture")
        else:
            raise ValueError(f"segmentation is {type(segmentation).__name__}")
    except Exception as error:  # the codec raises bare Exception for shapes it does not know
        raise Damaged("mask cannot be decoded", str(error)) from error
    if codec.area(rle) <= 0:
        raise Damaged("mask is empty")
    return rle


def runs_of(counts: bytes) -> list[int]:
    """The lengths of a mask's runs, outside and inside in turn, column by column. Raises ValueError.

    Each count is groups of five bits, low first, in characters from '0'; bit 32 says more follow; from the third on a
    count is the difference to the one two before.
    """
    runs: list[int] = []
    value = shift = 0
    for byte in counts:
        group = byte - 48
        if not 0 <= group < 64:
            raise ValueError("a character that is no count")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        if runs[-1] < 0:
            raise ValueError("a negative count")
        value = shift = 0
    if shift:
        raise ValueError("counts are cut off")
    return runs


def box_of(rle: Rle) -> tuple[float, float, float, float]:
    """Corners (x1, y1, x2, y2) in pixels, the far ones past the last pixel."""
    x, y, width, height = (float(value) for value in codec.toBbox(rle))
    return x, y, x + width, y + height


def covers(rles: Sequence[Rle], x: int, y: int) -> np.ndarray:
    """Which masks hold the pixel (x, y): bool (n,)."""
    height, width = rles[0]["size"]
    before = x * height + y
    after = height * width - before - 1
    pixel = codec.frPyObjects({"size": [height, width], "counts": [before, 1, after]}, height, width)
    return np.asarray(codec.iou([pixel], list(rles), [1] * len(rles)))[0] > 0


def inner_point(rle: Rle) -> tuple[int, int]:
    """The pixel (x, y) of the mask that is farthest from its edge."""
    x1, y1, x2, y2 = (int(value) for value in box_of(rle))
    runs, (height, width) = runs_of(rle["counts"]), rle["size"]
    mask = np.repeat(np.arange(len(runs), dtype=np.uint8) % 2, runs).reshape(width, height).T
    part = np.pad(mask[y1:y2, x1:x2], 1)
    depth = cv2.distanceTransform(part, cv2.DIST_L2, 3)
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return x1 + int(column) - 1, y1 + int(row) - 1


def told_point(rle: Rle) -> tuple[Point, tuple[int, int]] | None:
    """`inner_point` in thousandths, and the pixel that those stand for; None where rounding leaves the mask."""
    height, width = rle["size"]
    x, y = inner_point(rle)
    point = as_point(x + 0.5, y + 0.5, width, height)
    pixel = min(int(point[0] * width / 1000), width - 1), min(int(point[1] * height / 1000), height - 1)
    return (point, pixel) if covers([rle], *pixel)[0] else None
