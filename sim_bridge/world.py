"""What a simulated robot offers. The ROS `sim` driver, the evaluator and the recorder know only this."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.types import JointWaypoints, Observation

SERVO_PERIOD = 0.02  # seconds between two interpolated joint targets (50 Hz, as the real arm's controller)


class World(Protocol):
    """A robot and its scene. Time is simulated seconds since `reset`; frames and units as in the embodiment."""

    embodiment: Embodiment
    tasks: tuple[str, ...]
    renderer: str
    task: str
    instruction: str
    time: float

    def reset(self, task: str, seed: int) -> None: ...

    def observe(self) -> Observation:
        """Pictures of all cameras, and proprioception; stamp = `time`."""

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Measured arm joints (n,) in radians and gripper openness (G,)."""

    def set_target(self, joints: np.ndarray, openness: np.ndarray) -> None:
        """Position targets for the servos; they hold until the next call."""

    def advance(self, seconds: float) -> None:
        """Step the physics."""

    def is_success(self) -> bool: ...

    def max_steps(self) -> int:
        """Policy steps an episode of the present task may take."""

    def close(self) -> None: ...


def execute(world: World, waypoints: JointWaypoints, steps: int | None = None) -> None:
    """Play the first `steps` waypoints (all by default), interpolating joints linearly at the servo rate."""
    joints, _ = world.joint_state()
    substeps = max(1, round(waypoints.dt / SERVO_PERIOD))
    for target, openness in list(zip(waypoints.positions, waypoints.openness, strict=True))[:steps]:
        for k in range(1, substeps + 1):
            world.set_target(joints + (target - joints) * k / substeps, openness)
            world.advance(waypoints.dt / substeps)
        joints = target
