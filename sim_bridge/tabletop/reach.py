"""How far the arm grasps from above, by inverse kinematics: for one place, and as a ring around the base."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vlaser_core.errors import KinematicsError
from vlaser_core.geometry import matrix_from_euler, pose
from vlaser_core.kinematics import Kinematics

_DOWN = matrix_from_euler(np.array([0.0, np.pi / 2, 0.0]))
_HEIGHT = 0.02  # metres above the table at which the ring is measured
_STEP = 0.005


def can_grasp(kinematics: Kinematics, place: np.ndarray) -> bool:
    """Can the hand, pointing down, bring its grasp point to `place` (3,)?"""
    azimuth = float(np.arctan2(place[1], place[0]))
    # The ring is the same all around: the waist turns, the rest of the arm works in one vertical plane.
    ahead = np.array([float(np.hypot(place[0], place[1])), 0.0, max(float(place[2]), 0.012)])
    start = np.array(kinematics.arm.home, dtype=float)
    start[0] = 0.0
    if not kinematics.arm.joints[0].lower <= azimuth <= kinematics.arm.joints[0].upper:
        return False
    try:
        kinematics.inverse(pose(_DOWN, ahead), start)
    except KinematicsError:
        return False
    return True


@lru_cache(maxsize=8)
def reach_limits(kinematics: Kinematics) -> tuple[float, float]:
    """Inner and outer distance (m) from the base's vertical axis between which `can_grasp` at the table."""
    radii = np.arange(0.03, 0.8, _STEP)
    fit = [float(radius) for radius in radii if can_grasp(kinematics, np.array([radius, 0.0, _HEIGHT]))]
    return round(fit[0] - _STEP / 2, 4), round(fit[-1] + _STEP / 2, 4)
