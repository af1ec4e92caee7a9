"""Pictures of a MuJoCo scene through any of its cameras, fixed or moving: by OpenGL, or by rays where there is none."""

from __future__ import annotations

import cv2
import mujoco
import numpy as np

from sim_bridge.offscreen import Offscreen, fixed_camera

SKY = (0.36, 0.38, 0.40)  # as the scene's
STRIDE = 2  # pixels a ray stands for in each direction: rays are slow, and this is a fallback


class GlPictures:
    """Draws one model through EGL or OSMesa. `close` frees the context."""

    def __init__(self, name: str, model: mujoco.MjModel) -> None:
        self.name, self._model, self._option = name, model, mujoco.MjvOption()
        self._offscreen = Offscreen(name, model)

    def _draw(self, data: mujoco.MjData, camera: str, width: int, height: int) -> np.ndarray:
        scene, context = self._offscreen.scene, self._offscreen.context
        seen = fixed_camera(self._model.camera(camera).id)
        mujoco.mjv_updateScene(self._model, data, self._option, None, seen, mujoco.mjtCatBit.mjCAT_ALL, scene)
        area, picture = mujoco.MjrRect(0, 0, width, height), np.empty((height, width, 3), np.uint8)
        mujoco.mjr_render(area, scene, context)
        mujoco.mjr_readPixels(picture, None, area, context)
        return np.ascontiguousarray(picture[::-1])

    def picture(self, data: mujoco.MjData, camera: str, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3), at most 640 × 480."""
        return self._offscreen.run(self._draw, data, camera, width, height)

    def close(self) -> None:
        self._offscreen.close()


class RayPictures:
    """The same calls with mj_multiRay: flat shading, half the resolution."""

    name = "rays"

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        materials = model.geom_matid
        self._colour = np.where((materials >= 0)[:, None], model.mat_rgba[materials], model.geom_rgba)[:, :3]

    def picture(self, data: mujoco.MjData, camera: str, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3)."""
        model, columns, rows = self._model, -(-width // STRIDE), -(-height // STRIDE)
        index = model.camera(camera).id
        place, axes = data.cam_xpos[index], data.cam_xmat[index].reshape(3, 3)
        half = np.tan(np.radians(model.cam_fovy[index]) / 2)
        right = ((np.arange(columns) + 0.5) / columns * 2 - 1) * half * width / height
        up = (1 - (np.arange(rows) + 0.5) / rows * 2) * half
        rays = np.stack(np.broadcast_arrays(right[None, :], up[:, None], -1.0), axis=-1).reshape(-1, 3) @ axes.T
        rays = np.ascontiguousarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))
        count = len(rays)
        geoms, distance, normals = np.full(count, -1, np.int32), np.full(count, -1.0), np.zeros(3 * count)
        mujoco.mj_multiRay(model, data, place, rays.ravel(), np.ones(6, np.uint8), 1, -1, geoms, distance, normals, count, 10.0)
        facing = np.abs(np.einsum("ij,ij->i", normals.reshape(-1, 3), rays))
        from_above = np.maximum(0.0, normals.reshape(-1, 3)[:, 2])
        shade = np.where(geoms[:, None] >= 0, self._colour[geoms] * (0.40 + 0.25 * facing + 0.45 * from_above)[:, None], SKY)
        picture = np.clip(shade * 255, 0, 255).astype(np.uint8).reshape(rows, columns, 3)
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST)

    def close(self) -> None:
        """Nothing is held."""


def open_pictures(name: str, model: mujoco.MjModel) -> GlPictures | RayPictures:
    """Pictures of `model`; name: `egl`, `osmesa` or `rays`."""
    return RayPictures(model) if name == "rays" else GlPictures(name, model)
