"""`Tabletop`: the four Bridge tasks as a `sim_bridge.world.World`.

    world = Tabletop(renderer="auto")
    world.reset("widowx_carrot_on_plate", seed=7)
    observation = world.observe()
"""

from __future__ import annotations

import zlib

import mujoco
import numpy as np

from sim_bridge.tabletop import layout
from sim_bridge.tabletop.distractors import Distractors, palette_mjcf
from sim_bridge.tabletop.objects import THINGS, Thing
from sim_bridge.tabletop.renderers import Renderer, choose_renderer, open_renderer
from sim_bridge.tabletop.scatter import scatter
from sim_bridge.tabletop.scene import FINGER_STROKE, TIMESTEP, build_model
from sim_bridge.tabletop.state import State
from sim_bridge.tabletop.tasks import TASKS, Task, find_task
from sim_bridge.tabletop.truth import scene_truth
from sim_bridge.tabletop.view import View
from vlaser_core.data.truth import SceneTruth
from vlaser_core.embodiment import Embodiment, load_embodiment
from vlaser_core.errors import InputError
from vlaser_core.geometry import pose
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.proprio import proprio_from_joints
from vlaser_core.types import Observation

RELEASED_OPENNESS = 0.7
STILL_SPEED = 0.03  # m/s; rocking objects never stop turning, so only linear speed counts


