"""What lies on the table: shapes, masses, colours, and where fingers may take hold. Body frame at the centre, z up at rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

_CONTACT = 'contype="1" conaffinity="1" condim="6" friction="1 0.02 0.002" solref="0.01 1" solimp="0.95 0.99 0.001"'
# Type 2 meets no affinity, so nothing collides; but mj_multiRay passes over geoms that have no type at all.
_LOOK = 'contype="2" conaffinity="0" mass="0"'


@dataclass(frozen=True)
class Thing:
    """One object. Lengths in metres, masses in kilograms.

    geoms: MJCF of its shape; `{c}` stands for contact settings, `{v}` for "only to be seen", and every colour is a
    `rgba` that the scene varies a little. half_height: centre above the table at rest. footprint: radius of the
    disc it covers. width: distance of the fingers when they hold it. grasp_height: height of the grasp point above the
    centre. symmetry: turns (rad) about the vertical after which a grasp is the same. fixed: it does not move when pushed.
    """

    name: str
    phrases: tuple[str, ...]
    colour: str
    mass: float
    half_height: float
    footprint: float
    width: float
    grasp_height: float
    symmetry: float
    geoms: str
    fixed: bool = False

    @property
    def kind(self) -> str:
        """What sort of thing it is: `block` for a green one."""
        return self.name.rsplit("_", 1)[-1]

    def mjcf(self, group: int) -> str:
        """The body as MJCF, its geoms in `group`."""
        shape = self.geoms.format(c=f'group="{group}" {_CONTACT}', v=f'group="{group}" {_LOOK}')
        joint = "" if self.fixed else f'<freejoint name="{self.name}"/><inertial pos="0 0 0" mass="{self.mass}" diaginertia="{self._inertia()}"/>'
        return f'<body name="{self.name}" pos="0.3 0 {self.half_height}">{joint}{shape}</body>'

    def _inertia(self) -> str:
        # A box of the footprint, floored: very thin objects otherwise spin up numerically.
        side, height = max(2 * self.footprint * 0.8, 0.04), max(2 * self.half_height, 0.025)
        flat = self.mass * (side**2 + height**2) / 12
        return f"{flat:.3g} {flat:.3g} {self.mass * side**2 / 6:.3g}"


def _basket() -> str:
    length, width, height, wall, yellow = 0.065, 0.05, 0.02, 0.003, "0.93 0.78 0.12 1"
    parts = [f'<geom type="box" size="{length} {width} {wall}" pos="0 0 {wall - height}" rgba="0.85 0.68 0.10 1" {{c}}/>']
    for sign in (-1, 1):
        parts.append(f'<geom type="box" size="{wall} {width} {height}" pos="{sign * (length - wall)} 0 0" rgba="{yellow}" {{c}}/>')
        parts.append(f'<geom type="box" size="{length} {wall} {height}" pos="0 {sign * (width - wall)} 0" rgba="{yellow}" {{c}}/>')
    return "".join(parts)


def _block(rgba: str) -> str:
    return f'<geom type="box" size="0.02 0.02 0.02" rgba="{rgba}" {{c}}/>'


_ALL = (
    Thing(
        "spoon", ("spoon", "green spoon"), "green", 0.02, 0.008, 0.065, 0.014, 0.006, math.pi,
        '<geom type="box" size="0.042 0.007 0.008" pos="-0.018 0 0" rgba="0.10 0.52 0.28 1" {c}/>'
        '<geom type="ellipsoid" size="0.024 0.017 0.007" pos="0.042 0 -0.001" rgba="0.12 0.60 0.33 1" {c}/>',
    ),
    Thing(
        "carrot", ("carrot", "orange carrot"), "orange", 0.03, 0.013, 0.055, 0.026, 0.004, math.pi,
        '<geom type="capsule" size="0.013" fromto="-0.022 0 0 0.012 0 0" rgba="0.95 0.42 0.06 1" {c}/>'
        '<geom type="capsule" size="0.010" fromto="0.012 0 -0.003 0.033 0 -0.003" rgba="0.95 0.42 0.06 1" {c}/>'
        '<geom type="capsule" size="0.005" fromto="0.033 0 -0.004 0.048 0 -0.006" rgba="0.93 0.40 0.06 1" {v}/>'
        '<geom type="capsule" size="0.005" fromto="-0.034 0 0 -0.052 0.006 0.001" rgba="0.18 0.55 0.16 1" {v}/>'
        '<geom type="capsule" size="0.005" fromto="-0.034 0 0 -0.052 -0.006 0.001" rgba="0.18 0.55 0.16 1" {v}/>',
    ),
    Thing(
        "eggplant", ("eggplant", "purple eggplant"), "purple", 0.04, 0.0195, 0.05, 0.036, 0.0, math.pi,
        '<geom type="capsule" size="0.018" fromto="-0.018 0 -0.0015 0.010 0 -0.0015" rgba="0.30 0.09 0.38 1" {c}/>'
        '<geom type="sphere" size="0.0195" pos="0.018 0 0" rgba="0.30 0.09 0.38 1" {c}/>'
        '<geom type="ellipsoid" size="0.008 0.013 0.013" pos="-0.034 0 -0.001" rgba="0.25 0.48 0.18 1" {v}/>'
        '<geom type="capsule" size="0.004" fromto="-0.040 0 0 -0.052 0 0.003" rgba="0.25 0.48 0.18 1" {v}/>',
    ),
    Thing("green_block", ("green block", "green cube"), "green", 0.04, 0.02, 0.028, 0.04, 0.0, math.pi / 2, _block("0.12 0.60 0.22 1")),
    Thing("yellow_block", ("yellow block", "yellow cube"), "yellow", 0.06, 0.02, 0.028, 0.04, 0.0, math.pi / 2, _block("0.94 0.80 0.10 1")),
    Thing(
        "plate", ("plate", "white plate"), "white", 0.2, 0.004, 0.055, 0.0, 0.0, math.pi,
        '<geom type="cylinder" size="0.055 0.004" rgba="0.88 0.88 0.90 1" {c}/>'
        '<geom type="cylinder" size="0.040 0.0005" pos="0 0 0.0042" rgba="0.70 0.76 0.84 1" {v}/>',
    ),
    Thing(
        "towel", ("towel", "blue towel", "blue cloth"), "blue", 0.03, 0.003, 0.06, 0.0, 0.0, math.pi / 2,
        '<geom type="box" size="0.055 0.055 0.003" rgba="0.16 0.28 0.66 1" {c}/>'
        '<geom type="box" size="0.055 0.006 0.0003" pos="0 0.035 0.0031" rgba="0.80 0.84 0.92 1" {v}/>'
        '<geom type="box" size="0.055 0.006 0.0003" pos="0 -0.035 0.0031" rgba="0.80 0.84 0.92 1" {v}/>',
        fixed=True,
    ),
    Thing("basket", ("basket", "yellow basket"), "yellow", 0.3, 0.02, 0.08, 0.0, 0.0, math.pi, _basket()),
)

THINGS: dict[str, Thing] = {thing.name: thing for thing in _ALL}
