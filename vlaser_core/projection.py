"""Where a point of the base frame appears in a camera's picture: the pinhole of a calibrated `Camera`.

The camera body is x forward, y left, z up; pixels have their origin top left, x right, y down. No distortion.
"""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Camera
from vlaser_core.errors import ConfigError
from vlaser_core.geometry import matrix_from_quaternion


def project(camera: Camera, points: np.ndarray, width: int | None = None, height: int | None = None) -> np.ndarray:
    """Pixel coordinates (n, 2) of points (n, 3), metres in the base frame, in a picture of width × height pixels.

    The size is the camera's own by default; another size shows the same field of view, stretched if need be. A point
    behind the camera gives NaN; one outside the picture gives coordinates outside it. Raises ConfigError for a camera
    whose contract states no pose or field of view.
    """
    missing = [name for name in ("fov_y_deg", "position", "orientation_xyzw") if getattr(camera, name) is None]
    if missing:
        raise ConfigError(f"camera {camera.name!r} cannot project: its contract lacks {', '.join(missing)}")
    width, height = width or camera.width, height or camera.height
    rotation = matrix_from_quaternion(np.array(camera.orientation_xyzw))
    forward, left, up = ((np.atleast_2d(np.asarray(points, dtype=float)) - np.array(camera.position)) @ rotation).T
    depth = np.where(forward > 1e-9, forward, np.nan)
    half_height = np.tan(np.radians(camera.fov_y_deg) / 2)
    half_width = half_height * camera.width / camera.height
    return np.stack([(1 - left / depth / half_width) / 2 * width, (1 - up / depth / half_height) / 2 * height], axis=1)


def inside(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Which of pixels (n, 2) lie in the picture (n,); NaN does not."""
    with np.errstate(invalid="ignore"):
        return (pixels[:, 0] >= 0) & (pixels[:, 0] < width) & (pixels[:, 1] >= 0) & (pixels[:, 1] < height)
