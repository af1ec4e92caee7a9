"""States just after something went wrong: grasped nothing, lost on the way, dropped beside, took the wrong thing.

What a question about recovery needs; scattered only when asked for, so that training for control stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sim_bridge.tabletop import layout
from sim_bridge.tabletop.distractors import PALETTE
from sim_bridge.tabletop.expert import body_yaw
from sim_bridge.tabletop.scene import FINGER_STROKE
from vlaser_core.errors import VlaserError
from vlaser_core.geometry import matrix_from_euler, pose

if TYPE_CHECKING:
    from sim_bridge.tabletop.world import Tabletop

ATTEMPT = {"missed": "grasp", "wrong": "grasp", "lost": "carry", "beside": "release"}
_DOWN = matrix_from_euler(np.array([0.0, np.pi / 2, 0.0]))
_ATTEMPTS = 300
_MARGIN = 0.015  # as of other scattered states


def _hand(place: np.ndarray, yaw: float) -> np.ndarray:
    return pose(matrix_from_euler(np.array([0.0, 0.0, yaw])) @ _DOWN, place)


def _yaw(world: Tabletop, source: np.ndarray, rng: np.random.Generator) -> float:
    yaws = body_yaw(source) + np.arange(-3, 4) * world.things()[0].symmetry
    return float(rng.choice(yaws[np.abs(yaws) < np.radians(100)]) + rng.normal(0, 0.06))


def mishap(world: Tabletop, rng: np.random.Generator, settled: Callable[..., bool]) -> str:
    """Teleport into the state after a failed attempt; returns its kind. `settled` puts everything there, as in `scatter.py`.

    The wrong thing is only taken where there are distractors. Raises VlaserError when no such state is found.
    """
    kinds = [kind for kind in ATTEMPT if kind != "wrong" or world.distractors is not None]
    kind = kinds[rng.integers(len(kinds))]
    thing = world.things()[0]
    for _ in range(_ATTEMPTS):
        source, target = layout.draw_places(world, rng, _MARGIN, closeness=0.9)
        openness, command, wrong, top = float(rng.uniform(0.0, 0.06)), 0.0, None, source[2, 3] + thing.grasp_height
        yaw = _yaw(world, source, rng)
        if kind == "missed":  # closed above it or beside it
            aside = rng.uniform(0.025, 0.06) * np.array([np.cos(a := rng.uniform(-np.pi, np.pi)), np.sin(a)])
            place = [*(source[:2, 3] + aside), top + rng.uniform(0.035, 0.10)]
        elif kind == "lost":  # it lies somewhere on the way, the closed hand is past it
            way = target[:2, 3] - source[:2, 3]
            place = [*(source[:2, 3] + rng.uniform(0.3, 1.0) * way + rng.normal(0, 0.01, 2)), rng.uniform(0.08, 0.13)]
        elif kind == "beside":  # let go next to where it belongs
            openness, command = float(rng.uniform(0.93, 1.0)), 1.0
            away = world.things()[1].footprint + thing.footprint + rng.uniform(0.008, 0.035)
            spot = target[:2, 3] + away * np.array([np.cos(a := rng.uniform(-np.pi, np.pi)), np.sin(a)])
            source = layout.lying(thing, spot, body_yaw(source))
            place = [*(spot + rng.normal(0, 0.006, 2)), top + rng.uniform(0.05, 0.11)]
        else:  # something else is in the fingers
            place = [*rng.uniform((0.24, -0.11), (0.38, 0.11)), rng.uniform(0.09, 0.13)]
            taken = [name for name, shape in PALETTE.items() if shape.width > 0]
            name = taken[rng.integers(len(taken))]
            shape = PALETTE[name]
            wrong = name, pose(matrix_from_euler(np.array([0.0, 0.0, yaw])), np.array(place) - (0, 0, shape.grasp_height))
            openness = shape.width / 2 / FINGER_STROKE
        hand = _hand(np.array(place), yaw)
        if not settled(world, rng, source, target, hand, openness, command, in_hand=wrong is not None, wrong=wrong):
            continue
        state = world.state()
        if state.held or state.on_target:
            continue
        world.attempt = ATTEMPT[kind]
        return kind
    raise VlaserError(f"no {kind!r} state of {world.task} found in {_ATTEMPTS} attempts; are the objects larger than the start region?")
