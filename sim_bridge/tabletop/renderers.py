"""Which renderer draws: EGL where there is one, else OSMesa, else rays."""

from __future__ import annotations

import mujoco

from sim_bridge.tabletop.gl import GL_RENDERERS, GlRenderer, gl_fault
from sim_bridge.tabletop.rays import RayRenderer
from sim_bridge.tabletop.view import View
from vlaser_core.errors import ConfigError

RENDERERS = (*GL_RENDERERS, "rays")
Renderer = GlRenderer | RayRenderer


def choose_renderer(wanted: str) -> str:
    """The renderer `wanted` stands for; `auto` is the first that works here. Raises ConfigError when it cannot draw."""
    if wanted == "auto":
        return next((name for name in GL_RENDERERS if gl_fault(name) is None), "rays")
    if wanted not in RENDERERS:
        raise ConfigError(f"unknown renderer {wanted!r}; known: auto, {', '.join(RENDERERS)}")
    if wanted in GL_RENDERERS and (fault := gl_fault(wanted)) is not None:
        raise ConfigError(f"renderer {wanted!r} does not work here ({fault}); install its library (libegl1 and libgl1, or libosmesa6) or use 'auto' or 'rays'")
    return wanted


def open_renderer(name: str, model: mujoco.MjModel, view: View) -> Renderer:
    """A renderer of `model`; `name` as `choose_renderer` returns it."""
    return RayRenderer(model, view) if name == "rays" else GlRenderer(name, model, view)
