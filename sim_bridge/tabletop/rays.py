"""Pictures by casting rays with MuJoCo itself: no GL, nothing to install. Lit by the same lamp and colours as the GL path.

Camera and ground stand still, so the ground is looked up and only pixels near something that moves cast a ray.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import mujoco
import numpy as np

from sim_bridge.tabletop.scene import FLOOR_Z, GROUP_GROUND, GROUPS, TABLE_CENTRE, TABLE_HALF, TEXTURE_SIDE, wood
from sim_bridge.tabletop.shadows import RECEIVING_HEIGHT, Shadows
from sim_bridge.tabletop.view import View

_MARGIN = 1.0  # pixels around the rectangle of a geom
_NEAR = 0.02  # metres of depth at which the view begins
_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b) in (1, 2, 4)])


class RayRenderer:
    """Draws one model with mj_multiRay; the same calls as `GlRenderer`."""

    name = "rays"

    def __init__(self, model: mujoco.MjModel, view: View) -> None:
        self._model, self._view = model, view
        self._shadows = Shadows(model, view)
        self._things = np.flatnonzero(model.geom_group != GROUP_GROUND)
        self._table, self._floor = model.geom("table").id, model.geom("floor").id
        materials = model.geom_matid
        own = np.where((materials >= 0)[:, None], model.mat_rgba[materials], model.geom_rgba)
        self._own_colour, self._coloured_by_geom = own[:, :3], materials < 0
        # MuJoCo draws geoms without a material with specular and shininess 0.5.
        self._specular = np.where(materials >= 0, model.mat_specular[materials], 0.5).astype(np.float32)
        self._shininess = (128 * np.where(materials >= 0, model.mat_shininess[materials], 0.5)).astype(np.float32)
        self._drawn_looks: tuple | None = None

    @lru_cache(maxsize=8)  # noqa: B019 - lives as long as its world
    def _ground(self, width: int, height: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Per pixel: which ground it shows (geom id), the lookup into the table's texture, and its depth (h · w) in metres."""
        local = (self._view.table_points(width, height) - TABLE_CENTRE) / TABLE_HALF
        on_table = (np.abs(local) <= 1).all(axis=-1)
        # As OpenGL wraps a finite plane: u along x, v along y from its top.
        texel = (np.stack([local[..., 0] + 1, 1 - local[..., 1]], axis=-1) / 2 * TEXTURE_SIDE - 0.5).astype(np.float32)
        texel = np.clip(np.nan_to_num(texel), -1, TEXTURE_SIDE)
        depth = np.where(on_table, self._view.plane_depth(width, height, 0.0), self._view.plane_depth(width, height, FLOOR_Z))
        return np.where(on_table, self._table, self._floor), cv2.convertMaps(texel[..., 0], texel[..., 1], cv2.CV_16SC2), depth.ravel()

    def _near(self, data: mujoco.MjData, width: int, height: int, geoms: np.ndarray) -> np.ndarray:
        """Pixels (h, w) bool on which any of `geoms` may show: the rectangles around their boxes."""
        box = self._model.geom_aabb[geoms]
        corners = box[:, None, :3] + _CORNERS * box[:, None, 3:]
        corners = data.geom_xpos[geoms][:, None] + corners @ data.geom_xmat[geoms].reshape(-1, 3, 3).transpose(0, 2, 1)
        _, depth = self._view.project(corners)
        # Edges that pass beside the camera are cut where they enter its view.
        ends, depths = corners[:, _EDGES], depth[:, _EDGES]
        share = np.clip((_NEAR - depths) / np.where(depths[..., ::-1] == depths, np.inf, depths[..., ::-1] - depths), 0, 1)
        cut = ends + np.where(depths < _NEAR, share, 0.0)[..., None] * (ends[:, :, ::-1] - ends)
        at, _ = self._view.project(cut.reshape(len(geoms), -1, 3))
        shown = depth.max(axis=1) > _NEAR
        low = np.floor(at[shown].min(axis=1) * (width, height) - _MARGIN)
        high = np.ceil(at[shown].max(axis=1) * (width, height) + _MARGIN)
        low, high = (np.clip(edge, 0, (width, height)).astype(int) for edge in (low, high))
        mask = np.zeros((height, width), bool)
        for (left, top), (right, bottom) in zip(low, high, strict=True):
            mask[top:bottom, left:right] = True
        return mask

    def _cast(self, data: mujoco.MjData, width: int, height: int, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For the pixels something is hit on: flat pixel index, geom, point (n, 3), normal (n, 3)."""
        chosen = self._things[groups[self._model.geom_group[self._things]] > 0]
        cast = np.flatnonzero(self._near(data, width, height, chosen))
        rays = self._view.rays(width, height).reshape(-1, 3)[cast]
        geoms, distance, normals = np.full(len(cast), -1, np.int32), np.full(len(cast), -1.0), np.zeros(3 * len(cast))
        mujoco.mj_multiRay(self._model, data, self._view.position, rays.ravel(), groups, 1, -1, geoms, distance, normals, len(cast), 10.0)
        hit = (geoms >= 0) & (distance <= self._ground(width, height)[2][cast])  # rays have unit depth
        return cast[hit], geoms[hit], self._view.position + distance[hit, None] * rays[hit], normals.reshape(-1, 3)[hit]

    def _light(self, points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What arrives at points (n, 3) with normals (n, 3): diffuse light (n, 3), and cosines (n,) of the lamp's glint, 0 unlit."""
        model, head = self._model, self._model.vis.headlight
        to_eye, to_lamp = _unit(self._view.position.astype(np.float32) - points), _unit(model.light_pos[0].astype(np.float32) - points)
        lamp = np.maximum(0, np.einsum("ij,ij->i", normals, to_lamp))
        facing = np.maximum(0, np.einsum("ij,ij->i", normals, to_eye))
        light = head.ambient.astype(np.float32) + facing[:, None] * head.diffuse + lamp[:, None] * model.light_diffuse[0].astype(np.float32)
        glint = np.maximum(0, np.einsum("ij,ij->i", normals, _unit(to_lamp + to_eye))) * (lamp > 0)
        return light, glint

    def _ground_light(self, width: int, height: int, z: float) -> np.ndarray:
        """Light (h, w, 3) on a horizontal plane; it changes slowly, so it is worked out on every eighth pixel."""
        columns, rows = -(-width // 8), -(-height // 8)
        depth = np.minimum(self._view.plane_depth(columns, rows, z), 50)
        points = (self._view.position + depth[..., None] * self._view.rays(columns, rows)).reshape(-1, 3).astype(np.float32)
        light, _ = self._light(points, np.broadcast_to(np.float32([0, 0, 1]), points.shape))
        return cv2.resize(light.astype(np.float32).reshape(rows, columns, 3), (width, height), interpolation=cv2.INTER_LINEAR)

    def _draw_ground(self, width: int, height: int) -> np.ndarray:
        """RGB uint8 (h, w, 3) of table and floor alone."""
        shown, lookup, _ = self._ground(width, height)
        model, material = self._model, int(self._model.geom_matid[self._table])  # the tables come first among the materials
        texture = cv2.remap(wood(material), *lookup, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        table = texture * (self._ground_light(width, height, 0.0) * model.mat_rgba[material, :3].astype(np.float32))
        floor = 255 * self._ground_light(width, height, FLOOR_Z) * model.mat_rgba[model.geom_matid[self._floor], :3].astype(np.float32)
        return np.clip(np.where((shown == self._table)[..., None], table, floor) + 0.5, 0, 255).astype(np.uint8)

    def picture(self, data: mujoco.MjData, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3)."""
        model = self._model
        looks = (width, height, model.light_pos[0].tobytes(), model.light_diffuse[0].tobytes(), model.mat_rgba.tobytes(), int(model.geom_matid[self._table]))
        if self._drawn_looks != looks:
            self._drawn_looks, self._drawn = looks, self._draw_ground(width, height)
        picture, receives = self._drawn.reshape(-1, 3).copy(), np.ones(width * height, bool)
        pixels, geoms, points, normals = self._cast(data, width, height, _groups(GROUPS[1:]))
        colour = np.where(self._coloured_by_geom[:, None], model.geom_rgba[:, :3], self._own_colour)[geoms].astype(np.float32)
        light, glint = self._light(points.astype(np.float32), normals.astype(np.float32))
        glint = self._specular[geoms] * glint ** self._shininess[geoms]
        shade = colour * light + glint[:, None] * model.light_specular[0].astype(np.float32)
        picture[pixels] = np.clip(shade * 255 + 0.5, 0, 255).astype(np.uint8)
        receives[pixels] = points[:, 2] < RECEIVING_HEIGHT
        return self._shadows.darken(picture.reshape(height, width, 3), receives.reshape(height, width), data)

    def geoms(self, data: mujoco.MjData, width: int, height: int, groups: tuple[int, ...] = GROUPS) -> np.ndarray:
        """Which geom each pixel shows, int32 (height, width), -1 for none, when only `groups` are there."""
        shown = self._ground(width, height)[0].ravel().astype(np.int32) if GROUP_GROUND in groups else np.full(width * height, -1, np.int32)
        pixels, hit, _, _ = self._cast(data, width, height, _groups(tuple(group for group in groups if group != GROUP_GROUND)))
        shown[pixels] = hit
        return shown.reshape(height, width)

    def close(self) -> None:
        """Nothing is held."""


def _groups(present: tuple[int, ...]) -> np.ndarray:
    return np.array([group in present for group in range(6)], np.uint8)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
