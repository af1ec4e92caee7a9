"""A scripted expert with privileged poses whose action depends on the present moment alone.

Having no memory, it has an answer for any state the arm may be teleported or pushed into, so that labels exist for
scattered scenes too. Motion follows funnels: above an object the height to be at falls with the distance still to go, and
horizontal motion waits while the hand is below that height.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sim_bridge.tabletop.state import State
from vlaser_core.geometry import euler_from_matrix, matrix_from_euler, matrix_from_rotvec, rotvec_from_matrix

if TYPE_CHECKING:
    from sim_bridge.tabletop.world import Tabletop

MAX_TRANSLATION, MAX_ROTATION = 0.03, 0.25  # metres and radians a step
GAIN = 0.75  # share of the remaining way taken in one step, when near
HOVER, RETREAT, LOWEST = 0.11, 0.13, 0.014  # metres of the grasp point above the table
OPENING = 0.4  # openness the fingers are expected to change by in one step
OPEN = 0.85  # openness from which the fingers count as open
YAW_LIMIT = np.radians(100)  # of the hand, so that the wrist never winds up
_DOWN = matrix_from_euler(np.array([0.0, np.pi / 2, 0.0]))


def hand_yaw(gripper: np.ndarray) -> float:
    """Yaw (rad) of a hand (4, 4) that points down: 0 closes its fingers along the base's y axis."""
    return float(np.arctan2(-gripper[0, 1], gripper[1, 1]))


def body_yaw(body: np.ndarray) -> float:
    """Yaw (rad) of a pose's x axis."""
    return float(np.arctan2(body[1, 0], body[0, 0]))


def grasp_yaw(state: State) -> float:
    """Hand yaw (rad) of the grasp nearest to the present one, among those the object's symmetry allows."""
    now, turns = hand_yaw(state.gripper), np.arange(-4, 5) * state.thing.symmetry
    yaws = body_yaw(state.source) + turns
    allowed = yaws[np.abs(yaws) <= YAW_LIMIT]
    return float(allowed[np.argmin(np.abs(allowed - now))])


def _descent(distance: float, clear: float, ramp: float) -> float:
    """0 on the goal … 1 where the hand has to be at full height."""
    x = np.clip((distance - clear) / ramp, 0.0, 1.0)
    return float(x * x * (3 - 2 * x))


def _move(way: np.ndarray, height_error: float) -> np.ndarray:
    """Translation (3,) for a horizontal way (2,) and a height error (m, positive: go up)."""
    waits = np.clip(1.0 - (height_error - 0.015) / 0.025, 0.0, 1.0)
    step = GAIN * np.array([*(way * waits), height_error])
    length = np.linalg.norm(step)
    return step * min(1.0, MAX_TRANSLATION / length) if length > 0 else step


def _turn(gripper: np.ndarray, yaw: float) -> tuple[np.ndarray, float]:
    """Rotation step (3,) rpy towards a hand pointing down at `yaw`, and the angle (rad) still to go."""
    goal = matrix_from_euler(np.array([0.0, 0.0, yaw])) @ _DOWN
    way = rotvec_from_matrix(goal @ gripper[:3, :3].T)
    angle = float(np.linalg.norm(way))
    share = min(GAIN, MAX_ROTATION / angle) if angle > 0 else 0.0
    return euler_from_matrix(matrix_from_rotvec(way * share)), angle


def _still(openness: float) -> np.ndarray:
    return np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, openness])


def law(state: State) -> tuple[np.ndarray, str]:
    """Action (7,) in policy space (m, rad, openness) and phase for one moment."""
    over_target = np.linalg.norm(state.offset) < 2 * state.task.release_radius
    if state.held:
        return _carry(state)
    if state.on_target or (over_target and state.in_jaw and state.source[2, 3] < state.task.release_height + 0.015):
        if state.openness < OPEN:
            return _still(1.0), "release"
        rise = RETREAT - state.gripper[2, 3]
        if rise < 0.01:
            return _still(1.0), "done"
        return np.array([0, 0, min(MAX_TRANSLATION, max(rise * GAIN, 0.005)), 0, 0, 0, 1.0]), "retreat"
    return _fetch(state)


