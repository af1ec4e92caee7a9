"""Boxes, points, paths and captions on an RGB picture, antialiased and legible on any background.

Coordinates are pixels of the picture that is drawn on; to draw on an enlarged picture, scale them. Every function
draws in place on uint8 (H, W, 3) and returns the picture; `annotated` works on a copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from vlaser_core.errors import InputError
from vlaser_core.reasoning.parse import parse_boxes, parse_points
from vlaser_core.reasoning.types import SCALE, Grounding

Colour = tuple[int, int, int]
GREEN: Colour = (64, 224, 96)
ORANGE: Colour = (255, 150, 30)
BLUE: Colour = (60, 140, 255)
WHITE: Colour = (255, 255, 255)
DARK: Colour = (18, 20, 24)
RED: Colour = (255, 70, 60)
_SHIFT = 4  # OpenCV takes sub-pixel coordinates as integers with this many binary places
_FARTHEST = 1e6  # pixels; OpenCV's own integers end not far beyond
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def check_canvas(image: np.ndarray) -> np.ndarray:
    """`image` if it can be drawn on. Raises InputError otherwise."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"drawing needs an RGB uint8 picture (height, width, 3), got {got}")
    return image


def _thickness(image: np.ndarray) -> int:
    return max(1, round(min(image.shape[:2]) / 240))


def _fixed(x: float, y: float) -> tuple[int, int]:
    return round(x * 2**_SHIFT), round(y * 2**_SHIFT)


def draw_label(image: np.ndarray, text: str, x: float, y: float, colour: Colour = WHITE, size: float = 1.0) -> np.ndarray:
    """`text` on a dark plate whose bottom-left corner is at (x, y), moved to stay inside the picture."""
    check_canvas(image)
    # OpenCV's own fonts hold ASCII only; other letters would come out as question marks byte by byte.
    text = text.encode("ascii", "replace").decode()
    scale, thick = size * max(0.35, min(image.shape[:2]) / 720 * 0.8), max(1, round(size * _thickness(image) / 2))
    (width, height), below = cv2.getTextSize(text, _FONT, scale, thick)
    pad = max(2, height // 4)
    left = int(np.clip(x, 0, max(0, image.shape[1] - width - 2 * pad)))
    bottom = int(np.clip(y, height + below + 2 * pad, image.shape[0]))
    top = bottom - height - below - 2 * pad
    plate = image[top:bottom, left : left + width + 2 * pad]
    plate[:] = (plate * 0.25 + np.array(DARK) * 0.75).astype(np.uint8)
    cv2.putText(image, text, (left + pad, bottom - pad - below), _FONT, scale, colour, thick, cv2.LINE_AA)
    return image


def draw_box(image: np.ndarray, box: Sequence[float], label: str = "", colour: Colour = GREEN) -> np.ndarray:
    """A box x1, y1, x2, y2 with its label above."""
    check_canvas(image)
    x1, y1, x2, y2 = box
    for shade, extra in ((DARK, 2), (colour, 0)):
        cv2.rectangle(image, _fixed(x1, y1), _fixed(x2, y2), shade, 2 * _thickness(image) - 1 + extra, cv2.LINE_AA, _SHIFT)
    if label:
        draw_label(image, label, x1, y1 - _thickness(image), colour)
    return image


def draw_point(image: np.ndarray, point: Sequence[float], label: str = "", colour: Colour = GREEN) -> np.ndarray:
    """A point x, y as a ringed dot."""
    check_canvas(image)
    unit = _thickness(image)
    for shade, radius in ((DARK, 4.5), (WHITE, 3.7), (colour, 2.6)):
        cv2.circle(image, _fixed(*point), round(radius * unit * 2**_SHIFT), shade, -1, cv2.LINE_AA, _SHIFT)
    if label:
        draw_label(image, label, point[0] + 6 * unit, point[1] - 4 * unit, colour)
    return image


def draw_path(image: np.ndarray, pixels: np.ndarray, colour: Colour | Sequence[Colour] = ORANGE) -> np.ndarray:
    """A path (n, 2) from its start to an open ring at its end, with a dot a step. colour: one, or one a point.

    The line is broken where a point is NaN, or so far outside that no picture shows it.
    """
    check_canvas(image)
    pixels = np.asarray(pixels, dtype=float).reshape(-1, 2)
    colours = [colour] * len(pixels) if isinstance(colour[0], int) else list(colour)
    unit = _thickness(image)
    with np.errstate(invalid="ignore"):
        known = (np.abs(pixels) < _FARTHEST).all(axis=1)
    for shade, extra in ((DARK, 2), (None, 0)):
        for end in np.flatnonzero(known[:-1] & known[1:]) + 1:
            cv2.line(image, _fixed(*pixels[end - 1]), _fixed(*pixels[end]), shade or colours[end], unit + extra, cv2.LINE_AA, _SHIFT)
    for index in np.flatnonzero(known):
        last = index == len(pixels) - 1
        radius = round((3.5 if last else 1.8) * unit * 2**_SHIFT)
        cv2.circle(image, _fixed(*pixels[index]), radius, DARK if last else colours[index], unit + 2 if last else -1, cv2.LINE_AA, _SHIFT)
        if last:
            cv2.circle(image, _fixed(*pixels[index]), radius, colours[index], unit, cv2.LINE_AA, _SHIFT)
    return image


def draw_grounding(image: np.ndarray, grounding: Grounding, colour: Colour = GREEN) -> np.ndarray:
    """Boxes and points of `grounding`, scaled from the picture it was found in to this one."""
    check_canvas(image)
    scale_x, scale_y = image.shape[1] / grounding.width, image.shape[0] / grounding.height
    scores = grounding.scores or (None,) * len(grounding.labels)
    names = [
        label if score is None or not np.isfinite(score) else f"{label} {score:.2f}"
        for label, score in zip(grounding.labels, scores, strict=True)
    ]
    for box, name in zip(grounding.boxes_px(), names, strict=False):
        draw_box(image, (box[0] * scale_x, box[1] * scale_y, box[2] * scale_x, box[3] * scale_y), name, colour)
    for (x, y), name in zip(grounding.points_px(), names[len(grounding.boxes) :], strict=True):
        # A box already carries the name; a point beside it needs none.
        draw_point(image, (x * scale_x, y * scale_y), "" if grounding.boxes else name, colour)
    return image


def draw_stated(image: np.ndarray, text: str, colour: Colour = GREEN) -> np.ndarray:
    """Boxes and points that a text states in Vlaser's notation, 0…1000 of the picture."""
    height, width = check_canvas(image).shape[:2]
    size = np.array([width, height]) / SCALE
    for box in parse_boxes(text)[0]:
        draw_box(image, (np.reshape(box, (2, 2)) * size).ravel(), colour=colour)
    for point in parse_points(text)[0]:
        draw_point(image, np.array(point) * size, colour=colour)
    return image


def enlarged(image: np.ndarray, times: int) -> np.ndarray:
    """A copy of the picture, a whole number of times as large."""
    return cv2.resize(check_canvas(image), None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC) if times > 1 else check_canvas(image).copy()


def annotated(image: np.ndarray, groundings: Sequence[Grounding] = (), caption: str = "", enlarge: int = 1) -> np.ndarray:
    """A copy of `image`, `enlarge` times as large, with what was found and a caption along the bottom."""
    canvas = enlarged(image, enlarge)
    for grounding in groundings:
        draw_grounding(canvas, grounding)
    if caption:
        draw_label(canvas, caption, 0, canvas.shape[0])
    return canvas
