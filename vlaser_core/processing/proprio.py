"""Proprioception as the policy was trained on it, built from joint angles. No torch."""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.geometry import euler_from_matrix, matrix_from_euler, quaternion_from_matrix
from vlaser_core.kinematics import Kinematics


def proprio_from_joints(embodiment: Embodiment, joints: np.ndarray, openness: np.ndarray, kinematics: Kinematics | None = None) -> np.ndarray:
    """Proprioception (P,) in physical units from arm joints (n,) rad and gripper openness (G,), arm by arm.

    kinematics: of the first arm, where the caller keeps them. Raises InputError for non-finite values or a wrong count.
    """
    joints, openness = np.asarray(joints, dtype=float), np.atleast_1d(np.asarray(openness, dtype=float))
    if joints.shape != (len(embodiment.joint_names),) or openness.shape != (len(embodiment.arms),):
        raise InputError(f"{embodiment.name} has {len(embodiment.joint_names)} joints and {len(embodiment.arms)} grippers; got {joints.shape} and {openness.shape}")
    if not (np.isfinite(joints).all() and np.isfinite(openness).all()):
        raise InputError("joint state is not finite")
    if embodiment.proprio.kind == "eef_pose_euler":
        if len(embodiment.arms) != 1:
            raise ConfigError("proprio kind eef_pose_euler is for one arm")
        return proprio_from_pose(embodiment, (kinematics or Kinematics(embodiment.arms[0])).forward(joints), float(openness[0]))
    if embodiment.proprio.kind == "eef_pose_quaternion":
        if len(embodiment.arms) != 1:
            raise ConfigError("proprio kind eef_pose_quaternion is for one arm")
        pose = (kinematics or Kinematics(embodiment.arms[0])).forward(joints)
        return np.array([*pose[:3, 3], *quaternion_from_matrix(pose[:3, :3]), 1.0 - openness[0]])
    values, offset = [], 0
    for arm, opening in zip(embodiment.arms, openness, strict=True):
        values.extend([*joints[offset : offset + len(arm.joints)], opening])
        offset += len(arm.joints)
    return np.array(values)


def proprio_from_pose(embodiment: Embodiment, grasp_pose: np.ndarray, openness: float) -> np.ndarray:
    """Proprioception (7,) = xyz (m), rpy (rad, sxyz of R · offsetᵀ), openness, of a grasp-point pose (4, 4)."""
    offset = np.array(embodiment.proprio.rotation_offset)
    return np.concatenate([grasp_pose[:3, 3], euler_from_matrix(grasp_pose[:3, :3] @ offset.T), [openness]])


def pose_from_proprio(embodiment: Embodiment, proprio: np.ndarray) -> np.ndarray:
    """Grasp-point pose (4, 4) in the base frame that a proprioception (7,) states: the inverse of the above."""
    matrix = np.eye(4)
    matrix[:3, :3] = matrix_from_euler(proprio[3:6]) @ np.array(embodiment.proprio.rotation_offset)
    matrix[:3, 3] = proprio[:3]
    return matrix
