"""A picture with what was found, or what was asked, drawn on it."""

from __future__ import annotations

import cv2
import numpy as np

from vlaser_core.reasoning.types import Grounding

GREEN, WHITE, BLACK = (40, 220, 60), (255, 255, 255), (0, 0, 0)


def _write(picture: np.ndarray, text: str, at: tuple[int, int]) -> None:
    for colour, thickness in ((BLACK, 3), (WHITE, 1)):
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, thickness, cv2.LINE_AA)


def annotate(pixels: np.ndarray, text: str, grounding: Grounding | None = None) -> np.ndarray:
    """A copy of RGB uint8 (h, w, 3) with a caption, boxes and points."""
    picture = np.ascontiguousarray(pixels.copy())
    if grounding is not None:
        for label, box in zip(grounding.labels, grounding.boxes_px(), strict=False):
            x1, y1, x2, y2 = (round(value) for value in box)
            cv2.rectangle(picture, (x1, y1), (x2, y2), GREEN, 2)
            _write(picture, label, (x1 + 2, max(12, y1 - 4)))
        for label, point in zip(grounding.labels[len(grounding.boxes) :], grounding.points_px(), strict=False):
            x, y = (round(value) for value in point)
            cv2.circle(picture, (x, y), 4, GREEN, -1, cv2.LINE_AA)
            _write(picture, label, (x + 6, y))
    # OpenCV's fonts are ASCII: other letters would come out as question marks one byte at a time.
    _write(picture, text.encode("ascii", "replace").decode(), (4, picture.shape[0] - 6))
    return picture
