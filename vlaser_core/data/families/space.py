"""Free spots on what things stand on, read off the picture's own pixels."""

from __future__ import annotations

import cv2
import numpy as np

from vlaser_core.data.families.ordering import before
from vlaser_core.data.phrasing import Scene, Turn, ask, point_text
from vlaser_core.data.truth import SURFACE, PixelMap, Point

CLEARANCE = 30  # of 1000: a free spot has this much free surface around it
BESIDE = 250  # of 1000: farther away than this, a spot is no longer beside a thing


def _clearance(pixels: PixelMap) -> np.ndarray:
    """Distance (height, width), in thousandths of the picture, from each pixel to the nearest that is not surface."""
    free = pixels.values() == pixels.names.index(SURFACE)
    padded = np.pad(free.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return distance * (1000 / max(pixels.width, pixels.height))


def _best(pixels: PixelMap, allowed: np.ndarray | None = None) -> Point | None:
    """The pixel with most room around it, None where none has enough."""
    room = _clearance(pixels)
    if allowed is not None:
        room = np.where(allowed, room, 0)
    row, column = np.unravel_index(int(room.argmax()), room.shape)
    if room[row, column] < CLEARANCE:
        return None
    return round((column + 0.5) * 1000 / pixels.width), round((row + 0.5) * 1000 / pixels.height)


def _grid(pixels: PixelMap) -> tuple[np.ndarray, np.ndarray]:
    columns = (np.arange(pixels.width) + 0.5) * 1000 / pixels.width
    rows = (np.arange(pixels.height) + 0.5) * 1000 / pixels.height
    return np.meshgrid(columns, rows)


def _pixels(scene: Scene) -> PixelMap | None:
    pixels = scene.truth.pixels
    return pixels if pixels is not None and SURFACE in pixels.names else None


def free_space(scene: Scene, rng: np.random.Generator) -> Turn | None:
    pixels = _pixels(scene)
    spot = None if pixels is None else _best(pixels)
    return None if spot is None else Turn("free_space", ask("free_space", rng, surface=scene.truth.surface), point_text(spot))


def free_beside(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """A free spot left or right of a thing, or between two."""
    pixels, things = _pixels(scene), scene.some(2, rng)
    if pixels is None or things is None:
        return None
    thing, other = things
    x, y = _grid(pixels)
    words = {"phrase": scene.phrase(thing, rng), "surface": scene.truth.surface}
    key = ("free_left", "free_right", "free_between")[rng.integers(3)]
    x1, y1, x2, y2 = thing.box
    if key == "free_between":
        if before(thing, other, 0) is None and before(thing, other, 1) is None:
            return None
        start = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
        way = np.array([(other.box[0] + other.box[2]) / 2, (other.box[1] + other.box[3]) / 2]) - start
        length = float(np.hypot(*way))
        along = ((x - start[0]) * way[0] + (y - start[1]) * way[1]) / length**2
        aside = np.abs((x - start[0]) * way[1] - (y - start[1]) * way[0]) / length
        allowed = (along > 0.35) & (along < 0.65) & (aside < 0.12 * length)
        words["other"] = scene.phrase(other, rng)
    else:
        gap = x1 - x if key == "free_left" else x - x2
        allowed = (gap > 20) & (gap < BESIDE) & (y > y1 - 40) & (y < y2 + 40)
    spot = _best(pixels, allowed)
    return None if spot is None else Turn("free_beside", ask(key, rng, **words), point_text(spot))
