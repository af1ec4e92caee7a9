"""Frames of a video file by their time, decoded forward from the key frame before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np

from vlaser_core.data.damaged import Damaged

_SEEK_GAP = 4.0  # seconds: a longer way forward is cheaper by a key frame than by decoding


def frames_at(path: Path, times: Sequence[float], tolerance: float) -> Iterator[np.ndarray]:
    """The frame nearest to each time (s, file's own clock, ascending), RGB uint8 (h, w, 3).

    tolerance: seconds a frame may be off. Raises Damaged where no frame is that near or the file cannot be read: a
    neighbouring frame is never given in its place.
    """
    if any(later < earlier for earlier, later in zip(times, times[1:], strict=False)):
        raise ValueError("times must ascend")
    try:
        with av.open(str(path)) as container:
            yield from _walk(container, path, times, tolerance)
    except (av.FFmpegError, OSError) as error:
        raise Damaged("video cannot be read", f"{path}: {error}") from error


def _walk(container: av.container.InputContainer, path: Path, times: Sequence[float], tolerance: float) -> Iterator[np.ndarray]:
    if not container.streams.video:
        raise Damaged("video cannot be read", f"{path} has no video stream")
    stream = container.streams.video[0]
    base = float(stream.time_base)
    decoded: Iterator[av.VideoFrame] = iter(())
    now: tuple[float, av.VideoFrame] | None = None
    ahead: tuple[float, av.VideoFrame] | None = None
    for time in times:
        if now is None or time - now[0] > _SEEK_GAP:
            container.seek(max(int((time - tolerance) / base), 0), stream=stream, backward=True)
            decoded, now, ahead = container.decode(stream), None, None
        while ahead is None or ahead[0] <= time:
            now = ahead or now
            frame = next(decoded, None)
            if frame is None:
                ahead = None
                break
            if frame.pts is not None:
                ahead = (frame.pts * base, frame)
        near = min((entry for entry in (now, ahead) if entry is not None), key=lambda entry: abs(entry[0] - time), default=None)
        if near is None or abs(near[0] - time) > tolerance:
            found = "none" if near is None else f"the nearest is at {near[0]:.4f} s"
            raise Damaged("no video frame at that time", f"{path} at {time:.4f} s: {found}")
        now = now or near
        yield near[1].to_ndarray(format="rgb24")
