"""Rotations in the project's conventions: xyzw quaternions, static-xyz (sxyz) Euler angles, radians.

`transforms3d` does the mathematics (it is what tf_transformations wraps, and what SimplerEnv's policies
were trained against); this file only pins its conventions, wxyz among them, in one place.
"""

from __future__ import annotations

import numpy as np
from transforms3d.axangles import axangle2mat
from transforms3d.euler import euler2mat, mat2euler
from transforms3d.quaternions import mat2quat, quat2mat


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
    x, y, z, w = quaternion_from_matrix(matrix)
    sine = float(np.linalg.norm((x, y, z)))
    if sine < 1e-12:
        return np.zeros(3)
    return np.array([x, y, z]) * (2.0 * np.arctan2(sine, w) / sine)


def pose(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Homogeneous transform (4, 4) from a rotation matrix (3, 3) and a translation (3,) in metres."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix
