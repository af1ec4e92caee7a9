"""SimplerEnv's frames and signs, and the policy's: state in, actions out, for both of its robots. numpy only.

The simulator gives the end effector in the robot's base frame as xyz, quaternion wxyz, openness; it takes Δxyz,
a rotation vector and a gripper value whose sign differs between the robots. `docs/conventions.md` has the table.
"""

from __future__ import annotations

import numpy as np
from transforms3d.euler import euler2quat

from vlaser_core.errors import InputError
from vlaser_core.geometry import euler_from_matrix, matrix_from_quaternion

# Bridge states orientation relative to a gripper that points straight down.
BRIDGE_OFFSET = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
STICKY_STEPS = 15
STICKY_ABOVE = 0.5


def _finite(values: np.ndarray, count: int, what: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise InputError(f"{what} is {count} finite numbers, got {values.tolist()}")
    return values


def rotation_vector(rpy: np.ndarray) -> np.ndarray:
    """Axis times angle (3,) of static-xyz Euler angles, the angle 2·acos(w) in 0…2π: the turn is not shortened to π.

    The policy was evaluated with this form, and a controller that interpolates sees the difference.
    """
    w, *axis = euler2quat(*np.asarray(rpy, dtype=float), axes="sxyz")
    sine = float(np.linalg.norm(axis))
    angle = 2.0 * float(np.arccos(np.clip(w, -1.0, 1.0)))
    return np.zeros(3) if sine < 1e-8 or angle == 0.0 else np.array(axis) / sine * angle


def widowx_proprio(eef: np.ndarray) -> np.ndarray:
    """Proprioception (7,) = xyz (m), rpy (rad, sxyz, relative to gripper down), openness, of the simulator's `eef_pos` (8,)."""
    x, y, z, qw, qx, qy, qz, openness = _finite(eef, 8, "eef_pos (xyz, wxyz, openness)")
    rpy = euler_from_matrix(matrix_from_quaternion(np.array([qx, qy, qz, qw])) @ BRIDGE_OFFSET.T)
    return np.array([x, y, z, *rpy, openness])


def google_proprio(eef: np.ndarray) -> np.ndarray:
    """Proprioception (8,) = xyz (m), quaternion xyzw, closedness, of the simulator's `eef_pos` (8,)."""
    x, y, z, qw, qx, qy, qz, openness = _finite(eef, 8, "eef_pos (xyz, wxyz, openness)")
    return np.array([x, y, z, qx, qy, qz, qw, 1.0 - openness])


def widowx_action(action: np.ndarray) -> np.ndarray:
    """The simulator's action (7,) for a policy action (7,) in physical units: gripper +1 opens, −1 closes."""
    action = _finite(action, 7, "an action")
    return np.array([*action[:3], *rotation_vector(action[3:6]), 1.0 if action[6] > 0.5 else -1.0])


class GoogleActions:
    """The Google robot's actions. Its gripper takes relative commands, so a decided one (beyond ±0.5) is held for
    15 actions, whatever the policy says meanwhile. State carries over chunks: `reset` at every episode."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._held: float | None = None
        self._count = 0

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """The simulator's action (7,) for a policy action (7,) in physical units: gripper +1 closes, −1 opens."""
        action = _finite(action, 7, "an action")
        gripper = 1.0 - 2.0 * action[6]
        if self._held is None and abs(gripper) > STICKY_ABOVE:
            self._held, self._count = gripper, 0
        if self._held is not None:
            gripper = self._held
            self._count += 1
            if self._count == STICKY_STEPS:
                self._held = None
        return np.array([*action[:3], *rotation_vector(action[3:6]), gripper])
