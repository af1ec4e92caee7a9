"""Films and drawings for reports."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import cv2
import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.processing.path import grasp_path, grasp_points_of_proprio
from vlaser_core.projection import project, uncalibrated
from vlaser_core.reasoning.draw import GREEN, ORANGE, draw_path, draw_point
from vlaser_core.types import ActionChunk, Observation

SPEED = 2.0  # times real time, of a reel


def film(frames: Sequence[np.ndarray], rate: float) -> bytes:
    """An MP4 (H.264) of RGB uint8 frames (H, W, 3), all of one size, `rate` a second; an odd row or column is cut off. Raises InputError for no frame."""
    if not frames:
        raise InputError("a film has at least one frame")
    height, width = (size // 2 * 2 for size in frames[0].shape[:2])
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000), options={"crf": "24", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


class Reel:
    """What a policy saw at each of its chunks, and where the chunk led the first arm's grasp point, as a film."""

    def __init__(self, embodiment: Embodiment, executed_steps: int) -> None:
        self._embodiment, self._steps, self._rate = embodiment, executed_steps, 1.0
        self._frames: list[np.ndarray] = []

    def add(self, observation: Observation, chunk: ActionChunk | None = None) -> None:
        """The next view, and the chunk that was made of it; None: where it ended."""
        camera = self._embodiment.cameras[0]
        canvas = observation.images[camera.name].copy()
        if chunk is None:
            self._frames += [canvas] * 2
            return
        if not uncalibrated(camera):
            start = grasp_points_of_proprio(self._embodiment, observation.proprio)
            path = grasp_path(self._embodiment, start, chunk.actions[: self._steps])
            draw_path(canvas, project(camera, path[:, 0], canvas.shape[1], canvas.shape[0]))
        self._frames.append(canvas)
        self._rate = SPEED / (self._steps * chunk.dt)

    def film(self) -> bytes:
        """MP4, at SPEED times real time. Raises InputError where nothing was added."""
        return film(self._frames, self._rate)


def pointed(picture: np.ndarray, points: Sequence[tuple[float, float]], mask: np.ndarray | None = None, targets: Sequence[tuple[float, float]] = ()) -> np.ndarray:
    """A copy of an RGB picture with what an answer points to (orange), where it should (green): a mask's outline, or points. All 0…1 of the picture."""
    scale = max(1.0, 320 / picture.shape[1])
    canvas = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale > 1 else picture.copy()
    height, width = canvas.shape[:2]
    if mask is not None:
        inside = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        outline, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for shade, thick in (((18, 20, 24), 4), (GREEN, 2)):
            cv2.drawContours(canvas, outline, -1, shade, thick, cv2.LINE_AA)
    for x, y in targets:
        draw_point(canvas, (x * width, y * height), colour=GREEN)
    for x, y in points:
        if 0 <= x <= 1 and 0 <= y <= 1:
            draw_point(canvas, (x * width, y * height), colour=ORANGE)
    return canvas
