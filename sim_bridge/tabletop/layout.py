"""Where things start and how they look: the part of an episode that its seed decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mujoco
import numpy as np

from sim_bridge.tabletop.objects import Thing
from sim_bridge.tabletop.scene import FINGER_STROKE, GROUP_SOURCE, GROUP_TARGET, TEXTURES
from vlaser_core.errors import InputError
from vlaser_core.geometry import matrix_from_euler, pose, quaternion_from_matrix

if TYPE_CHECKING:
    from sim_bridge.tabletop.world import Tabletop

REGION_MIN, REGION_MAX = np.array([0.22, -0.11]), np.array([0.38, 0.11])  # where objects start, metres
TARGET_YAW = 0.4  # rad; a target lies roughly square to the robot
HOME_JITTER = 0.02  # rad, standard deviation a joint


class Looks:
    """Colours, table and lamp of one model, and how far they vary."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._rgba = model.geom_rgba.copy()
        self._objects = np.isin(model.geom_group, (GROUP_SOURCE, GROUP_TARGET))
        self._table = model.geom("table").id
        self._tables = np.array([model.material(f"table{i}").id for i in range(TEXTURES)])
        self._floor = model.material("floor").id

    def vary(self, rng: np.random.Generator) -> None:
        """Another table, lamp and shade of every object."""
        model = self._model
        model.geom_matid[self._table] = rng.choice(self._tables)
        model.mat_rgba[self._tables, :3] = np.clip(rng.uniform(0.82, 1.0) + rng.uniform(-0.03, 0.03, 3), 0, 1)
        model.mat_rgba[self._floor, :3] = rng.uniform(0.2, 0.5) + rng.uniform(-0.03, 0.03, 3)
        model.light_pos[0] = rng.uniform((0.0, -0.4, 1.5), (0.6, 0.4, 1.8))
        model.light_dir[0] = (0.3, 0.0, 0.0) - model.light_pos[0]
        model.light_diffuse[0] = rng.uniform(0.55, 0.72) + rng.uniform(-0.02, 0.02, 3)
        for group in (GROUP_SOURCE, GROUP_TARGET):
            shade = rng.uniform(0.88, 1.06) * (1 + rng.uniform(-0.06, 0.06, 3))
            chosen = model.geom_group == group
            model.geom_rgba[chosen, :3] = np.clip(self._rgba[chosen, :3] * shade, 0, 1)


def draw_places(world: Tabletop, rng: np.random.Generator, margin: float = 0.0, closeness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Poses (4, 4) of source and target, lying apart in the start region widened by `margin` metres."""
    source, target = world.things()
    for _ in range(1000):
        places = rng.uniform(REGION_MIN - margin, REGION_MAX + margin, (2, 2))
        if np.linalg.norm(places[0] - places[1]) >= world.spec.min_distance * closeness:
            yaw = rng.uniform(-np.pi / 2, np.pi / 2)
            return lying(source, places[0], yaw), lying(target, places[1], rng.uniform(-TARGET_YAW, TARGET_YAW))
    raise InputError(f"no room for {source.name} and {target.name} {world.spec.min_distance} m apart")


def lying(thing: Thing, place: np.ndarray, yaw: float, below: float = 0.0) -> np.ndarray:
    """Pose (4, 4) of a thing at rest at `place` (2,) on something of height `below` (m)."""
    return pose(matrix_from_euler(np.array([0.0, 0.0, yaw])), np.array([*place, below + thing.half_height]))


def put(world: Tabletop, name: str, placed: np.ndarray) -> None:
    """Move an object to a pose (4, 4), at rest."""
    x, y, z, w = quaternion_from_matrix(placed[:3, :3])
    body = world.model.body(name)
    if body.jntnum[0] == 0:
        world.model.body_pos[body.id], world.model.body_quat[body.id] = placed[:3, 3], (w, x, y, z)
    else:
        joint = world.data.joint(name)
        joint.qpos[:3], joint.qpos[3:], joint.qvel[:] = placed[:3, 3], (w, x, y, z), 0.0


def set_arm(world: Tabletop, joints: np.ndarray, openness: float, command: float | None = None) -> None:
    """Teleport the arm to `joints` (n,) rad and the fingers to `openness`, servos holding there (fingers: at `command`)."""
    count = len(joints)
    world.data.qpos[:count], world.data.qpos[count : count + 2] = joints, openness * FINGER_STROKE
    world.data.qvel[: count + 2] = 0.0
    world.set_target(joints, np.array([openness if command is None else command]))


def place_start(world: Tabletop, rng: np.random.Generator) -> None:
    """The start of an episode: objects lying apart, arm near home, fingers open."""
    source, target = draw_places(world, rng)
    put(world, world.spec.source, source)
    put(world, world.spec.target, target)
    arm = world.embodiment.arms[0]
    set_arm(world, np.array(arm.home) + rng.normal(0, HOME_JITTER, len(arm.home)), 1.0)
