"""Random states of a task for training data: what an episode visits, a little more, and what goes wrong in one.

About 36 % with the object in the hand somewhere on its way, 11 % just placed or being released, the rest with an empty
hand: approaching, at the grasp, or anywhere, sometimes closed. Objects stand still; impossible overlaps are drawn again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import mujoco
import numpy as np

from sim_bridge.tabletop import layout
from sim_bridge.tabletop.distractors import covered_by_task
from sim_bridge.tabletop.expert import HOVER, LOWEST, RETREAT, body_yaw, law
from sim_bridge.tabletop.mishaps import mishap
from sim_bridge.tabletop.scene import GROUP_ARM, GROUP_MORE, GROUP_SOURCE
from sim_bridge.tabletop.state import grip_openness
from vlaser_core.errors import KinematicsError, VlaserError
from vlaser_core.geometry import matrix_from_euler, pose

if TYPE_CHECKING:
    from sim_bridge.tabletop.world import Tabletop

KINDS = {"carried": 0.36, "placed": 0.11, "approach": 0.28, "grasp": 0.11, "anywhere": 0.14}
REGION_MARGIN = 0.015  # metres that objects lie outside the start region at most
OVERLAP = 0.003  # metres two bodies may overlap before the state counts as impossible
_REACH_MIN, _REACH_MAX = np.array([0.18, -0.16]), np.array([0.40, 0.16])
_HOME_HAND = np.array([0.292, -0.006, 0.125])
_DOWN = matrix_from_euler(np.array([0.0, np.pi / 2, 0.0]))
_ATTEMPTS = 300


def scatter(world: Tabletop, rng: np.random.Generator, mishaps: float = 0.0) -> str:
    """Teleport `world` into a random state and return its kind. Raises VlaserError when none is found.

    mishaps: share of states just after an attempt that failed; see `mishaps.py`.
    """
    world.attempt = ""
    if mishaps > 0 and rng.random() < mishaps:
        return mishap(world, rng, _settled)
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    draw = {"carried": _carried, "placed": _placed, "approach": _approach, "grasp": _grasp, "anywhere": _anywhere}[kind]
    for _ in range(_ATTEMPTS):
        source, target = layout.draw_places(world, rng, REGION_MARGIN, closeness=0.9)
        hand, openness, command, source = draw(world, rng, source, target)
        if _settled(world, rng, source, target, hand, openness, command, in_hand=kind in ("carried", "grasp", "placed")):
            world.attempt = {"lift": "grasp", "carry": "carry", "retreat": "release", "done": "release"}.get(law(world.state())[1], "")
            return kind
    raise VlaserError(
        f"no possible {kind!r} state of {world.task} found in {_ATTEMPTS} attempts; are the objects larger than the start region?"
    )


def _settled(
    world: Tabletop, rng: np.random.Generator, source: np.ndarray, target: np.ndarray, hand: np.ndarray, openness: float, command: float,
    in_hand: bool, wrong: tuple[str, np.ndarray] | None = None,
) -> bool:  # fmt: skip
    """Put everything there; False when the arm cannot, or bodies overlap. wrong: name and pose of a distractor in the hand."""
    joints = _posture(world, hand)
    if joints is None:
        return False
    world.data.qvel[:] = 0.0
    layout.put(world, world.spec.source, source)
    layout.put(world, world.spec.target, target)
    layout.set_arm(world, joints, openness, command)
    if world.distractors is not None:
        count = max(int(rng.integers(world.most_distractors + 1)), wrong is not None)
        world.distractors.scatter(world, count, covered_by_task(world, source, target), rng, wrong)
    mujoco.mj_forward(world.model, world.data)
    return _possible(world, in_hand)


def _hand(rng: np.random.Generator, place: np.ndarray, yaw: float, tilt: float = 0.05) -> np.ndarray:
    """A hand (4, 4) at `place` (3,), pointing down but for a little tilt."""
    lean = matrix_from_euler(np.array([*rng.normal(0, tilt, 2), 0.0]))
    return pose(lean @ matrix_from_euler(np.array([0.0, 0.0, yaw])) @ _DOWN, place)


def _posture(world: Tabletop, hand: np.ndarray) -> np.ndarray | None:
    """Joints (n,) that hold the hand there, elbow up; None when out of reach."""
    try:
        return world.kinematics.inverse(hand, _pointing_down(world, hand), iterations=25)
    except KinematicsError:
        return None


def _pointing_down(world: Tabletop, hand: np.ndarray) -> np.ndarray:
    """Joints of the hand's place and yaw with the hand pointing straight down: where the iteration starts from.

    Three links in the vertical plane of the waist; the shoulder's link is bent, so it counts by its length and angle.
    """
    waist, shoulder, elbow, roll, wrist, turn = (np.array(joint.origin) for joint in world.embodiment.arms[0].joints)
    azimuth = np.arctan2(hand[1, 3], hand[0, 3])
    out = np.hypot(hand[0, 3], hand[1, 3])
    up = hand[2, 3] + turn[0] + world.embodiment.arms[0].grasp_point[0] - waist[2] - shoulder[2]
    upper, bend, fore = np.hypot(elbow[0], elbow[2]), np.arctan2(elbow[0], elbow[2]), roll[0] + wrist[0]
    reach = np.clip(np.hypot(out, up), abs(upper - fore) + 1e-6, upper + fore - 1e-6)
    # Angles from the vertical, positive forward as the joints are.
    lean = np.arctan2(out, up) - np.arccos((upper**2 + reach**2 - fore**2) / (2 * upper * reach))
    fold = np.pi - np.arccos((upper**2 + fore**2 - reach**2) / (2 * upper * fore))
    angle_shoulder = lean - bend
    angle_elbow = lean + fold - np.pi / 2 - angle_shoulder
    yaw = np.arctan2(-hand[0, 1], hand[1, 1])
    return np.array([azimuth, angle_shoulder, angle_elbow, 0.0, np.pi / 2 - angle_shoulder - angle_elbow, azimuth - yaw])


def _aligned_yaw(world: Tabletop, rng: np.random.Generator, source: np.ndarray, spread: float) -> float:
    """A hand yaw that grasps the source, within ±100°, off by about `spread` rad."""
    symmetry = world.things()[0].symmetry
    yaws = body_yaw(source) + np.arange(-3, 4) * symmetry
    return float(rng.choice(yaws[np.abs(yaws) < np.radians(100)]) + rng.normal(0, spread))


def _carried(world: Tabletop, rng: np.random.Generator, source: np.ndarray, target: np.ndarray):
    thing, task = world.things()[0], world.spec
    where = rng.choice(3, p=(0.35, 0.25, 0.40))
    if where == 0:  # coming down on the target
        height = task.release_height + (rng.uniform(-0.004, 0.012) if rng.random() < 0.35 else rng.uniform(0.0, 0.06))
        place = [*(target[:2, 3] + rng.normal(0, rng.choice((0.5 * task.release_radius, 0.018)), 2)), height]
    elif where == 1:  # just picked up
        place = [*source[:2, 3], thing.half_height + rng.uniform(0, 0.10)]
    else:
        share = rng.uniform(-0.1, 1.0)
        place = [*(source[:2, 3] + share * (target[:2, 3] - source[:2, 3]) + rng.normal(0, 0.015, 2)), rng.uniform(0.06, 0.13)]
    source = source.copy()
    source[:3, 3] = place
    yaw = _aligned_yaw(world, rng, source, 0.06)
    slip = np.clip(rng.normal(0, 0.004, 2), -0.008, 0.008)
    along = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    grip = source[:3, 3] + (0, 0, max(thing.grasp_height, LOWEST - thing.half_height) + slip[0]) + along * slip[1]
    grip[2] = max(grip[2], 0.012)
    return _hand(rng, grip, yaw, 0.02), grip_openness(thing), 0.0, source


def _placed(world: Tabletop, rng: np.random.Generator, source: np.ndarray, target: np.ndarray):
    thing, task = world.things()[0], world.spec
    spot = target[:2, 3] + rng.normal(0, 0.4 * task.release_radius, 2)
    placed = layout.lying(thing, spot, body_yaw(source), task.place_height - thing.half_height - 0.0003)
    low = max(task.place_height, task.release_height if task.target == "basket" else 0.0) + thing.grasp_height
    risen = rng.random() < 0.6
    top = RETREAT + 0.015
    height = rng.uniform(RETREAT - 0.01 if rng.random() < 0.35 else low, top) if risen else low + rng.uniform(0, 0.005)
    openness = rng.uniform(0.93, 1.0) if risen or rng.random() < 0.4 else rng.uniform(grip_openness(thing) + 0.03, 1.0)
    hand = _hand(rng, np.array([*(spot + rng.normal(0, 0.004, 2)), height]), _aligned_yaw(world, rng, placed, 0.06), 0.03)
    return hand, openness, 1.0, placed


def _approach(world: Tabletop, rng: np.random.Generator, source: np.ndarray, target: np.ndarray):
    thing = world.things()[0]
    low = max(source[2, 3] + thing.grasp_height, LOWEST)
    spread = rng.choice((0.006, 0.02, 0.05))
    place = [*(source[:2, 3] + rng.normal(0, spread, 2)), rng.uniform(low, HOVER + 0.03)]
    yaw = _aligned_yaw(world, rng, source, rng.choice((0.08, 0.6)))
    openness = rng.uniform(0.93, 1.0) if rng.random() < 0.9 else rng.uniform(0.0, 0.9)
    return _hand(rng, np.array(place), yaw), openness, openness, source


def _grasp(world: Tabletop, rng: np.random.Generator, source: np.ndarray, target: np.ndarray):
    thing = world.things()[0]
    low = max(source[2, 3] + thing.grasp_height, LOWEST)
    place = [*(source[:2, 3] + rng.normal(0, 0.004, 2)), low + rng.uniform(-0.003, 0.012)]
    openness = rng.uniform(0.93, 1.0) if rng.random() < 0.6 else rng.uniform(grip_openness(thing), 1.0)
    return _hand(rng, np.array(place), _aligned_yaw(world, rng, source, 0.06), 0.03), openness, openness, source


def _anywhere(world: Tabletop, rng: np.random.Generator, source: np.ndarray, target: np.ndarray):
    if rng.random() < 0.35:
        place, yaw = _HOME_HAND + rng.normal(0, 0.015, 3), rng.normal(0, 0.06)
    else:
        place, yaw = np.array([*rng.uniform(_REACH_MIN, _REACH_MAX), rng.uniform(0.02, 0.15)]), rng.uniform(-1.7, 1.7)
    openness = rng.uniform(0.93, 1.0) if rng.random() < 0.7 else rng.choice((0.0, rng.uniform(0.0, 0.9)))
    return _hand(rng, place, yaw), openness, openness, source


def _possible(world: Tabletop, in_hand: bool) -> bool:
    """No two bodies overlap by more than fingers press into what they hold."""
    contact = world.data.contact
    groups = world.model.geom_group[contact.geom]
    pressed = (
        (groups == GROUP_ARM).any(axis=1) & np.isin(groups, (GROUP_SOURCE, GROUP_MORE)).any(axis=1)
        if in_hand
        else np.zeros(len(groups), bool)
    )
    return bool((contact.dist > np.where(pressed, -2 * OVERLAP, -OVERLAP)).all())
