"""Forward and inverse kinematics of a serial chain, from the embodiment alone. numpy only.

Inverse: damped least squares on the six-vector (position, rotation vector) from a starting posture, so the
solution is the one nearest to where the arm is — no elbow flips between the steps of a chunk.
"""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Arm
from vlaser_core.errors import KinematicsError
from vlaser_core.geometry import pose, rotvec_from_matrix


def _rotation_about(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis
    sine, cosine = np.sin(angle), np.cos(angle)
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + sine * skew + (1.0 - cosine) * (skew @ skew)


class Kinematics:
    """Kinematics of one `Arm`; angles in radians, poses of the grasp point as (4, 4) in the base frame."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.lower = np.array([joint.lower for joint in arm.joints])
        self.upper = np.array([joint.upper for joint in arm.joints])
        self._origins = [np.array(joint.origin) for joint in arm.joints]
        self._axes = [np.array(joint.axis, dtype=float) for joint in arm.joints]
        self._grasp = np.array(arm.grasp_point)

    def _chain(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], list[np.ndarray]]:
        rotation, position = np.eye(3), np.zeros(3)
        axes, origins = [], []
        for origin, axis, angle in zip(self._origins, self._axes, joints, strict=True):
            position = position + rotation @ origin
            axes.append(rotation @ axis)
            origins.append(position)
            rotation = rotation @ _rotation_about(axis, angle)
        return rotation, position + rotation @ self._grasp, axes, origins

    def forward(self, joints: np.ndarray) -> np.ndarray:
        """Pose (4, 4) of the grasp point at `joints` (n,)."""
        rotation, position, _, _ = self._chain(np.asarray(joints, dtype=float))
        return pose(rotation, position)

    def inverse(
        self,
        target: np.ndarray,
        start: np.ndarray,
        *,
        position_tolerance: float = 5e-4,
        rotation_tolerance: float = 5e-3,
        iterations: int = 60,
        damping: float = 0.03,
    ) -> np.ndarray:
        """Joint angles (n,) within range whose grasp point is at `target` (4, 4), reached from `start` (n,).

        Raises KinematicsError when the pose cannot be reached to the tolerances (metres, radians).
        """
        joints = np.clip(np.asarray(start, dtype=float), self.lower, self.upper)
        error = np.full(6, np.inf)
        for iteration in range(iterations):
            rotation, position, axes, origins = self._chain(joints)
            error = np.concatenate([target[:3, 3] - position, rotvec_from_matrix(target[:3, :3] @ rotation.T)])
            if np.linalg.norm(error[:3]) <= position_tolerance and np.linalg.norm(error[3:]) <= rotation_tolerance:
                return joints
            jacobian = np.array([np.concatenate([np.cross(axis, position - origin), axis]) for axis, origin in zip(axes, origins, strict=True)]).T
            # Damping only has to tame singular directions; let it vanish as the error does, or convergence stalls.
            weight = (damping * min(1.0, float(np.linalg.norm(error)) * 5.0)) ** 2
            step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + (weight + 1e-9) * np.eye(6), error)
            joints = np.clip(joints + np.clip(step, -0.5, 0.5), self.lower, self.upper)
        raise KinematicsError(
            f"arm {self.arm.name!r} cannot reach xyz {np.round(target[:3, 3], 3).tolist()}: "
            f"{np.linalg.norm(error[:3]) * 1000:.1f} mm and {np.degrees(np.linalg.norm(error[3:])):.1f}° remain after {iterations} iterations"
        )
