"""Household shapes of MuJoCo primitives whose colour is chosen anew for every scene, and the colours there are.

Shared by the tabletop's distractors and the scenes elsewhere. A shape stands at rest in its body frame: origin at its
middle, z up. Kinds and colours are those of `vlaser_core.data.vocabulary`.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from vlaser_core.data.vocabulary import COLOURS, phrases

# Linear-looking shades that people call by these names under the scenes' lamps.
SHADES: dict[str, tuple[float, float, float]] = {
    "red": (0.80, 0.07, 0.07),
    "orange": (0.96, 0.45, 0.04),
    "yellow": (0.95, 0.82, 0.10),
    "green": (0.12, 0.58, 0.18),
    "blue": (0.10, 0.24, 0.75),
    "purple": (0.42, 0.12, 0.58),
    "pink": (0.95, 0.50, 0.68),
    "white": (0.93, 0.93, 0.93),
    "black": (0.05, 0.05, 0.055),
    "brown": (0.38, 0.21, 0.09),
    "grey": (0.48, 0.48, 0.49),
}
_SHADE_SPREAD = 0.06
# Seen, never touched. Type 2 meets no affinity; but mj_multiRay passes over geoms that have no type at all.
SEEN = 'contype="2" conaffinity="0"'
SOLID = 'contype="1" conaffinity="1"'


@dataclass(frozen=True)
class Shape:
    """One shape. Lengths in metres.

    geoms: MJCF; `{t}` stands for what the scene's colour goes to, `{p}` for parts of a colour of their own (which state
    their rgba). half_height: middle above what it stands on. footprint: radius of the disc it covers. width: distance of
    fingers that hold it, 0 when it is not taken hold of. grasp_height, grasp_along: of the grasp point above the middle and along x. top: half
    width of a flat place on top where a smaller thing may stand, 0 without one. floor: height of that place above the
    middle. colours: those it may have.
    """

    kind: str
    half_height: float
    footprint: float
    geoms: str
    width: float = 0.0
    grasp_height: float = 0.0
    grasp_along: float = 0.0
    top: float = 0.0
    floor: float = 0.0
    colours: tuple[str, ...] = COLOURS

    def mjcf(self, name: str, group: int, contact: str = SOLID) -> str:
        """A fixed body of that name, out of sight until it is put somewhere; its coloured geoms are called `name.0`, `name.1`, …"""
        first, *pieces = self.geoms.split("{t}")
        coloured = (f'name="{name}.{index}" group="{group}" {contact}{piece}' for index, piece in enumerate(pieces))
        text = (first + "".join(coloured)).replace("{p}", f'group="{group}" {contact}')
        return f'<body name="{name}" pos="-5 0 0">{text}</body>'

    def phrases(self, colour: str) -> tuple[str, ...]:
        """What it is called in that colour, the usual name first."""
        return phrases(self.kind, colour)


class Painter:
    """Gives the shapes of one compiled model their colours."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._coloured: dict[str, list[int]] = {}
        for geom in range(model.ngeom):
            name = model.geom(geom).name
            if "." in name:
                self._coloured.setdefault(name.split(".")[0], []).append(geom)

    def paint(self, body: str, colour: str, rng: np.random.Generator) -> None:
        """Give the coloured geoms of `body` a shade of `colour`."""
        shade = np.clip(np.array(SHADES[colour]) * rng.uniform(0.92, 1.05) + rng.uniform(-1, 1, 3) * _SHADE_SPREAD * 0.4, 0, 1)
        for geom in self._coloured[body]:
            self._model.geom_rgba[geom] = (*shade, 1.0)


def _half(kind: int, size: np.ndarray, box: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Half extents (3,) of a geom turned by `turn` (3, 3): round ones stay within the corners of their box (half sizes `box`)."""
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return np.abs(turn[:, 2]) * size[1] + size[0]
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return np.abs(turn[:, 2]) * size[1] + size[0] * np.sqrt(np.maximum(0.0, 1 - turn[:, 2] ** 2))
    if kind in (mujoco.mjtGeom.mjGEOM_ELLIPSOID, mujoco.mjtGeom.mjGEOM_SPHERE):
        return np.linalg.norm(turn * box, axis=1)
    return np.abs(turn) @ box


def extents(model: mujoco.MjModel, body: int) -> np.ndarray:
    """Size (3,) in metres along a body's own axes of all its geoms."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    first, count = int(model.body_geomadr[body]), int(model.body_geomnum[body])
    rotation = np.zeros(9)
    for geom in range(first, first + count):
        mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
        turn = rotation.reshape(3, 3)
        middle = model.geom_pos[geom] + turn @ model.geom_aabb[geom, :3]
        half = _half(int(model.geom_type[geom]), model.geom_size[geom], model.geom_aabb[geom, 3:], turn)
        low, high = np.minimum(low, middle - half), np.maximum(high, middle + half)
    return high - low


def draw_colours(shapes: list[Shape], taken: set[tuple[str, str]], rng: np.random.Generator) -> list[str]:
    """A colour for each shape, so that no two of a kind share one. taken: (kind, colour) pairs already there."""
    chosen, used = [], set(taken)
    for shape in shapes:
        free = [colour for colour in shape.colours if (shape.kind, colour) not in used]
        colour = free[rng.integers(len(free))]
        used.add((shape.kind, colour))
        chosen.append(colour)
    return chosen
