"""OpenGL without a display (EGL or OSMesa) for one MuJoCo model.

A context belongs to one thread, while a robot node may ask for pictures from any: all GL runs on one thread kept here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import mujoco

from vlaser_core.errors import ConfigError

LARGEST = (640, 480)


class Offscreen:
    """A context of its own and the model's scene in it; what draws runs through `run`. Raises ConfigError where `name` does not start.

    context, scene: MuJoCo's, to be touched inside `run` alone.
    """

    def __init__(self, name: str, model: mujoco.MjModel) -> None:
        self.name, self.model = name, model
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"offscreen-{name}")
        try:
            self.run(self._open)
        except Exception as error:
            self._thread.shutdown()
            raise ConfigError(f"renderer {name!r} does not start here ({error}); use renderer='rays', which needs nothing installed") from error

    def _open(self) -> None:
        self._gl = importlib.import_module(f"mujoco.{self.name}").GLContext(*LARGEST)
        self._gl.make_current()
        self.context = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.context)
        self.scene = mujoco.MjvScene(self.model, 200)

    def run(self, work: Callable, *arguments):
        """What `work` returns on the thread that has the context."""
        return self._thread.submit(work, *arguments).result()

    def close(self) -> None:
        """Free the context; `run` raises afterwards."""

        def free() -> None:
            self.context.free()
            self._gl.free()

        self.run(free)
        self._thread.shutdown()


def fixed_camera(index: int) -> mujoco.MjvCamera:
    """The model's camera of that number."""
    camera = mujoco.MjvCamera()
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, index
    return camera
