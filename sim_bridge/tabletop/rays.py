"""Pictures by casting rays with MuJoCo itself: no GL, nothing to install. Lit by the same lamp and colours as the GL path.

Camera and ground stand still, so the ground is looked up and only pixels near something that moves cast a ray.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import mujoco
import numpy as np

from sim_bridge.tabletop.scene import FLOOR_Z, GROUP_GROUND, TABLE_CENTRE, TABLE_HALF, TEXTURE_SIDE, wood
from sim_bridge.tabletop.shadows import RECEIVING_HEIGHT, Shadows
from sim_bridge.tabletop.view import View

_MARGIN = 1.5  # pixels around a geom's bounding sphere


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
        self._specular = np.where(materials >= 0, model.mat_specular[materials], 0.5)
        self._shininess = 128 * np.where(materials >= 0, model.mat_shininess[materials], 0.5)

    @lru_cache(maxsize=8)  # noqa: B019 - lives as long as its world
    def _ground(self, width: int, height: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Per pixel: what ground it shows (geom id), where (h, w, 3), the texture lookup, and the ray lengths of 1 m depth."""
        rays, camera = self._view.rays(width, height), self._view.position
        at = camera + np.minimum(self._view.plane_depth(width, height, 0.0), 50)[..., None] * rays
        local = (at[..., :2] - TABLE_CENTRE) / TABLE_HALF
        on_table = (np.abs(local) <= 1).all(axis=-1)
        below = camera + np.minimum(self._view.plane_depth(width, height, FLOOR_Z), 50)[..., None] * rays
        points = np.where(on_table[..., None], at, below)
        # As OpenGL wraps a finite plane: u along x, v along y from its top.
        texel = (np.stack([local[..., 0] + 1, 1 - local[..., 1]], axis=-1) / 2 * TEXTURE_SIDE - 0.5).astype(np.float32)
        lookup = cv2.convertMaps(texel[..., 0], texel[..., 1], cv2.CV_16SC2)
        return np.where(on_table, self._table, self._floor), points, lookup, np.linalg.norm(rays, axis=-1)

    def _near(self, data: mujoco.MjData, width: int, height: int, geoms: np.ndarray) -> np.ndarray:
        """Pixels (h, w) bool on which any of `geoms` may show: the boxes around their bounding spheres."""
        mask = np.zeros((height, width), bool)
        centres, depth = self._view.project(data.geom_xpos[geoms])
        radii = self._model.geom_rbound[geoms]
        for (right, down), distance, radius in zip(centres, depth, radii, strict=True):
            if distance < -radius:
                continue
            if distance < radius + 0.02:
                mask[:] = True  # around the camera itself
                return mask
            # The silhouette of a sphere off the axis is wider than radius / depth.
            reach = radius / (distance - radius)
            across = reach / self._view.half_width / 2 * width + _MARGIN
            along = reach / self._view.half_height / 2 * height + _MARGIN
            x, y = right * width, down * height
            mask[max(0, int(y - along)) : max(0, int(y + along) + 1), max(0, int(x - across)) : max(0, int(x + across) + 1)] = True
        return mask

    def _cast(self, data: mujoco.MjData, width: int, height: int, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For the pixels something is hit on: flat pixel index, geom, point (n, 3), normal (n, 3)."""
        chosen = self._things[groups[self._model.geom_group[self._things]] > 0]
        cast = np.flatnonzero(self._near(data, width, height, chosen))
        rays = self._view.rays(width, height).reshape(-1, 3)[cast]
        geoms, distance, normals = np.full(len(cast), -1, np.int32), np.full(len(cast), -1.0), np.zeros(3 * len(cast))
        mujoco.mj_multiRay(self._model, data, self._view.position, rays.ravel(), groups, 1, -1, geoms, distance, normals, len(cast), 10.0)
        hit = geoms >= 0
        return cast[hit], geoms[hit], self._view.position + distance[hit, None] * rays[hit], normals.reshape(-1, 3)[hit]

    def _shade(self, points: np.ndarray, normals: np.ndarray, colour: np.ndarray, specular: np.ndarray | float, shininess: np.ndarray | float) -> np.ndarray:
        """Colour (n, 3) 0…1: headlight and lamp, as fixed-function OpenGL adds them."""
        model, head = self._model, self._model.vis.headlight
        to_eye = self._view.position - points
        to_eye /= np.linalg.norm(to_eye, axis=1, keepdims=True)
        to_lamp = model.light_pos[0] - points
        to_lamp /= np.linalg.norm(to_lamp, axis=1, keepdims=True)
        lamp = np.maximum(0, np.einsum("ij,ij->i", normals, to_lamp))[:, None]
        facing = np.maximum(0, np.einsum("ij,ij->i", normals, to_eye))[:, None]
        lit = colour * (head.ambient + head.diffuse * facing + model.light_diffuse[0] * lamp)
        half = to_lamp + to_eye
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        glint = np.maximum(0, np.einsum("ij,ij->i", normals, half)) ** shininess * specular * (lamp[:, 0] > 0)
        return lit + glint[:, None] * model.light_specular[0]

    def _ground_colour(self, width: int, height: int) -> np.ndarray:
        shown, points, lookup, _ = self._ground(width, height)
        material = self._model.geom_matid[self._table]
        texture = cv2.remap(_texture(int(material)), *lookup, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).reshape(-1, 3) / 255.0
        on_table = (shown == self._table).ravel()[:, None]
        colour = np.where(on_table, texture * self._model.mat_rgba[material, :3], self._model.mat_rgba[self._model.geom_matid[self._floor], :3])
        up = np.broadcast_to([0.0, 0.0, 1.0], (width * height, 3))
        return self._shade(points.reshape(-1, 3), up, colour, 0.0, 1.0)

    def picture(self, data: mujoco.MjData, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3)."""
        key = (width, height, *self._model.light_pos[0], *self._model.light_diffuse[0], *self._model.mat_rgba.ravel(), self._model.geom_matid[self._table])
        if getattr(self, "_ground_key", None) != key:
            self._ground_key, self._ground_picture = key, _to_bytes(self._ground_colour(width, height))
        picture = self._ground_picture.copy()
        receives = np.ones(width * height, bool)
        pixels, geoms, points, normals = self._cast(data, width, height, _groups((1, 2, 3, 4)))
        colour = np.where(self._coloured_by_geom[:, None], self._model.geom_rgba[:, :3], self._own_colour)[geoms]
        picture[pixels] = _to_bytes(self._shade(points, normals, colour, self._specular[geoms], self._shininess[geoms]))
        receives[pixels] = points[:, 2] < RECEIVING_HEIGHT
        return self._shadows.darken(picture.reshape(height, width, 3), receives.reshape(height, width), data)

    def geoms(self, data: mujoco.MjData, width: int, height: int, groups: tuple[int, ...] = (0, 1, 2, 3, 4)) -> np.ndarray:
        """Which geom each pixel shows, int32 (height, width), -1 for none, when only `groups` are there."""
        shown = self._ground(width, height)[0].ravel().astype(np.int32) if GROUP_GROUND in groups else np.full(width * height, -1, np.int32)
        pixels, hit, _, _ = self._cast(data, width, height, _groups(tuple(group for group in groups if group != GROUP_GROUND)))
        shown[pixels] = hit
        return shown.reshape(height, width)

    def close(self) -> None:
        """Nothing is held."""


@lru_cache(maxsize=None)
def _texture(index: int) -> np.ndarray:
    return wood(index)


def _groups(present: tuple[int, ...]) -> np.ndarray:
    return np.array([group in present for group in range(6)], np.uint8)


def _to_bytes(colour: np.ndarray) -> np.ndarray:
    return (np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8)
