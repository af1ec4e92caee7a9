"""`Elsewhere`: pictures of scenes that are not the tabletop's, and what is true of them.

world = Elsewhere(renderer="auto")
world.reset(np.random.default_rng(7))
picture, truth = world.render(224, 224), world.truth(224, 224)
"""

from __future__ import annotations

import mujoco
import numpy as np

from sim_bridge.elsewhere.layout import Arrangement, arrange
from sim_bridge.elsewhere.objects import CATALOGUE
from sim_bridge.elsewhere.rays import RayPictures
from sim_bridge.elsewhere.scene import GROUP_SETTING, GROUP_THING, build_model
from sim_bridge.elsewhere.truth import scene_truth
from sim_bridge.shapes import Painter, extents
from sim_bridge.tabletop.gl import GlRenderer
from sim_bridge.tabletop.renderers import choose_renderer
from sim_bridge.tabletop.view import View
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError


class Elsewhere:
    """Still scenes, one at a time. renderer: `auto`, `egl`, `osmesa` or `rays`; the attribute says which one draws.

    Pictures are square, as the cameras are. Raises ConfigError when the wanted renderer cannot draw here.
    """

    def __init__(self, renderer: str = "auto") -> None:
        self.renderer = choose_renderer(renderer)
        self.model = build_model()
        self.data = mujoco.MjData(self.model)
        self._sizes = {
            name: tuple(round(float(number), 5) for number in extents(self.model, self.model.body(name).id)) for name in CATALOGUE
        }
        self._painter = Painter(self.model)
        self._drawing: GlRenderer | RayPictures | None = None
        self._arrangement: Arrangement | None = None
        self.wording = 0

    @property
    def arrangement(self) -> Arrangement:
        """The present scene. Raises InputError before the first `reset`."""
        if self._arrangement is None:
            raise InputError("there is no scene yet; call reset(rng) first")
        return self._arrangement

    def reset(self, rng: np.random.Generator) -> None:
        """Another scene, decided by the generator alone."""
        self._arrangement = arrange(self.model, self._painter, rng)
        self.wording = int(rng.integers(1 << 16))
        mujoco.mj_forward(self.model, self.data)

    def _renderer(self) -> GlRenderer | RayPictures:
        if self._drawing is None:
            view = View(self.arrangement.camera)
            self._drawing = (
                RayPictures(self.model) if self.renderer == "rays" else GlRenderer(self.renderer, self.model, view, tabletop=False)
            )
        return self._drawing

    def _square(self, width: int, height: int) -> None:
        if width != height:
            raise InputError(f"pictures elsewhere are square, got {width} × {height}")

    def render(self, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3)."""
        self._square(width, height)
        return self._renderer().picture(self.data, width, height)

    def geoms(self, width: int, height: int, groups: tuple[int, ...] = (GROUP_SETTING, GROUP_THING)) -> np.ndarray:
        """int32 (height, width): which geom of `model` each pixel shows, -1 for none, when only `groups` are there."""
        self._square(width, height)
        return self._renderer().geoms(self.data, width, height, groups)

    def size(self, body: str) -> tuple[float, float, float]:
        """Extents (m) of a thing along its own axes."""
        return self._sizes[body]

    def alone(self, body: str, width: int, height: int) -> np.ndarray:
        """bool (height, width): what a body would cover were nothing before it."""
        others = (self.model.geom_group == GROUP_THING) & (self.model.geom_bodyid != self.model.body(body).id)
        self.model.geom_group[others] = GROUP_SETTING
        try:
            return self.geoms(width, height, (GROUP_THING,)) >= 0
        finally:
            self.model.geom_group[others] = GROUP_THING

    def truth(self, width: int = 224, height: int = 224) -> SceneTruth:
        """What is exactly known of the present picture; boxes are measured on `width` × `height` pixels."""
        return scene_truth(self, width, height)

    def close(self) -> None:
        """Free the renderer. The world may be used again."""
        if self._drawing is not None:
            self._drawing.close()
            self._drawing = None
