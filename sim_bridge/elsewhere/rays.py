"""Pictures elsewhere by casting rays with MuJoCo itself: nothing to install, for machines without OpenGL. Slower.

One ray a pixel, one more from the lamp to what it hit for the shadow. Materials, colours and lamp are those of the model.
"""

from __future__ import annotations

import mujoco
import numpy as np

from sim_bridge.elsewhere.scene import LOOKS, texture

_FAR = 20.0
_REPEAT = 3.0  # of a texture across a geom, as the materials have it
_SHADOW_SLACK = 0.004  # metres


class RayPictures:
    """Draws the model from its first camera; the same calls as `GlRenderer`."""

    name = "rays"

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        looks = {model.material(look).id: texture(look) for look in LOOKS}
        self._textures = looks

    def _cast(self, data: mujoco.MjData, width: int, height: int, groups: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Rays (n, 3) of unit length, geom (n,), distance (n,) and normal (n, 3) of each pixel, row by row."""
        half = np.tan(np.radians(self._model.cam_fovy[0]) / 2)
        right = ((np.arange(width) + 0.5) / width * 2 - 1) * half * width / height
        up = (1 - (np.arange(height) + 0.5) / height * 2) * half
        local = np.stack(np.broadcast_arrays(right[None, :], up[:, None], -1.0), axis=-1).reshape(-1, 3)
        rays = local @ data.cam_xmat[0].reshape(3, 3).T
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        return (rays, *self._hits(data, data.cam_xpos[0], rays, groups))

    def _hits(
        self, data: mujoco.MjData, origin: np.ndarray, rays: np.ndarray, groups: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count = len(rays)
        geoms, distance, normals = np.full(count, -1, np.int32), np.full(count, -1.0), np.zeros(3 * count)
        present = np.array([group in groups for group in range(6)], np.uint8)
        mujoco.mj_multiRay(
            self._model, data, np.ascontiguousarray(origin), rays.ravel(), present, 1, -1, geoms, distance, normals, count, _FAR
        )
        return geoms, distance, normals.reshape(-1, 3)

    def _colours(self, data: mujoco.MjData, geoms: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Colour (n, 3) 0…1 of the surfaces at points (n, 3): the geom's own, times its material's texture."""
        model = self._model
        colours = model.geom_rgba[geoms, :3].astype(float)
        for material, image in self._textures.items():
            chosen = np.flatnonzero(model.geom_matid[geoms] == material)
            if not len(chosen):
                continue
            on = geoms[chosen]
            local = np.einsum("nji,nj->ni", data.geom_xmat[on].reshape(-1, 3, 3), points[chosen] - data.geom_xpos[on])[:, :2]
            share = (local / model.geom_size[on, :2] + 1) / 2 * _REPEAT
            side = image.shape[0]
            texel = np.floor(share * side).astype(int) % side
            colours[chosen] *= image[side - 1 - texel[:, 1], texel[:, 0]] / 255
        return colours

    def picture(self, data: mujoco.MjData, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3)."""
        model, head = self._model, self._model.vis.headlight
        rays, geoms, distance, normals = self._cast(data, width, height, (0, 5))
        hit = np.flatnonzero(geoms >= 0)
        points = data.cam_xpos[0] + distance[hit, None] * rays[hit]
        normals = normals[hit] * np.where(np.einsum("ij,ij->i", normals[hit], rays[hit]) > 0, -1.0, 1.0)[:, None]
        lamp = model.light_pos[0]
        from_lamp = points - lamp
        way = np.linalg.norm(from_lamp, axis=1)
        from_lamp /= way[:, None]
        _, blocked, _ = self._hits(data, lamp, from_lamp, (0, 5))
        lit = (blocked < 0) | (blocked > way - _SHADOW_SLACK)
        cone = np.einsum("ij,j->i", from_lamp, model.light_dir[0])
        spot = np.where(cone > np.cos(np.radians(model.light_cutoff[0])), np.maximum(cone, 0) ** model.light_exponent[0], 0.0)
        lamp_share = np.maximum(0, -np.einsum("ij,ij->i", normals, from_lamp)) * lit * spot
        facing = np.maximum(0, -np.einsum("ij,ij->i", normals, rays[hit]))
        light = head.ambient + facing[:, None] * head.diffuse + lamp_share[:, None] * model.light_diffuse[0]
        picture = np.zeros((height * width, 3), np.uint8)
        picture[hit] = np.clip(self._colours(data, geoms[hit], points) * light * 255 + 0.5, 0, 255).astype(np.uint8)
        return picture.reshape(height, width, 3)

    def geoms(self, data: mujoco.MjData, width: int, height: int, groups: tuple[int, ...] = (0, 5)) -> np.ndarray:
        """Which geom each pixel shows, int32 (height, width), -1 for none, when only `groups` are there."""
        return self._cast(data, width, height, groups)[1].reshape(height, width)

    def close(self) -> None:
        """Nothing is held."""
