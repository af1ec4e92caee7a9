"""Rotations in the project's conventions: xyzw quaternions, static-xyz (sxyz) Euler angles, radians.

`transforms3d` does the mathematics (it is what tf_transformations wraps, and what SimplerEnv's policies
were trained against); this file only pins its conventions, wxyz among them, in one place.

Beside it stand the few operations that the inner loop of the kinematics needs, in plain floats: rotation matrices as
nine numbers, row by row. Tests hold them equal to transforms3d.
"""

from __future__ import annotations

import math

import numpy as np
from transforms3d.axangles import axangle2mat
from transforms3d.euler import euler2mat, mat2euler
from transforms3d.quaternions import mat2quat, quat2mat

Rows = tuple[float, float, float, float, float, float, float, float, float]


def matrix_from_euler(rpy: np.ndarray) -> np.ndarray:
    """Rotation matrix (3, 3) of static-xyz Euler angles (roll, pitch, yaw) in radians."""
    return euler2mat(*np.asarray(rpy, dtype=float), axes="sxyz")


def euler_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Static-xyz Euler angles (roll, pitch, yaw) in radians of a rotation matrix (3, 3)."""
    return np.array(mat2euler(matrix, axes="sxyz"))


def matrix_from_quaternion(xyzw: np.ndarray) -> np.ndarray:
    """Rotation matrix (3, 3) of an xyzw quaternion (normalised on the way)."""
    x, y, z, w = np.asarray(xyzw, dtype=float)
    return quat2mat((w, x, y, z))


def quaternion_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """xyzw quaternion with w >= 0 of a rotation matrix (3, 3)."""
    w, x, y, z = mat2quat(matrix)
    return np.array([x, y, z, w])


def matrix_from_rotvec(rotvec: np.ndarray) -> np.ndarray:
    """Rotation matrix (3, 3) of a rotation vector (axis times angle, radians)."""
    rotvec = np.asarray(rotvec, dtype=float)
    angle = float(np.linalg.norm(rotvec))
    return np.eye(3) if angle < 1e-12 else axangle2mat(rotvec / angle, angle, is_normalized=True)


def rotvec_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Rotation vector (axis times angle in [0, pi], radians) of a rotation matrix (3, 3)."""
    return np.array(rotvec_of(rows(matrix)))


def pose(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Homogeneous transform (4, 4) from a rotation matrix (3, 3) and a translation (3,) in metres."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix


def rows(matrix: np.ndarray) -> Rows:
    """A rotation matrix (3, 3) as nine floats, row by row."""
    return tuple(np.asarray(matrix, dtype=float).ravel().tolist())


def product(left: Rows, right: Rows) -> Rows:
    """Matrix product of two rotations."""
    a, b, c, d, e, f, g, h, i = left
    p, q, r, s, t, u, v, w, x = right
    return (
        a * p + b * s + c * v, a * q + b * t + c * w, a * r + b * u + c * x,
        d * p + e * s + f * v, d * q + e * t + f * w, d * r + e * u + f * x,
        g * p + h * s + i * v, g * q + h * t + i * w, g * r + h * u + i * x,
    )  # fmt: skip


def rotation_about(axis: tuple[float, float, float], c: float, s: float) -> Rows:
    """Rotation about a unit axis by the angle of cosine `c` and sine `s`."""
    x, y, z = axis
    k = 1.0 - c
    return (
        c + k * x * x, k * x * y - s * z, k * x * z + s * y,
        k * x * y + s * z, c + k * y * y, k * y * z - s * x,
        k * x * z - s * y, k * y * z + s * x, c + k * z * z,
    )  # fmt: skip


def rotation_of_euler(roll: float, pitch: float, yaw: float) -> Rows:
    """Rotation of static-xyz Euler angles in radians: `matrix_from_euler` in plain floats."""
    cr, sr, cp, sp, cy, sy = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch), math.cos(yaw), math.sin(yaw)
    return (
        cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr,
        sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr,
        -sp, cp * sr, cp * cr,
    )  # fmt: skip


def rotvec_of(rotation: Rows) -> tuple[float, float, float]:
    """Rotation vector (radians, length in [0, pi]) of a rotation."""
    a, b, c, d, e, f, g, h, i = rotation
    x, y, z = (h - f) / 2.0, (c - g) / 2.0, (d - b) / 2.0
    sine, cosine = math.hypot(x, y, z), (a + e + i - 1.0) / 2.0
    if sine > 1e-4:
        scale = math.atan2(sine, cosine) / sine
        return x * scale, y * scale, z * scale
    if cosine > 0.0:  # no turn to speak of: the sine is the angle, to 1e-13
        return x, y, z
    # Half a turn: the antisymmetric part vanishes, and with it the axis.
    w, qx, qy, qz = mat2quat(np.array(rotation).reshape(3, 3))
    length = math.hypot(qx, qy, qz)
    scale = 2.0 * math.atan2(length, w) / length
    return qx * scale, qy * scale, qz * scale


def rotation_error(wanted: Rows, present: Rows) -> tuple[float, float, float]:
    """Rotation vector (radians, base frame) that turns `present` into `wanted`: that of wanted · presentᵀ."""
    p, q, r, s, t, u, v, w, x = present
    return rotvec_of(product(wanted, (p, s, v, q, t, w, r, u, x)))
