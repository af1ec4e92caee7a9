"""The fixed camera's pinhole the other way round: pixels to rays, and where each pixel meets the table."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vlaser_core.projection import Pinhole


class View(Pinhole):
    """Projection of one calibrated `Camera`, both ways. Raises ConfigError when the contract gives no pose or field of view."""

    @lru_cache(maxsize=8)  # noqa: B019 - a view lives as long as its world, and sizes are few
    def rays(self, width: int, height: int) -> np.ndarray:
        """Directions (height, width, 3) in the base frame through the pixel centres, of unit depth along the axis."""
        right = ((np.arange(width) + 0.5) / width * 2 - 1) * self.half_width
        down = ((np.arange(height) + 0.5) / height * 2 - 1) * self.half_height
        body = np.stack(np.broadcast_arrays(1.0, -right[None, :], -down[:, None]), axis=-1)
        return body @ self.rotation.T

    def plane_depth(self, width: int, height: int, z: float) -> np.ndarray:
        """Depth (height, width) in metres at which each pixel meets the horizontal plane at `z`; inf above the horizon."""
        slope = self.rays(width, height)[..., 2]
        return np.where(slope < -1e-9, (z - self.position[2]) / np.minimum(slope, -1e-9), np.inf)

    def table_points(self, width: int, height: int) -> np.ndarray:
        """Points (height, width, 2) where the pixels meet the table's plane, metres; NaN above the horizon."""
        depth = self.plane_depth(width, height, 0.0)
        return np.where(np.isfinite(depth), 1.0, np.nan)[..., None] * (self.position[:2] + np.where(np.isfinite(depth), depth, 0)[..., None] * self.rays(width, height)[..., :2])
