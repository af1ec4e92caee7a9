"""Environments that answer as SimplerEnv's do, over toy kinematics: a tool that follows its deltas, a gripper that takes what is near.

`misbehave` among the options of building one makes it crash, hang, raise or lie at a step: "crash 3", "hang 3", "raise 3", "nan 3", "noise 3";
with a path behind it only as long as that file does not exist, which is made then: "crash 3 /tmp/once".
"""

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import gymnasium
import numpy as np

ON, LIFT, NEAR, OPEN = "on", "lift", "near", "open"
HEIGHT = 0.02  # m, half a thing's


class Pose:
    def __init__(self, matrix):
        self.matrix = np.asarray(matrix, dtype=np.float32)

    def to_transformation_matrix(self):
        return self.matrix

    def transform(self, other):
        return Pose(self.matrix @ other.matrix)


class Actor:
    cmass_local_pose = Pose(np.eye(4))

    def __init__(self, name, place):
        self.name, self.place = name, np.asarray(place, dtype=float)

    @property
    def pose(self):
        matrix = np.eye(4)
        matrix[:3, 3] = self.place + World.FOOT
        return Pose(matrix)


class World:
    FOOT = np.array([0.1, 0.0, 0.87])  # of the robot in the room; what is told is in the robot's frame

    def __init__(self, env_id, obs_mode, renderer_kwargs, misbehave="", **options):
        assert obs_mode == "rgbd" and renderer_kwargs == {"offscreen_only": True}
        self.google = options.get("robot") == "google_robot_static"
        assert self.google or options == {"prepackaged_config": True}
        self.kind = KINDS[env_id]
        self.env_id, self.misbehave, self.closed = env_id, misbehave.split(), False
        self.agent = SimpleNamespace(base_pose=Pose(_at(self.FOOT)), get_gripper_closedness=lambda: 1.0 - self.openness, robot=SimpleNamespace(get_qpos=self.joints))
        self.target_obj = self.obj = self.episode_source_obj = None
        self.model_bbox_size = None

    def reset(self, seed, options):
        assert options["reconfigure"] is True and seed == 40194941
        start = options.get("obj_init_options", {})
        layout = start.get("episode_id", 0)
        rng = np.random.RandomState(layout % 24 if not self.google else layout)
        self.elapsed_steps, self.openness, self.held = 0, 1.0, False
        # The hand points down: its x (Bridge) or z (Google robot) leads out of it.
        rotation = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]] if not self.google else [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
        self.tool = _at([0.29, 0.0, 0.14])
        self.tool[:3, :3] = rotation
        self.target = self.tool.copy()
        xy = start.get("init_xy") or [0.30 + 0.06 * rng.rand(), 0.06 + 0.04 * rng.rand()]
        source = Actor("source", [0.3 + 0.2 * (xy[0] + 0.2) if "init_xy" in start else xy[0], xy[1] * 0.5 if "init_xy" in start else xy[1], HEIGHT])
        self.stands = source.place[2]
        if self.kind in (ON, NEAR):
            other = Actor("target", [0.34, -0.06 - 0.05 * rng.rand(), HEIGHT])
            self.episode_source_obj, self.episode_target_obj, self.episode_objs = source, other, [source, other]
            self.episode_model_bbox_sizes = [np.full(3, 2 * HEIGHT), np.full(3, 2 * HEIGHT)]
            self.source = source
        elif self.kind == LIFT:
            self.obj = self.source = source
            self.model_bbox_size = np.full(3, 2 * HEIGHT)
        else:
            self.source = source
        return self.get_obs(), {}

    @property
    def tcp(self):
        pose = self.tool.copy()
        pose[:3, 3] += self.FOOT
        return SimpleNamespace(pose=Pose(pose))

    def joints(self):
        return np.concatenate([self.tool[:3, 3], self.target[:3, 3], [0.015 + 0.022 * self.openness] * 2]).astype(np.float32)

    def step(self, action):
        assert np.shape(action) == (7,)
        self._misbehave()
        way, turn, gripper = action[:3], _rotation(action[3:6]), action[6]
        if self.google:
            self.target = self.tool.copy()
            self.target[:3, 3] += way
        else:
            pivot = self.tool[:3, 3]
            self.target[:3, 3] = pivot + turn @ (self.target[:3, 3] - pivot) + way
        self.target[:3, :3] = turn @ self.target[:3, :3]
        before = self.tool[:3, 3].copy()
        self.tool[:3, :3] = self.target[:3, :3]
        self.tool[:3, 3] += 0.8 * (self.target[:3, 3] - before) if not self.google else self.target[:3, 3] - before
        wanted = self.openness - 0.5 * gripper if self.google else (gripper + 1) / 2
        self.openness = float(np.clip(wanted, self.openness - 0.5, self.openness + 0.5).clip(0, 1))
        self._carry(self.tool[:3, 3] - before)
        self.elapsed_steps += 1
        return self.get_obs(), self.success(), {"episode_stats": {"held": np.bool_(self.held), "height": np.float32(self.source.place[2])}}

    def _carry(self, moved):
        if self.openness > 0.5:
            if self.held:
                self.source.place[2] = self._rest()
            self.held = False
        elif self.held:
            self.source.place += moved
        elif np.linalg.norm(self.tool[:3, 3] - self.source.place) < 0.02:
            self.held = True

    def _rest(self):
        over = self.kind == ON and np.linalg.norm((self.source.place - self.episode_target_obj.place)[:2]) < 0.03
        return 3 * HEIGHT if over else HEIGHT

    def success(self):
        if self.kind == LIFT:
            return bool(self.held and self.source.place[2] > self.stands + 0.02)
        if self.kind == OPEN:
            return False
        gap = np.linalg.norm((self.source.place - self.episode_target_obj.place)[:2])
        if self.kind == NEAR:
            return bool(not self.held and gap < 0.12)
        return bool(not self.held and self.source.place[2] > 2 * HEIGHT and gap < 0.03)

    def get_language_instruction(self):
        return INSTRUCTIONS[self.kind] if self.kind != OPEN or self.elapsed_steps < 100 else "place apple into top drawer"

    def get_obs(self):
        picture = np.full((512 if self.google else 480, 640, 3), 90, np.uint8)
        # The target is the largest, so that some of it is seen around what lies on it.
        things = [(self.tool[:3, 3], (20, 20, 20), 8), (self.source.place, (200, 120, 30), 12)]
        if self.kind in (ON, NEAR):
            things.insert(0, (self.episode_target_obj.place, (40, 60, 200), 40))
        for place, colour, half in things:
            row, column = int(200 + 800 * (place[0] - 0.3)), int(320 - 1500 * place[1])
            picture[max(row - half, 0) : row + half, max(column - half, 0) : column + half] = colour
        return {"image": {"overhead_camera" if self.google else "3rd_view_camera": {"rgb": picture}}}

    def _misbehave(self):
        if not self.misbehave or self.elapsed_steps != int(self.misbehave[1]):
            return
        if len(self.misbehave) > 2:
            once = Path(self.misbehave[2])
            if once.exists():
                return
            once.touch()
        what = self.misbehave[0]
        print(f"about to {what}", file=sys.stderr, flush=True)
        if what == "crash":
            os.abort()
        if what == "hang":
            time.sleep(3600)
        if what == "noise":
            os.write(int(sys.argv[1]), b"a driver that writes where it should not")
        if what == "nan":
            self.tool[:3, 3] = np.nan
        if what == "raise":
            raise RuntimeError("the physics exploded")


def _at(place):
    matrix = np.eye(4)
    matrix[:3, 3] = place
    return matrix


def _rotation(vector):
    angle = np.linalg.norm(vector)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


INSTRUCTIONS = {ON: "put the spoon on the towel", LIFT: "pick coke can", NEAR: "move apple near orange", OPEN: "open top drawer"}
KINDS = {
    **{
        name: ON
        for name in (
            "PutSpoonOnTableClothInScene-v0",
            "PutCarrotOnPlateInScene-v0",
            "StackGreenCubeOnYellowCubeBakedTexInScene-v0",
            "PutEggplantInBasketScene-v0",
        )
    },
    **{f"GraspSingleOpenedCokeCan{part}InScene-v0": LIFT for part in ("", "Distractor", "AltGoogleCamera", "AltGoogleCamera2")},
    **{f"MoveNear{part}InScene-v0": NEAR for part in ("Google", "GoogleBakedTex", "AltGoogleCamera", "AltGoogleCamera2")},
    **{f"{verb}{drawer}DrawerCustomInScene-v0": OPEN for verb in ("Open", "Close") for drawer in ("Top", "Middle", "Bottom")},
    **{f"PlaceIntoClosed{drawer}DrawerCustomInScene-v0": OPEN for drawer in ("Top", "Middle", "Bottom")},
}
STEPS = {ON: 60, LIFT: 80, NEAR: 80, OPEN: 113}
for _name, _kind in KINDS.items():
    gymnasium.registry[_name] = (World, 120 if "Eggplant" in _name else 200 if "Place" in _name else STEPS[_kind])
