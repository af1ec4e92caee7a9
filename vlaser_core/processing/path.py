"""Where a chunk leads the grasp points: for pictures and markers, also of chunks that may not be executed. No torch.

Only places are followed, so nothing here fails for a pose out of reach; what is not finite stays so.
"""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.kinematics import Kinematics


def grasp_points(embodiment: Embodiment, joints: np.ndarray) -> np.ndarray:
    """Grasp points (…, G, 3) of all arms, metres in the base frame, at arm joints (…, n) rad."""
    joints, points, offset = np.asarray(joints, dtype=float), [], 0
    rows = joints.reshape(-1, joints.shape[-1])
    for arm in embodiment.arms:
        # Numbers too large for a cosine become NaN, which is how they are shown: not at all.
        with np.errstate(invalid="ignore"):
            points.append(Kinematics(arm).forward_path(rows[:, offset : offset + len(arm.joints)])[:, :3, 3])
        offset += len(arm.joints)
    return np.stack(points, axis=1).reshape(*joints.shape[:-1], len(points), 3)


def grasp_points_of_proprio(embodiment: Embodiment, proprio: np.ndarray) -> np.ndarray:
    """Grasp points (G, 3), metres in the base frame, that a proprioception (P,) states."""
    if embodiment.proprio.kind != "joints":
        return np.asarray(proprio, dtype=float)[None, :3]
    grippers = np.cumsum([len(arm.joints) + 1 for arm in embodiment.arms]) - 1
    return grasp_points(embodiment, np.delete(np.asarray(proprio, dtype=float), grippers))


def grasp_path(embodiment: Embodiment, start: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Grasp points (h + 1, G, 3), metres in the base frame: `start` (G, 3) at the observation, then after each action (h, A).

    Raises InputError for actions of another width than the contract's.
    """
    actions, start = np.asarray(actions, dtype=float), np.asarray(start, dtype=float)
    if actions.ndim != 2 or actions.shape[1] != embodiment.action_dim:
        raise InputError(f"a {embodiment.name} chunk has {embodiment.action_dim} actions a step, got {actions.shape}")
    motion = np.delete(actions, embodiment.action.gripper_dims, axis=1)
    if embodiment.action.kind == "joints":
        return np.concatenate([start[None], grasp_points(embodiment, motion)])
    with np.errstate(over="ignore", invalid="ignore"):
        return np.cumsum(np.concatenate([start[None], motion.reshape(len(motion), len(start), 6)[..., :3]]), axis=0)


def openness_of(embodiment: Embodiment, actions: np.ndarray) -> np.ndarray:
    """Gripper openness (h, G) that the actions (h, A) of a chunk ask for, as they stand there."""
    return np.asarray(actions, dtype=float)[:, list(embodiment.action.gripper_dims)]
