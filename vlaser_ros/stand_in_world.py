"""A world without physics: joints are where they are told to be, and a dot in the picture shows each grasp point.

For tests and benchmarks of the ROS side where MuJoCo or OpenGL is not the subject. Any embodiment.
"""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.proprio import proprio_from_joints
from vlaser_core.types import Observation

GOAL_RADIUS = 0.03  # m
COLOURS = ((230, 60, 40), (40, 90, 230))


class StandInWorld:
    """One task, `reach`: the first arm's grasp point within 3 cm of `goal`. The seed turns the arms' first joints at the start.

    The picture is the workspace from above: x up, y to the left.
    """

    tasks = ("reach",)
    renderer = "drawn"

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment = embodiment
        self._kinematics = [Kinematics(arm) for arm in embodiment.arms]
        # (0.25, 0, 0.2) in a WidowX's own frame; for other robots a tenth of a metre before the hand at home.
        single = embodiment.action.kind == "delta_eef_pose"
        home = self._kinematics[0].forward(np.array(embodiment.arms[0].home))
        self.goal = np.array([0.25, 0.0, 0.2]) if single else (home @ (0.1, 0.0, 0.0, 1.0))[:3]
        self.reset("reach", 0)

    def reset(self, task: str, seed: int) -> None:
        if task not in self.tasks:
            raise InputError(f"unknown task {task!r}; known: {', '.join(self.tasks)}")
        self.task, self.instruction, self.time = task, "reach the middle", 0.0
        rng = np.random.default_rng(seed)
        starts = [np.array(arm.home) for arm in self.embodiment.arms]
        for start in starts:
            start[0] += rng.uniform(-0.4, 0.4)
        self._joints, self._openness = np.concatenate(starts), np.ones(len(starts))

    def observe(self) -> Observation:
        images = {camera.name: self._picture(camera.width, camera.height) for camera in self.embodiment.cameras}
        return Observation(images, proprio_from_joints(self.embodiment, self._joints, self._openness), self.time)

    def _grasp_points(self) -> list[np.ndarray]:
        points, offset = [], 0
        for arm, kinematics in zip(self.embodiment.arms, self._kinematics, strict=True):
            points.append(kinematics.forward(self._joints[offset : offset + len(arm.joints)])[:3, 3])
            offset += len(arm.joints)
        return points

    def _picture(self, width: int, height: int) -> np.ndarray:
        picture = np.full((height, width, 3), 90, dtype=np.uint8)
        (low_x, low_y, _), (high_x, high_y, _) = self.embodiment.safety.workspace_min, self.embodiment.safety.workspace_max
        for colour, (x, y, _) in zip(COLOURS, self._grasp_points(), strict=False):
            row = int(np.clip((high_x - x) / (high_x - low_x) * height, 4, height - 5))
            column = int(np.clip((high_y - y) / (high_y - low_y) * width, 4, width - 5))
            picture[row - 4 : row + 5, column - 4 : column + 5] = colour
        return picture

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        return self._joints.copy(), self._openness.copy()

    def set_target(self, joints: np.ndarray, openness: np.ndarray) -> None:
        self._joints, self._openness = np.array(joints, dtype=float), np.array(openness, dtype=float)

    def advance(self, seconds: float) -> None:
        self.time += seconds

    def is_success(self) -> bool:
        return bool(np.linalg.norm(self._grasp_points()[0] - self.goal) < GOAL_RADIUS)

    def max_steps(self) -> int:
        return 60

    def close(self) -> None:
        """Nothing to give back."""
