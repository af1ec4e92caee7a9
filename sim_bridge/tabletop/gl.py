"""Pictures through OpenGL: EGL or OSMesa, both without a display."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

import mujoco
import numpy as np

from sim_bridge.offscreen import Offscreen, fixed_camera
from sim_bridge.tabletop.scene import GROUPS
from sim_bridge.tabletop.shadows import RECEIVING_HEIGHT, Shadows
from sim_bridge.tabletop.view import View

GL_RENDERERS = ("egl", "osmesa")
_PROBE = """
import mujoco
from mujoco.{name} import GLContext
context = GLContext(16, 16); context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), 50)
"""


@lru_cache(maxsize=None)
def gl_fault(name: str) -> str | None:
    """None when the GL platform `name` (egl, osmesa) draws on this machine, else why not.

    Asked in a process of its own: a missing or broken driver may raise anything or end the process.
    """
    try:
        tried = subprocess.run([sys.executable, "-c", _PROBE.format(name=name)], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = tried.stderr.strip().splitlines()
    return None if tried.returncode == 0 else (lines[-1] if lines else f"exit status {tried.returncode}")


class GlRenderer:
    """Draws one model through EGL or OSMesa. `close` frees the context; drawing after it raises.

    tabletop: camera and table stand still, so shadows are worked out apart; else OpenGL casts them (slower), and of `view`
    only the width to height counts, the camera's pose being the model's.
    """

    def __init__(self, name: str, model: mujoco.MjModel, view: View, tabletop: bool = True) -> None:
        self.name, self._model, self._view = name, model, view
        self._shadows = Shadows(model, view) if tabletop else None
        self._offscreen, self._camera = Offscreen(name, model), fixed_camera(0)
        self._offscreen.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = self._shadows is None

    def _draw(self, data: mujoco.MjData, width: int, height: int, groups: tuple[int, ...], segment: bool) -> tuple[np.ndarray, np.ndarray]:
        option = mujoco.MjvOption()
        option.geomgroup[:] = [group in groups for group in range(6)]
        option.sitegroup[:] = 0
        scene, context = self._offscreen.scene, self._offscreen.context
        mujoco.mjv_updateScene(self._model, data, option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
        for camera in scene.camera:
            # The whole field of view on any picture size.
            camera.frustum_width = (camera.frustum_top - camera.frustum_bottom) / 2 * self._view.half_width / self._view.half_height
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = segment
        area = mujoco.MjrRect(0, 0, width, height)
        picture, depth = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.float32)
        mujoco.mjr_render(area, scene, context)
        mujoco.mjr_readPixels(picture, None if segment else depth, area, context)
        return picture[::-1], depth[::-1]

    @lru_cache(maxsize=8)  # noqa: B019 - lives as long as its world
    def _receiving_depth(self, width: int, height: int) -> np.ndarray:
        near, far = (limit * self._model.stat.extent for limit in (self._model.vis.map.znear, self._model.vis.map.zfar))
        depth = np.minimum(self._view.plane_depth(width, height, RECEIVING_HEIGHT), far)
        return (far * (depth - near) / (depth * (far - near))).astype(np.float32)

    def picture(self, data: mujoco.MjData, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3)."""
        picture, depth = self._offscreen.run(self._draw, data, width, height, GROUPS, False)
        if self._shadows is None:
            return np.ascontiguousarray(picture)
        return self._shadows.darken(np.ascontiguousarray(picture), depth >= self._receiving_depth(width, height), data)

    def geoms(self, data: mujoco.MjData, width: int, height: int, groups: tuple[int, ...] = GROUPS) -> np.ndarray:
        """Which geom each pixel shows, int32 (height, width), -1 for none, when only `groups` are there."""
        picture, _ = self._offscreen.run(self._draw, data, width, height, groups, True)
        shown = picture.astype(np.int32) @ np.array([1, 256, 65536], np.int32)
        names = np.full(self._offscreen.scene.ngeom + 2, -1, np.int32)
        for geom in self._offscreen.scene.geoms[: self._offscreen.scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and 0 <= geom.segid < len(names) - 1:
                names[geom.segid + 1] = geom.objid
        return names[np.clip(shown, 0, len(names) - 1)]

    def close(self) -> None:
        self._offscreen.close()