class Tabletop:
    """A WidowX at a table. `task`: reset to it at once (seed 0), else `reset` comes first.

    renderer: `auto`, `egl`, `osmesa` or `rays`; the attribute says which one draws. Raises ConfigError when the
    wanted one cannot.

    distractors: how many further things `scatter` may show, for pictures to ask questions about; `reset` shows none.
    attempt: what the robot has just tried in the present state, where `scatter` knows (one of truth's ATTEMPTS).
    """

    def __init__(self, renderer: str = "auto", task: str | None = None, embodiment: Embodiment | None = None, distractors: int = 0) -> None:
        self.embodiment = embodiment or load_embodiment("widowx")
        self.renderer = choose_renderer(renderer)
        self.tasks = tuple(TASKS)
        self.view = View(self.embodiment.cameras[0])
        self.kinematics = Kinematics(self.embodiment.arms[0])
        self._scenes: dict[str, tuple[mujoco.MjModel, mujoco.MjData, layout.Looks]] = {}
        self._renderers: dict[str, Renderer] = {}
        self._task: Task | None = None
        self.most_distractors, self._palettes = distractors, {}
        self.attempt = ""
        if task is not None:
            self.reset(task, 0)

    def reset(self, task: str, seed: int) -> None:
        """Build the scene of `task` that `seed` stands for, arm near home, time 0. Raises InputError for an unknown task."""
        self._task = find_task(task)
        if task not in self._scenes:
            model = build_model(self.embodiment, self._task, palette_mjcf() if self.most_distractors else "")
            self._scenes[task] = model, mujoco.MjData(model), layout.Looks(model)
            if self.most_distractors:
                self._palettes[task] = Distractors(self)
        rng = np.random.default_rng([zlib.crc32(task.encode()), seed])
        mujoco.mj_resetData(self.model, self.data)
        self.attempt = ""
        if self.distractors is not None:
            self.distractors.clear()
        self._scenes[task][2].vary(rng)
        layout.place_start(self, rng)
        mujoco.mj_step(self.model, self.data, 60)
        self.data.time = 0.0
        mujoco.mj_forward(self.model, self.data)

    @property
    def spec(self) -> Task:
        """The present task. Raises InputError before the first `reset`."""
        if self._task is None:
            raise InputError("the tabletop has no scene yet; call reset(task, seed) first")
        return self._task

    @property
    def model(self) -> mujoco.MjModel:
        """MuJoCo's model of the present scene."""
        return self._scenes[self.spec.name][0]

    @property
    def data(self) -> mujoco.MjData:
        """MuJoCo's state of the present scene."""
        return self._scenes[self.spec.name][1]

    @property
    def distractors(self) -> Distractors | None:
        """The further things of the present scene, None in a world made without."""
        return self._palettes.get(self.spec.name)

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
        return self.spec.max_steps

    def observe(self) -> Observation:
        """The camera's picture at its own size, and proprioception; stamp = `time`."""
        camera = self.embodiment.cameras[0]
        joints, openness = self.joint_state()
        picture = self.render(camera.width, camera.height)
        return Observation({camera.name: picture}, proprio_from_joints(self.embodiment, joints, openness), self.time)

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Measured arm joints (n,) in radians and gripper openness (1,)."""
        count = len(self.embodiment.joint_names)
        fingers = self.data.qpos[count : count + 2]
        return self.data.qpos[:count].copy(), np.clip([fingers.mean() / FINGER_STROKE], 0.0, 1.0)

    def set_target(self, joints: np.ndarray, openness: np.ndarray) -> None:
        """Servo targets: joints (n,) in radians, openness (1,). Raises InputError when they are malformed."""
        command = np.concatenate([np.asarray(joints, dtype=float), np.asarray(openness, dtype=float) * FINGER_STROKE])
        if command.shape != self.data.ctrl.shape or not np.isfinite(command).all():
            raise InputError(f"expected {len(self.data.ctrl) - 1} finite joint targets and one openness, got {np.shape(joints)} and {np.shape(openness)}")
        self.data.ctrl[:] = command

    def advance(self, seconds: float) -> None:
        """Step the physics, to the nearest 2 ms."""
        mujoco.mj_step(self.model, self.data, max(0, round(seconds / TIMESTEP)))

    def render(self, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3): the camera's whole field of view at any size."""
        return self._renderer().picture(self.data, width, height)

    def segmentation(self, width: int, height: int) -> np.ndarray:
        """int32 (height, width): 0 ground, 1 arm, 2 source object, 3 target object, 5 distractors."""
        return self.classes(self.geoms(width, height))

    def geoms(self, width: int, height: int) -> np.ndarray:
        """int32 (height, width): which geom of `model` each pixel shows, -1 for none."""
        return self._renderer().geoms(self.data, width, height)

    def alone(self, width: int, height: int, group: int) -> np.ndarray:
        """bool (height, width): what the geoms of `group` (2 source, 3 target) would cover were nothing before them."""
        return self._renderer().geoms(self.data, width, height, (group,)) >= 0

    def classes(self, geoms: np.ndarray) -> np.ndarray:
        """Geom ids as the classes of `segmentation`."""
        groups = np.append(self.model.geom_group, 0)  # id -1, nothing, counts as ground
        return np.where(groups == 4, 1, groups).astype(np.int32)[geoms]

    def _renderer(self) -> Renderer:
        if self.task not in self._renderers:
            self._renderers[self.task] = open_renderer(self.renderer, self.model, self.view)
        return self._renderers[self.task]

    def body_pose(self, name: str) -> np.ndarray:
        """Pose (4, 4) of a body's centre in the base frame."""
        body = self.data.body(name)
        return pose(body.xmat.reshape(3, 3).copy(), body.xpos.copy())

    def state(self) -> State:
        """The moment, as the expert sees it."""
        task = self.spec
        joints, openness = self.joint_state()
        speed = np.linalg.norm(self.data.joint(task.source).qvel[:3])
        return State(
            task=task,
            gripper=self.kinematics.forward(joints),
            openness=float(openness[0]),
            source=self.body_pose(task.source),
            target=self.body_pose(task.target),
            touching_target=self._touching(task.source, task.target),
            still=bool(speed < STILL_SPEED),
        )

    def _touching(self, one: str, other: str) -> bool:
        bodies = self.model.geom_bodyid[self.data.contact.geom]
        pair = {self.model.body(one).id, self.model.body(other).id}
        return any(set(found) == pair for found in bodies.tolist())

    def is_success(self) -> bool:
        """The source lies at rest on the target, and the fingers have let go."""
        state = self.state()
        return state.on_target and state.still and state.openness > RELEASED_OPENNESS

    def truth(self, width: int = 320, height: int = 240) -> SceneTruth:
        """What is exactly known of the present picture; boxes are measured on `width` × `height` pixels."""
        return scene_truth(self, width, height)

    def scatter(self, rng: np.random.Generator, mishaps: float = 0.0) -> None:
        """Teleport into a random state of the present task, for training data: see `scatter.py`.

        mishaps: share of states in which the robot's last attempt has just failed.
        """
        self._scenes[self.task][2].vary(rng)
        scatter(self, rng, mishaps)

    def put(self, name: str, placed: np.ndarray) -> None:
        """Move an object to a pose (4, 4), at rest. Call mj_forward (or advance) before looking at the scene."""
        layout.put(self, name, placed)

    def things(self) -> tuple[Thing, Thing]:
        """The source and the target object."""
        return THINGS[self.spec.source], THINGS[self.spec.target]

    def close(self) -> None:
        """Free the renderers. The world may be reset and used again."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()
