"""The fixed camera as a pinhole: pixels to rays, points to pixels, and where each pixel meets the table.

Any picture size shows the same field of view (pixels need not be square), so a small picture is the large one scaled.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vlaser_core.embodiment import Camera
from vlaser_core.errors import ConfigError
from vlaser_core.geometry import matrix_from_quaternion


class View:
    """Projection of one calibrated `Camera`. Raises ConfigError when the contract gives no pose or field of view."""

    def __init__(self, camera: Camera) -> None:
        if camera.fov_y_deg is None or camera.position is None or camera.orientation_xyzw is None:
            raise ConfigError(f"camera {camera.name!r} needs fov_y_deg, position and orientation_xyzw to be simulated")
        self.camera = camera
        self.position = np.array(camera.position)
        self.rotation = matrix_from_quaternion(np.array(camera.orientation_xyzw))
        self.half_height = float(np.tan(np.radians(camera.fov_y_deg) / 2))
        self.half_width = self.half_height * camera.width / camera.height

    @lru_cache(maxsize=8)  # noqa: B019 - a view lives as long as its world, and sizes are few
    def rays(self, width: int, height: int) -> np.ndarray:
        """Directions (height, width, 3) in the base frame through the pixel centres, of unit depth along the axis."""
        right = ((np.arange(width) + 0.5) / width * 2 - 1) * self.half_width
        down = ((np.arange(height) + 0.5) / height * 2 - 1) * self.half_height
        body = np.stack(np.broadcast_arrays(1.0, -right[None, :], -down[:, None]), axis=-1)
        return body @ self.rotation.T

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Picture coordinates (…, 2) in 0…1 (right, down) and depth (…) in metres of points (…, 3) in the base frame."""
        body = (np.asarray(points, dtype=float) - self.position) @ self.rotation
        depth = body[..., 0]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        right = -body[..., 1] / safe / self.half_width
        down = -body[..., 2] / safe / self.half_height
        return np.stack([(right + 1) / 2, (down + 1) / 2], axis=-1), depth

    def plane_depth(self, width: int, height: int, z: float) -> np.ndarray:
        """Depth (height, width) in metres at which each pixel meets the horizontal plane at `z`; inf above the horizon."""
        slope = self.rays(width, height)[..., 2]
        return np.where(slope < -1e-9, (z - self.position[2]) / np.minimum(slope, -1e-9), np.inf)

    def table_points(self, width: int, height: int) -> np.ndarray:
        """Points (height, width, 2) where the pixels meet the table's plane, metres; NaN above the horizon."""
        depth = self.plane_depth(width, height, 0.0)
        return np.where(np.isfinite(depth), 1.0, np.nan)[..., None] * (self.position[:2] + np.where(np.isfinite(depth), depth, 0)[..., None] * self.rays(width, height)[..., :2])
