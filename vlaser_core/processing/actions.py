"""From a chunk in policy space to poses and joints. No torch: simulator and chunk controller share this one way."""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError, InputError, KinematicsError
from vlaser_core.geometry import euler_from_matrix, matrix_from_euler
from vlaser_core.kinematics import Kinematics
from vlaser_core.types import ActionChunk, JointWaypoints


def check_chunk(embodiment: Embodiment, actions: np.ndarray) -> np.ndarray:
    """`actions` as a finite float array (h, A), 1 <= h <= H. Raises InputError saying what is wrong."""
    actions = np.asarray(actions, dtype=float)
    if actions.ndim != 2 or actions.shape[1] != embodiment.action_dim or not 1 <= len(actions) <= embodiment.action.horizon:
        raise InputError(f"a {embodiment.name} chunk has 1…{embodiment.action.horizon} × {embodiment.action_dim} actions, got {actions.shape}")
    if not np.isfinite(actions).all():
        step, dim = np.argwhere(~np.isfinite(actions))[0]
        raise InputError(f"action {embodiment.action.names[dim]!r} of step {step} is {actions[step, dim]}")
    return actions


def poses_from_deltas(start: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Poses (h, 4, 4) reached by deltas (h, ≥6) = Δxyz (m), Δrpy (rad, sxyz about the base axes) from `start` (4, 4)."""
    poses, current = [], np.array(start, dtype=float)
    for delta in np.asarray(deltas, dtype=float):
        current = current.copy()
        current[:3, 3] += delta[:3]
        current[:3, :3] = matrix_from_euler(delta[3:6]) @ current[:3, :3]
        poses.append(current)
    return np.array(poses)


def deltas_between(poses: np.ndarray) -> np.ndarray:
    """Deltas (n-1, 6) that lead through poses (n, 4, 4): the inverse of `poses_from_deltas`."""
    return np.array(
        [np.concatenate([b[:3, 3] - a[:3, 3], euler_from_matrix(b[:3, :3] @ a[:3, :3].T)]) for a, b in zip(poses[:-1], poses[1:], strict=True)]
    )


def joint_waypoints(embodiment: Embodiment, chunk: ActionChunk, joints: np.ndarray) -> JointWaypoints:
    """The chunk in joint space, integrated from `joints` (n,), the posture at observation time.

    Gripper actions are openness; they are held against 0.5 as Bridge's policy was trained (above: open).
    Raises InputError for a malformed chunk and KinematicsError, naming the step, for one out of reach.
    """
    actions = check_chunk(embodiment, chunk.actions)
    if embodiment.action.kind != "delta_eef_pose":
        raise ConfigError(f"action kind {embodiment.action.kind!r} has no kinematics yet")
    kinematics = Kinematics(embodiment.arms[0])
    grip_dim = embodiment.action.gripper_dims[0]
    motion = np.delete(actions, grip_dim, axis=1)
    poses = poses_from_deltas(kinematics.forward(joints), motion)
    positions, current = [], np.asarray(joints, dtype=float)
    for step, target in enumerate(poses):
        try:
            current = kinematics.inverse(target, current)
        except KinematicsError as error:
            raise KinematicsError(f"step {step}: {error}") from error
        positions.append(current)
    openness = (actions[:, [grip_dim]] > 0.5).astype(float)
    return JointWaypoints(np.array(positions), openness, poses, chunk.stamp, chunk.dt)