def _carry(state: State) -> tuple[np.ndarray, str]:
    task, height = state.task, state.source[2, 3]
    way = state.offset
    distance = float(np.linalg.norm(way))
    if distance < task.release_radius and (height < task.release_height + 0.006 or state.touching_target):
        return _still(1.0), "release"
    high = max(0.09, task.release_height + 0.045)
    wanted = task.release_height + (high - task.release_height) * _descent(distance, 0.7 * task.release_radius, 0.03)
    turn, _ = _turn(state.gripper, hand_yaw(state.gripper))
    phase = "lower" if distance < task.release_radius else "carry" if height > wanted - 0.03 else "lift"
    return np.concatenate([_move(way, wanted - height), turn, [0.0]]), phase


def _fetch(state: State) -> tuple[np.ndarray, str]:
    point, hand = state.grasp_point, state.gripper[:3, 3]
    way, low = point[:2] - hand[:2], max(point[2], LOWEST)
    turn, angle = _turn(state.gripper, grasp_yaw(state))
    distance, above = float(np.linalg.norm(way)), hand[2] - low
    closing = state.openness < OPEN and state.in_jaw and abs(above) < 0.012
    if closing or (distance < 0.008 and -0.008 < above < 0.005 and angle < 0.2 and state.openness >= OPEN):
        return _still(0.0), "grasp"
    # Fingers that are not yet open or not yet turned keep the hand up, as distance does.
    shut = max(0.0, OPEN - state.openness) * 0.1
    wanted = low + (HOVER - low) * _descent(float(np.hypot(distance, 0.06 * angle)) + shut, 0.008, 0.025)
    step = _move(way, wanted - hand[2])
    if state.openness < OPEN and hand[2] < low + 0.04:
        step[:2] = 0.0  # opening beside the object would push it
    return np.concatenate([step, turn, [1.0]]), "descend" if distance < 0.02 and angle < 0.35 else "reach"


def think_ahead(state: State, action: np.ndarray) -> State:
    """The state after `action`, were the world kinematic: a held object moves with the hand, a released one drops."""
    gripper, source = state.gripper.copy(), state.source.copy()
    turn = matrix_from_euler(action[3:6])
    held = state.held
    gripper[:3, 3] += action[:3]
    gripper[:3, :3] = turn @ gripper[:3, :3]
    touching = state.touching_target
    if action[6] > 0.5:
        openness = min(1.0, state.openness + OPENING)
        if held and openness > state.grip_openness + 0.10:
            over = np.linalg.norm(state.offset) < state.task.success_radius
            source[2, 3] = state.task.place_height if over else state.thing.half_height
            touching = bool(over)
    else:
        openness = max(state.grip_openness if state.in_jaw else 0.0, state.openness - OPENING)
        if held:
            source = source.copy()
            source[:3, 3] = gripper[:3, 3] + turn @ (state.source[:3, 3] - state.gripper[:3, 3])
            source[:3, :3] = turn @ source[:3, :3]
            touching = False
    return replace(state, gripper=gripper, source=source, openness=openness, touching_target=touching)


class ScriptedExpert:
    """The expert of one world. noise: metres, standard deviation of what `perturb` adds to the translations of a chunk."""

    def __init__(self, world: Tabletop, noise: float = 0.0, seed: int = 0) -> None:
        self._world, self._noise, self._rng = world, noise, np.random.default_rng(seed)

    def chunk(self) -> np.ndarray:
        """Actions (H, 7) in policy space for the present state, without noise."""
        state, actions = self._world.state(), []
        for _ in range(self._world.embodiment.action.horizon):
            action, _ = law(state)
            actions.append(action)
            state = think_ahead(state, action)
        return np.array(actions)

    def phase(self) -> str:
        """One of vlaser_core.data.truth.PHASES, for the present state."""
        return law(self._world.state())[1]

    def grasp_yaw(self) -> float:
        """Hand yaw (rad) the expert grasps with."""
        return grasp_yaw(self._world.state())

    def perturb(self, actions: np.ndarray) -> np.ndarray:
        """`actions` (H, 7) with noise on the steps that move; what to execute when recording, not what to learn."""
        moving = np.linalg.norm(actions[:, :3], axis=1, keepdims=True) > 1e-6
        noisy = actions.copy()
        noisy[:, :3] += moving * self._rng.normal(0, self._noise, (len(actions), 3)) if self._noise > 0 else 0.0
        return noisy
