"""Where a point of the base frame appears in a camera's picture: the pinhole of a calibrated `Camera`.

The camera body is x forward, y left, z up; pixels have their origin top left, x right, y down. No distortion. Any
picture size shows the same field of view (pixels need not be square), so a small picture is the large one scaled.
"""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Camera
from vlaser_core.errors import ConfigError
from vlaser_core.geometry import matrix_from_quaternion

_CALIBRATION = ("fov_y_deg", "position", "orientation_xyzw")


def uncalibrated(camera: Camera) -> str:
    """What the contract lacks to project into this camera's picture, in words; empty where it lacks nothing."""
    missing = [name for name in _CALIBRATION if getattr(camera, name) is None]
    return f"camera {camera.name!r} cannot project: its contract lacks {', '.join(missing)}" if missing else ""


class Pinhole:
    """Projection of one calibrated `Camera`. Raises ConfigError when the contract gives no pose or field of view."""

    def __init__(self, camera: Camera) -> None:
        if lack := uncalibrated(camera):
            raise ConfigError(lack)
        self.camera = camera
        self.position = np.array(camera.position)
        self.rotation = matrix_from_quaternion(np.array(camera.orientation_xyzw))
        self.half_height = float(np.tan(np.radians(camera.fov_y_deg) / 2))
        self.half_width = self.half_height * camera.width / camera.height

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Picture coordinates (…, 2) in 0…1 (right, down) and depth (…) in metres of points (…, 3) in the base frame.

        Points at or behind the camera (depth ≤ 0) have coordinates that mean nothing.
        """
        body = (np.asarray(points, dtype=float) - self.position) @ self.rotation
        depth = body[..., 0]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        right = -body[..., 1] / safe / self.half_width
        down = -body[..., 2] / safe / self.half_height
        return np.stack([(right + 1) / 2, (down + 1) / 2], axis=-1), depth


def project(camera: Camera, points: np.ndarray, width: int | None = None, height: int | None = None) -> np.ndarray:
    """Pixel coordinates (n, 2) of points (n, 3), metres in the base frame, in a picture of width × height pixels.

    The size is the camera's own by default; another size shows the same field of view, stretched if need be. A point
    behind the camera gives NaN; one outside the picture gives coordinates outside it. Raises ConfigError for a camera
    whose contract states no pose or field of view.
    """
    shares, depth = Pinhole(camera).project(np.atleast_2d(np.asarray(points, dtype=float)))
    shares[~(depth > 1e-9)] = np.nan
    return shares * (width or camera.width, height or camera.height)


def inside(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Which of pixels (n, 2) lie in the picture (n,); NaN does not."""
    with np.errstate(invalid="ignore"):
        return (pixels[:, 0] >= 0) & (pixels[:, 0] < width) & (pixels[:, 1] >= 0) & (pixels[:, 1] < height)
