"""A world without physics: joints are where they are told to be, and a dot in the picture shows the grasp point.

For tests and benchmarks of the ROS side where MuJoCo or OpenGL is not the subject.
"""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.proprio import proprio_from_joints
from vlaser_core.types import Observation

GOAL_RADIUS = 0.03  # m


class StandInWorld:
    """One task, `reach`: the grasp point within 3 cm of (0.25, 0, 0.2). The seed turns the waist at the start."""

    tasks = ("reach",)
    renderer = "drawn"

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment = embodiment
        self._kinematics = Kinematics(embodiment.arms[0])
        self.goal = np.array([0.25, 0.0, 0.2])
        self.reset("reach", 0)

    def reset(self, task: str, seed: int) -> None:
        if task not in self.tasks:
            raise InputError(f"unknown task {task!r}; known: {', '.join(self.tasks)}")
        self.task, self.instruction, self.time = task, "reach the middle", 0.0
        self._joints = np.array(self.embodiment.arms[0].home)
        self._joints[0] += np.random.default_rng(seed).uniform(-0.4, 0.4)
        self._openness = np.ones(1)

    def observe(self) -> Observation:
        images = {camera.name: self._picture(camera.width, camera.height) for camera in self.embodiment.cameras}
        return Observation(images, proprio_from_joints(self.embodiment, self._joints, self._openness), self.time)

    def _picture(self, width: int, height: int) -> np.ndarray:
        picture = np.full((height, width, 3), 90, dtype=np.uint8)
        x, y, _ = self._kinematics.forward(self._joints)[:3, 3]
        row = int(np.clip((0.5 - x) / 0.5 * height, 4, height - 5))
        column = int(np.clip((0.3 - y) / 0.6 * width, 4, width - 5))
        picture[row - 4 : row + 5, column - 4 : column + 5] = (230, 60, 40)
        return picture

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        return self._joints.copy(), self._openness.copy()

    def set_target(self, joints: np.ndarray, openness: np.ndarray) -> None:
        self._joints, self._openness = np.array(joints, dtype=float), np.array(openness, dtype=float)

    def advance(self, seconds: float) -> None:
        self.time += seconds

    def is_success(self) -> bool:
        return bool(np.linalg.norm(self._kinematics.forward(self._joints)[:3, 3] - self.goal) < GOAL_RADIUS)

    def max_steps(self) -> int:
        return 60

    def close(self) -> None:
        """Nothing to give back."""
