"""`AlohaTable`: two arms at a table as a `sim_bridge.world.World`.

    world = AlohaTable(renderer="auto")
    world.reset("aloha_transfer_cube", seed=7)
    observation = world.observe()
"""

from __future__ import annotations

import zlib

import mujoco
import numpy as np

from sim_bridge.aloha.pictures import GlPictures, RayPictures, open_pictures
from sim_bridge.aloha.scene import FINGER_STROKE, TIMESTEP, build_model, finger
from sim_bridge.aloha.tasks import TASKS, Task, find_task
from sim_bridge.tabletop.renderers import choose_renderer
from vlaser_core.embodiment import Embodiment, load_embodiment
from vlaser_core.errors import InputError
from vlaser_core.geometry import pose
from vlaser_core.processing.proprio import proprio_from_joints
from vlaser_core.types import Observation

HOME_JITTER = 0.01  # rad, standard deviation a joint
LIFTED = 0.08  # metres a cube's centre is above the table when it counts as lifted
RELEASED_OPENNESS = 0.6
STILL_SPEED = 0.03  # m/s
ON_PLATE = 0.04  # metres between the centres of cube and plate


class AlohaTable:
    """Two arms and a table. `task`: reset to it at once (seed 0), else `reset` comes first.

    renderer: `auto`, `egl`, `osmesa` or `rays`; the attribute says which one draws. Raises ConfigError when the wanted one
    cannot.
    """

    def __init__(self, renderer: str = "auto", task: str | None = None, embodiment: Embodiment | None = None) -> None:
        self.embodiment = embodiment or load_embodiment("aloha")
        self.renderer = choose_renderer(renderer)
        self.tasks = tuple(TASKS)
        self._scenes: dict[str, tuple[mujoco.MjModel, mujoco.MjData]] = {}
        self._pictures: dict[str, GlPictures | RayPictures] = {}
        self._task: Task | None = None
        if task is not None:
            self.reset(task, 0)

    def reset(self, task: str, seed: int) -> None:
        """The scene of `task` that `seed` stands for, arms near home, fingers open, time 0. Raises InputError for an unknown task."""
        self._task = find_task(task)
        if task not in self._scenes:
            model = build_model(self.embodiment, self._task)
            self._scenes[task] = model, mujoco.MjData(model)
        rng = np.random.default_rng([zlib.crc32(task.encode()), seed])
        mujoco.mj_resetData(self.model, self.data)
        for thing in self._task.things:
            place, yaw = rng.uniform(*thing.region), rng.uniform(-thing.yaw, thing.yaw)
            if thing.kind == "plate":
                self.model.body_pos[self.model.body(thing.name).id][:2] = place
            else:
                self.data.joint(thing.name).qpos[:] = [*place, thing.half, np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]
        home = np.concatenate([np.array(arm.home) + rng.normal(0, HOME_JITTER, len(arm.home)) for arm in self.embodiment.arms])
        for name, angle in zip(self.embodiment.joint_names, home, strict=True):
            self.data.joint(name).qpos[0] = angle
        for arm in self.embodiment.arms:
            for side in ("left", "right"):
                self.data.joint(finger(arm, side)).qpos[0] = FINGER_STROKE
        self.set_target(home, np.ones(len(self.embodiment.arms)))
        mujoco.mj_step(self.model, self.data, 50)
        self.data.time = 0.0
        mujoco.mj_forward(self.model, self.data)

    @property
    def spec(self) -> Task:
        """The present task. Raises InputError before the first `reset`."""
        if self._task is None:
            raise InputError("the Aloha table has no scene yet; call reset(task, seed) first")
        return self._task

    @property
    def model(self) -> mujoco.MjModel:
        return self._scenes[self.spec.name][0]

    @property
    def data(self) -> mujoco.MjData:
        return self._scenes[self.spec.name][1]

    @property
    def task(self) -> str:
        return self.spec.name

    @property
    def instruction(self) -> str:
        return self.spec.instruction

    @property
    def time(self) -> float:
        """Simulated seconds since `reset`."""
        return float(self.data.time) if self._task else 0.0

    def max_steps(self) -> int:
        return round(self.spec.seconds * self.embodiment.action.rate_hz)

    def observe(self) -> Observation:
        """Every camera's picture at its own size, and proprioception; stamp = `time`."""
        images = {camera.name: self.render(camera.name, camera.width, camera.height) for camera in self.embodiment.cameras}
        return Observation(images, proprio_from_joints(self.embodiment, *self.joint_state()), self.time)

    def render(self, camera: str, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3) through one camera."""
        if self.task not in self._pictures:
            self._pictures[self.task] = open_pictures(self.renderer, self.model)
        return self._pictures[self.task].picture(self.data, camera, width, height)

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Measured arm joints (n,) in radians, arm by arm, and openness (G,) of each gripper."""
        joints = np.array([self.data.joint(name).qpos[0] for name in self.embodiment.joint_names])
        fingers = [np.mean([self.data.joint(finger(arm, side)).qpos[0] for side in ("left", "right")]) for arm in self.embodiment.arms]
        return joints, np.clip(np.array(fingers) / FINGER_STROKE, 0.0, 1.0)

    def set_target(self, joints: np.ndarray, openness: np.ndarray) -> None:
        """Servo targets: joints (n,) in radians, openness (G,). Raises InputError when they are malformed."""
        joints, openness = np.asarray(joints, dtype=float), np.asarray(openness, dtype=float)
        count, arms = len(self.embodiment.joint_names), len(self.embodiment.arms)
        if joints.shape != (count,) or openness.shape != (arms,) or not (np.isfinite(joints).all() and np.isfinite(openness).all()):
            raise InputError(f"expected {count} finite joint targets and {arms} openness values, got {joints.shape} and {openness.shape}")
        for name, angle in zip(self.embodiment.joint_names, joints, strict=True):
            self.data.actuator(name).ctrl[0] = angle
        for arm, value in zip(self.embodiment.arms, openness, strict=True):
            self.data.actuator(f"{arm.name}/fingers").ctrl[0] = value * FINGER_STROKE

    def advance(self, seconds: float) -> None:
        """Step the physics, to the nearest 2 ms."""
        mujoco.mj_step(self.model, self.data, max(0, round(seconds / TIMESTEP)))

    def thing(self, name: str) -> np.ndarray:
        """Pose (4, 4) of a thing's centre in the base frame."""
        body = self.data.body(name)
        return pose(body.xmat.reshape(3, 3).copy(), body.xpos.copy())

    def touching(self, name: str) -> set[str]:
        """Names of the bodies that touch a thing; `world` is the table."""
        thing, bodies = self.model.body(name).id, self.model.geom_bodyid[self.data.contact.geom]
        pairs = [set(pair) for pair in bodies.tolist() if thing in pair]
        return {self.model.body(other).name for pair in pairs for other in pair - {thing}}

    def holds(self, arm: int, name: str) -> bool:
        """Both fingers of an arm, nothing else of the robot and not the table touch the thing, and it is lifted."""
        fingers = {finger(self.embodiment.arms[arm], side) for side in ("left", "right")}
        return self.touching(name) == fingers and bool(self.thing(name)[2, 3] > LIFTED)

    def is_success(self) -> bool:
        """Transfer: the left arm alone holds the cube. Plate: it rests there, let go. Both: each arm holds its cube."""
        if self.task == "aloha_transfer_cube":
            return self.holds(0, "cube")
        if self.task == "aloha_lift_both":
            return self.holds(0, "other") and self.holds(1, "cube")
        away = np.linalg.norm((self.thing("cube") - self.thing("plate"))[:2, 3])
        still = np.linalg.norm(self.data.joint("cube").qvel[:3]) < STILL_SPEED
        return bool(away < ON_PLATE and self.touching("cube") == {"plate"} and still and self.joint_state()[1].min() > RELEASED_OPENNESS)

    def close(self) -> None:
        """Free the renderers. The world may be reset and used again."""
        for pictures in self._pictures.values():
            pictures.close()
        self._pictures.clear()
