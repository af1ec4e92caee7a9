"""From a chunk in policy space to poses and joints. No torch: simulator and chunk controller share this one way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError, InputError, KinematicsError
from vlaser_core.geometry import euler_from_matrix, product, rotation_of_euler, rows
from vlaser_core.kinematics import Kinematics
from vlaser_core.types import ActionChunk, JointWaypoints


def check_chunk(embodiment: Embodiment, actions: np.ndarray) -> np.ndarray:
    """`actions` as a finite float array (h, A), 1 <= h <= H. Raises InputError saying what is wrong."""
    actions = np.asarray(actions, dtype=float)
    if actions.ndim != 2 or actions.shape[1] != embodiment.action_dim or not 1 <= len(actions) <= embodiment.action.horizon:
        raise InputError(
            f"a {embodiment.name} chunk has 1…{embodiment.action.horizon} × {embodiment.action_dim} actions, got {actions.shape}"
        )
    if not np.isfinite(actions).all():
        step, dim = np.argwhere(~np.isfinite(actions))[0]
        raise InputError(f"action {embodiment.action.names[dim]!r} of step {step} is {actions[step, dim]}")
    return actions


def poses_from_deltas(start: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Poses (h, 4, 4) reached by deltas (h, ≥6) = Δxyz (m), Δrpy (rad, sxyz about the base axes) from `start` (4, 4)."""
    rotation, place = rows(start[:3, :3]), start[:3, 3].tolist()
    poses = []
    for dx, dy, dz, roll, pitch, yaw, *_ in np.asarray(deltas, dtype=float).tolist():
        place = [place[0] + dx, place[1] + dy, place[2] + dz]
        rotation = product(rotation_of_euler(roll, pitch, yaw), rotation)
        poses.append([[*rotation[:3], place[0]], [*rotation[3:6], place[1]], [*rotation[6:], place[2]], [0.0, 0.0, 0.0, 1.0]])
    return np.array(poses)


def deltas_between(poses: np.ndarray) -> np.ndarray:
    """Deltas (n-1, 6) that lead through poses (n, 4, 4): the inverse of `poses_from_deltas`."""
    return np.array(
        [
            np.concatenate([b[:3, 3] - a[:3, 3], euler_from_matrix(b[:3, :3] @ a[:3, :3].T)])
            for a, b in zip(poses[:-1], poses[1:], strict=True)
        ]
    )


def make_kinematics(embodiment: Embodiment) -> tuple[Kinematics, ...]:
    """Kinematics of every arm. Raises ConfigError for an action space that does not fill the arms."""
    action, arms = embodiment.action, embodiment.arms
    motion = 6 * len(arms) if action.kind == "delta_eef_pose" else len(embodiment.joint_names)
    if len(action.gripper_dims) != len(arms) or embodiment.action_dim != motion + len(arms):
        raise ConfigError(
            f"embodiment {embodiment.name!r}: {len(arms)} arms driven by {action.kind} take {motion} motion and {len(arms)} gripper dimensions, "
            f"the contract names {embodiment.action_dim} with gripper_dims {list(action.gripper_dims)}"
        )
    return tuple(Kinematics(arm) for arm in arms)


def joint_waypoints(
    embodiment: Embodiment, chunk: ActionChunk, joints: np.ndarray, kinematics: Sequence[Kinematics] | None = None
) -> JointWaypoints:
    """The chunk in joint space, from `joints` (n,), the posture at observation time; deltas integrate from there.

    Gripper actions are openness. With end-effector deltas they are held against 0.5 as Bridge's policy was trained
    (above: open); with joint actions they are widths, and what lies beyond 0…1 means wholly closed or open.
    kinematics: of every arm, where the caller keeps them. Raises InputError for a malformed chunk, ConfigError for an
    action space that does not fill the arms, and KinematicsError, naming the step, for a pose out of reach.
    """
    actions = check_chunk(embodiment, chunk.actions)
    kinematics = kinematics or make_kinematics(embodiment)
    grippers = list(embodiment.action.gripper_dims)
    motion, openness = actions[:, [dim for dim in range(embodiment.action_dim) if dim not in grippers]], actions[:, grippers]
    joints, offset = np.asarray(joints, dtype=float), 0
    positions, poses = np.empty((len(actions), len(joints))), np.empty((len(actions), len(kinematics), 4, 4))
    for index, arm in enumerate(kinematics):
        own = slice(offset, offset + len(arm.lower))
        offset = own.stop
        if embodiment.action.kind == "joints":
            positions[:, own] = motion[:, own]
            poses[:, index] = arm.forward_path(motion[:, own])
        else:
            poses[:, index] = poses_from_deltas(arm.forward(joints[own]), motion[:, 6 * index : 6 * index + 6])
            try:
                positions[:, own] = arm.follow(poses[:, index], joints[own])
            except KinematicsError as error:
                raise KinematicsError(f"step {error.step}: {error}") from error
    openness = np.clip(openness, 0.0, 1.0) if embodiment.action.kind == "joints" else (openness > 0.5).astype(float)
    return JointWaypoints(positions, openness, poses, chunk.stamp, chunk.dt)
