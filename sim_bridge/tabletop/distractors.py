"""Further things on the table that no task is about: a palette of shapes, a few of which a scene shows.

They are fixed bodies, moved between pictures by their body's pose, so they cost the physics nothing; worlds made without
them compile without them. Two things of a kind never share a colour, so each has a name of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim_bridge.shapes import SOLID, Painter, Shape, draw_colours
from sim_bridge.tabletop.objects import THINGS
from sim_bridge.tabletop.scene import GROUP_MORE
from vlaser_core.data.truth import SURFACE
from vlaser_core.geometry import matrix_from_euler, pose, quaternion_from_matrix

if TYPE_CHECKING:
    from sim_bridge.tabletop.world import Tabletop

_PARKED = np.array([-5.0, 0.0, 0.0])  # behind the camera
_AREA_MIN, _AREA_MAX = np.array([0.19, -0.24]), np.array([0.56, 0.26])  # metres; the far part is out of the arm's reach
_GAP = 0.012  # metres between footprints at least
_STACKED = 0.3  # chance that a thing is put on another that offers room
_FIT, _LOW = 1.05, 0.025  # of what is put on something: share of the room, half height

_BLOCK = Shape("block", 0.02, 0.028, '<geom type="box" size="0.02 0.02 0.02" {t}/>', width=0.04, top=0.02, floor=0.02,
               colours=("red", "blue", "orange", "purple", "white", "pink"))  # fmt: skip
PALETTE: dict[str, Shape] = {
    "block_one": _BLOCK,
    "block_two": _BLOCK,
    "mug": Shape(
        "mug", 0.035, 0.045,
        '<geom type="cylinder" size="0.031 0.035" {t}/><geom type="cylinder" size="0.026 0.0006" pos="0 0 0.0352" rgba="0.12 0.10 0.09 1" {p}/>'
        '<geom type="capsule" size="0.005" fromto="0.031 0 0.018 0.048 0 0.012" {t}/><geom type="capsule" size="0.005" fromto="0.048 0 0.012 0.048 0 -0.010" {t}/>'
        '<geom type="capsule" size="0.005" fromto="0.048 0 -0.010 0.031 0 -0.018" {t}/>',
        width=0.062, grasp_height=0.02, colours=("red", "blue", "white", "black", "pink", "grey"),
    ),
    "ball": Shape("ball", 0.024, 0.024, '<geom type="sphere" size="0.024" {t}/>', width=0.048,
                  colours=("red", "blue", "white", "pink", "orange", "green")),
    "bowl": Shape(
        "bowl", 0.0215, 0.055,
        '<geom type="cylinder" size="0.032 0.003" pos="0 0 -0.0185" {t}/>'
        + "".join(
            f'<geom type="box" size="0.0185 0.0025 0.021" pos="{0.045 * np.cos(a):.5f} {0.045 * np.sin(a):.5f} 0.0005" euler="{-0.25 * np.sin(a):.4f} {0.25 * np.cos(a):.4f} {a + np.pi / 2:.4f}" {{t}}/>'
            for a in np.linspace(0, 2 * np.pi, 10, endpoint=False)
        ),
        top=0.03, floor=-0.0155, colours=("white", "blue", "red", "grey", "green"),
    ),
    "can": Shape(
        "can", 0.045, 0.03,
        '<geom type="cylinder" size="0.028 0.040" {t}/><geom type="cylinder" size="0.0282 0.003" pos="0 0 0.042" rgba="0.72 0.73 0.75 1" {p}/>'
        '<geom type="cylinder" size="0.0282 0.003" pos="0 0 -0.042" rgba="0.72 0.73 0.75 1" {p}/>',
        width=0.056, grasp_height=0.02, top=0.028, floor=0.045, colours=("red", "blue", "green", "black", "orange"),
    ),
    "banana": Shape(
        "banana", 0.0165, 0.075,
        '<geom type="capsule" size="0.016" fromto="-0.02 0 0 0.02 0 0" {t}/><geom type="capsule" size="0.0145" fromto="0.02 0 0 0.05 0.018 0" {t}/>'
        '<geom type="capsule" size="0.0145" fromto="-0.02 0 0 -0.05 0.018 0" {t}/><geom type="capsule" size="0.006" fromto="0.05 0.018 0 0.064 0.032 0" rgba="0.25 0.17 0.08 1" {p}/>',
        width=0.032, colours=("yellow",),
    ),
    "bottle": Shape(
        "bottle", 0.065, 0.028,
        '<geom type="cylinder" size="0.026 0.042" pos="0 0 -0.023" {t}/><geom type="ellipsoid" size="0.026 0.026 0.022" pos="0 0 0.018" {t}/>'
        '<geom type="cylinder" size="0.010 0.014" pos="0 0 0.044" {t}/><geom type="cylinder" size="0.012 0.006" pos="0 0 0.059" rgba="0.9 0.9 0.92 1" {p}/>',
        width=0.052, grasp_height=-0.01, colours=("green", "blue", "brown", "red", "black"),
    ),
    "fork": Shape(
        "fork", 0.0035, 0.065,
        '<geom type="box" size="0.038 0.0045 0.003" pos="-0.022 0 0" {t}/><geom type="box" size="0.008 0.012 0.003" pos="0.022 0 0" {t}/>'
        + "".join(f'<geom type="box" size="0.014 0.0022 0.0025" pos="0.043 {y} 0" {{t}}/>' for y in (-0.0096, 0.0, 0.0096)),
        width=0.009, colours=("grey", "black", "red"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Extra:
    """A distractor that a scene shows. body: its name in the model. support: what it stands on. held: it is in the gripper."""

    body: str
    shape: Shape
    colour: str
    support: str
    held: bool = False


def palette_mjcf() -> str:
    """All distractors as bodies, out of sight."""
    return "".join(shape.mjcf(name, GROUP_MORE, f'{SOLID} mass="0"') for name, shape in PALETTE.items())


class Distractors:
    """The distractors of one compiled model."""

    def __init__(self, world: Tabletop) -> None:
        self._model = world.model
        self._painter = Painter(world.model)
        self.shown: tuple[Extra, ...] = ()

    def clear(self) -> None:
        """Out of sight with all."""
        for name in PALETTE:
            self._put(name, pose(np.eye(3), _PARKED))
        self.shown = ()

    def _put(self, name: str, placed: np.ndarray) -> None:
        x, y, z, w = quaternion_from_matrix(placed[:3, :3])
        body = self._model.body(name).id
        self._model.body_pos[body], self._model.body_quat[body] = placed[:3, 3], (w, x, y, z)

    def scatter(
        self,
        world: Tabletop,
        count: int,
        places: list[tuple[np.ndarray, float]],
        rng: np.random.Generator,
        held: tuple[str, np.ndarray] | None = None,
    ) -> None:
        """Show up to `count` of them where there is room. places: (x, y) and footprint of what is there already.

        held: name and pose (4, 4) of one that is in the gripper.
        """
        self.clear()
        names = [str(name) for name in rng.permutation(list(PALETTE))]
        if held is not None:
            names.sort(key=lambda name: name != held[0])
        names = names[:count]
        shapes = [PALETTE[name] for name in names]
        # A green tin can beside a green block is a fair question, a second green block is not.
        taken = {(thing.kind, thing.colour) for thing in world.things()}
        shown: list[Extra] = []
        covered = list(places)
        where: dict[str, np.ndarray] = {}
        for name, shape, colour in zip(names, shapes, draw_colours(shapes, taken, rng), strict=True):
            self._painter.paint(name, colour, rng)
            turn = matrix_from_euler(np.array([0.0, 0.0, rng.uniform(-np.pi, np.pi)]))
            if held is not None and name == held[0]:
                self._put(name, held[1])
                shown.append(Extra(name, shape, colour, "", held=True))
                continue
            below = self._room(shown, where, shape, rng)
            if below is not None:
                at = where[below.body] + (0, 0, below.shape.floor + shape.half_height)
                support = below.body
            else:
                spot = _free_spot(shape.footprint, covered, rng)
                if spot is None:
                    continue
                covered.append((spot, shape.footprint))
                at, support = np.array([*spot, shape.half_height]), SURFACE
            self._put(name, pose(turn, at))
            where[name] = at
            shown.append(Extra(name, shape, colour, support))
        self.shown = tuple(shown)

    @staticmethod
    def _room(shown: list[Extra], where: dict[str, np.ndarray], shape: Shape, rng: np.random.Generator) -> Extra | None:
        """Something already there on which the shape may stand, sometimes."""
        fit = [
            other for other in shown
            if other.body in where and other.support == SURFACE and shape.footprint < _FIT * other.shape.top and shape.half_height < _LOW
            and (shape.kind != "ball" or other.shape.floor < 0)  # a ball stays in a bowl, not on a can
            and not any(third.support == other.body for third in shown)
        ]  # fmt: skip
        return fit[rng.integers(len(fit))] if fit and rng.random() < _STACKED else None


def _free_spot(footprint: float, covered: list[tuple[np.ndarray, float]], rng: np.random.Generator) -> np.ndarray | None:
    for _ in range(60):
        spot = rng.uniform(_AREA_MIN, _AREA_MAX)
        if all(np.linalg.norm(spot - other) > footprint + radius + _GAP for other, radius in covered):
            return spot
    return None


def covered_by_task(world: Tabletop, source: np.ndarray, target: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Where the task's two objects lie, as `Distractors.scatter` wants it."""
    things = [THINGS[name] for name in (world.spec.source, world.spec.target)]
    return [(placed[:2, 3], thing.footprint) for placed, thing in zip((source, target), things, strict=True)]
