"""Forward and inverse kinematics of a serial chain, from the embodiment alone.

Inverse: damped least squares on the six-vector (position, rotation vector) from a starting posture, so the
solution is the one nearest to where the arm is — no elbow flips between the steps of a chunk.

Written in plain floats: at six joints numpy spends its time on calls, and the chunk gate's budget is 0.2 ms for four
solutions. numpy only inverts the 6 × 6 matrix, and that only while the last inverse no longer serves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import degrees, hypot, inf

import numpy as np

from vlaser_core.embodiment import Arm
from vlaser_core.errors import KinematicsError
from vlaser_core.geometry import Rows, matrix_from_quaternion, product, rotation_about, rotation_error, rows

Triple = tuple[float, float, float]
_PRINCIPAL = {(1.0, 0.0, 0.0): (0, 1.0), (-1.0, 0.0, 0.0): (0, -1.0), (0.0, 1.0, 0.0): (1, 1.0)}
_PRINCIPAL |= {(0.0, -1.0, 0.0): (1, -1.0), (0.0, 0.0, 1.0): (2, 1.0), (0.0, 0.0, -1.0): (2, -1.0)}
_STEP = 0.5  # rad, most a joint is moved in one iteration
_SERVES = 0.5  # an iteration that leaves more of the error than this asks for a new inverse


def _turn(quaternion: Sequence[float]) -> Rows | None:
    """Rotation of an xyzw quaternion; None for none, which is what most joints have."""
    return None if tuple(quaternion) == (0.0, 0.0, 0.0, 1.0) else rows(matrix_from_quaternion(np.array(quaternion)))


class Kinematics:
    """Kinematics of one `Arm`; angles in radians, poses of the grasp point as (4, 4) in the base frame."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.lower = np.array([joint.lower for joint in arm.joints])
        self.upper = np.array([joint.upper for joint in arm.joints])
        self._ranges = [(float(joint.lower), float(joint.upper)) for joint in arm.joints]
        self._joints = []
        for joint in arm.joints:
            axis = np.array(joint.axis, dtype=float)
            axis = axis / np.linalg.norm(axis)
            principal, sign = _PRINCIPAL.get(tuple(axis.tolist()), (3, 1.0))
            self._joints.append((*map(float, joint.origin), _turn(joint.orientation_xyzw), principal, sign, tuple(axis.tolist())))
        self._foot: Triple = tuple(map(float, arm.base_position))
        self._foot_turn: Rows = rows(matrix_from_quaternion(np.array(arm.base_orientation_xyzw)))
        self._grasp: Triple = tuple(map(float, arm.grasp_point))
        self._grasp_turn = _turn(arm.grasp_orientation_xyzw)

    def _chain(
        self, angles: Sequence, levers: list[tuple[Triple, Triple]] | None = None, cos=math.cos, sin=math.sin
    ) -> tuple[Rows, Triple]:
        """Grasp rotation and position in the base frame; every joint's axis and origin are appended to `levers`.

        angles: one a joint; with numpy's cos and sin, arrays of them, and the result is as long.
        """
        a, b, c, d, e, f, g, h, i = self._foot_turn  # row by row
        x, y, z = self._foot
        for (ox, oy, oz, turn, principal, sign, axis), angle in zip(self._joints, angles, strict=True):
            if ox:
                x, y, z = x + a * ox, y + d * ox, z + g * ox
            if oy:
                x, y, z = x + b * oy, y + e * oy, z + h * oy
            if oz:
                x, y, z = x + c * oz, y + f * oz, z + i * oz
            if turn is not None:
                a, b, c, d, e, f, g, h, i = product((a, b, c, d, e, f, g, h, i), turn)
            if levers is not None:
                u, v, w = axis
                levers.append(((a * u + b * v + c * w, d * u + e * v + f * w, g * u + h * v + i * w), (x, y, z)))
            if principal == 3:
                a, b, c, d, e, f, g, h, i = product((a, b, c, d, e, f, g, h, i), rotation_about(axis, cos(angle), sin(angle)))
                continue
            k, s = cos(angle), sin(angle) * sign
            if principal == 0:
                b, c, e, f, h, i = k * b + s * c, k * c - s * b, k * e + s * f, k * f - s * e, k * h + s * i, k * i - s * h
            elif principal == 1:
                a, c, d, f, g, i = k * a - s * c, k * c + s * a, k * d - s * f, k * f + s * d, k * g - s * i, k * i + s * g
            else:
                a, b, d, e, g, h = k * a + s * b, k * b - s * a, k * d + s * e, k * e - s * d, k * g + s * h, k * h - s * g
        ox, oy, oz = self._grasp
        x, y, z = x + a * ox + b * oy + c * oz, y + d * ox + e * oy + f * oz, z + g * ox + h * oy + i * oz
        rotation = (a, b, c, d, e, f, g, h, i)
        return (rotation if self._grasp_turn is None else product(rotation, self._grasp_turn)), (x, y, z)

    def forward(self, joints: np.ndarray) -> np.ndarray:
        """Pose (4, 4) of the grasp point at `joints` (n,)."""
        (a, b, c, d, e, f, g, h, i), (x, y, z) = self._chain(np.asarray(joints, dtype=float).tolist())
        return np.array([[a, b, c, x], [d, e, f, y], [g, h, i, z], [0.0, 0.0, 0.0, 1.0]])

    def forward_path(self, joints: np.ndarray) -> np.ndarray:
        """Poses (h, 4, 4) of the grasp point along `joints` (h, n)."""
        path = np.asarray(joints, dtype=float)
        (a, b, c, d, e, f, g, h, i), (x, y, z) = self._chain(path.T, None, np.cos, np.sin)
        poses = np.zeros((len(path), 16))
        for column, values in enumerate((a, b, c, x, d, e, f, y, g, h, i, z, 1.0)):
            poses[:, column if column < 12 else 15] = values
        return poses.reshape(-1, 4, 4)

    def inverse(self, target: np.ndarray, start: np.ndarray, **bounds: float) -> np.ndarray:
        """Joint angles (n,) within range whose grasp point is at `target` (4, 4), reached from `start` (n,).

        bounds: as of `follow`. Raises KinematicsError when the pose cannot be reached to the tolerances.
        """
        return self.follow(np.asarray(target)[None], start, **bounds)[0]

    def follow(
        self,
        targets: np.ndarray,
        start: np.ndarray,
        *,
        position_tolerance: float = 5e-4,
        rotation_tolerance: float = 5e-3,
        iterations: int = 60,
        damping: float = 0.03,
    ) -> np.ndarray:
        """Joint angles (h, n) within range that lead the grasp point through `targets` (h, 4, 4), one after the other from `start` (n,).

        Raises KinematicsError, with its `step`, for the first pose that cannot be reached to the tolerances (metres, radians).
        """
        ranges = self._ranges
        joints = _within(np.asarray(start, dtype=float).tolist(), ranges)
        place = self._chain(joints)
        found, inverse = [], None
        for number, matrix in enumerate(np.asarray(targets, dtype=float).tolist()):
            (a, b, c, tx), (d, e, f, ty), (g, h, i, tz), _ = matrix
            wanted = (a, b, c, d, e, f, g, h, i)
            before = distance = angle = inf
            for _ in range(iterations):
                rotation, (x, y, z) = place
                ex, ey, ez = tx - x, ty - y, tz - z
                rx, ry, rz = rotation_error(wanted, rotation)
                distance, angle = hypot(ex, ey, ez), hypot(rx, ry, rz)
                if distance <= position_tolerance and angle <= rotation_tolerance:
                    break
                size = hypot(distance, angle)
                # The inverse of the step before, or of the pose before, mostly serves; it is made anew as soon as it does not.
                if inverse is None or not size <= _SERVES * before:
                    # Damping only has to tame singular directions; let it vanish as the error does, or convergence stalls.
                    inverse = self._damped_inverse(joints, (damping * min(1.0, size * 5.0)) ** 2 + 1e-9)
                before = size
                step = (inverse @ (ex, ey, ez, rx, ry, rz)).tolist()
                if max(step) > _STEP or min(step) < -_STEP:
                    step = [min(max(change, -_STEP), _STEP) for change in step]
                joints = _within([value + change for value, change in zip(joints, step, strict=True)], ranges)
                place = self._chain(joints)
            else:
                error = KinematicsError(
                    f"arm {self.arm.name!r} cannot reach xyz {[round(tx, 3), round(ty, 3), round(tz, 3)]}: "
                    f"{distance * 1000:.1f} mm and {degrees(angle):.1f}° remain after {iterations} iterations"
                )
                error.step = number
                raise error
            found.append(joints)
        return np.array(found)

    def _damped_inverse(self, joints: Sequence[float], weight: float) -> np.ndarray:
        """Jᵀ (J Jᵀ + weight · 1)⁻¹, (n, 6), of the geometric Jacobian of the grasp point."""
        levers: list[tuple[Triple, Triple]] = []
        _, (x, y, z) = self._chain(joints, levers)
        columns = []
        for (u, v, w), (px, py, pz) in levers:
            lx, ly, lz = x - px, y - py, z - pz
            columns.append((v * lz - w * ly, w * lx - u * lz, u * ly - v * lx, u, v, w))
        transposed = np.array(columns)
        square = transposed.T @ transposed
        square.flat[::7] += weight
        return np.linalg.solve(square, transposed.T).T


def _within(values: list[float], ranges: list[tuple[float, float]]) -> list[float]:
    return [low if value < low else high if value > high else value for value, (low, high) in zip(values, ranges, strict=True)]
