"""Shadows on the table, the same under every renderer, at a fraction of a shadow map's cost.

Each moving geom is a convex hull; the lamp projects its corners onto the table, where the hulls are filled into a
bird's-eye mask. As camera and table are fixed, the mask is looked up per pixel. What lies flat on the table receives it too.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import mujoco
import numpy as np

from sim_bridge.tabletop.scene import GROUP_ARM, GROUP_BASE, GROUP_MORE, GROUP_SOURCE, GROUP_TARGET, TABLE_CENTRE, TABLE_HALF
from sim_bridge.tabletop.view import View

RECEIVING_HEIGHT = 0.0095  # metres above the table up to which a surface shows the table's shadow
DARKNESS = 0.45
_CELL = 0.0025  # metres of the bird's-eye mask
_FIRST = np.array([0.0, -0.6])
_SHAPE = (int(1.2 / _CELL), int((TABLE_CENTRE[0] + TABLE_HALF[0]) / _CELL))  # rows along y, columns along x; ends at the table's edge
_SUBPIXEL = 4

_CUBE = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
_CIRCLE = np.array([(np.cos(a), np.sin(a)) for a in np.linspace(0, 2 * np.pi, 10, endpoint=False)])
_BALL = np.array([(np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)) for a in np.linspace(0, 2 * np.pi, 8, endpoint=False) for b in (-1.1, -0.4, 0.4, 1.1)])


def _hull(kind: int, size: np.ndarray) -> np.ndarray:
    radius, half = size[0], size[1]
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return _CUBE * size
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return np.concatenate([np.column_stack([_CIRCLE * radius, np.full(10, sign * half)]) for sign in (-1, 1)])
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return np.concatenate([_BALL * radius + (0, 0, sign * half) for sign in (-1, 1)])
    if kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        return _BALL * size
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return _BALL * radius
    raise ValueError(f"no shadow hull for geom type {kind}; use box, cylinder, capsule, ellipsoid or sphere")


class Shadows:
    """Table shadows of one model, seen through one view."""

    def __init__(self, model: mujoco.MjModel, view: View) -> None:
        self._model, self._view = model, view
        casting = np.isin(model.geom_group, (GROUP_ARM, GROUP_SOURCE, GROUP_TARGET, GROUP_BASE, GROUP_MORE))
        self._geoms = np.flatnonzero(casting)
        hulls = [_hull(model.geom_type[g], model.geom_size[g]) for g in self._geoms]
        self._ends = np.cumsum([len(hull) for hull in hulls])
        self._owner = np.repeat(self._geoms, [len(hull) for hull in hulls])
        self._corners = np.concatenate(hulls)

    def birdseye(self, data: mujoco.MjData) -> np.ndarray:
        """Mask (rows along y, columns along x) uint8 0…255 of the shadowed table."""
        lamp = self._model.light_pos[0]
        world = data.geom_xpos[self._owner] + np.einsum("nij,nj->ni", data.geom_xmat[self._owner].reshape(-1, 3, 3), self._corners)
        scale = lamp[2] / np.maximum(lamp[2] - world[:, 2], 0.2)
        cells = (lamp[:2] + (world[:, :2] - lamp[:2]) * scale[:, None] - _FIRST) / _CELL
        points = np.round(cells * 2**_SUBPIXEL).astype(np.int32)
        mask = np.zeros(_SHAPE, np.uint8)
        start = 0
        for end in self._ends:
            cv2.fillConvexPoly(mask, cv2.convexHull(points[start:end]), 255, cv2.LINE_8, _SUBPIXEL)
            start = end
        return cv2.blur(mask, (5, 5))

    @lru_cache(maxsize=8)  # noqa: B019 - lives as long as its renderer
    def _lookup(self, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        cells = np.nan_to_num((self._view.table_points(width, height) - _FIRST) / _CELL - 0.5, nan=-1e4)
        return cv2.convertMaps(cells[..., 0].astype(np.float32), cells[..., 1].astype(np.float32), cv2.CV_16SC2)

    def darken(self, picture: np.ndarray, receives: np.ndarray, data: mujoco.MjData) -> np.ndarray:
        """`picture` (h, w, 3) uint8 with its shadows, where `receives` (h, w) bool says the surface is flat on the table."""
        height, width = receives.shape
        mask = cv2.remap(self.birdseye(data), *self._lookup(width, height), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        light = 255 - (mask * receives * DARKNESS).astype(np.uint8)
        return cv2.multiply(picture, cv2.merge([light, light, light]), scale=1 / 255)
