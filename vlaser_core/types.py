"""What passes between a robot (or a simulator, or a bag) and the model. No torch, no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Observation:
    """One synchronous view of the robot.

    images: camera name -> RGB uint8 (height, width, 3). proprio: (P,) in physical units (metres, radians,
    gripper openness 0…1), in the order of `embodiment.proprio.names`. stamp: seconds, the time the picture
    was taken on the robot's clock.
    """

    images: Mapping[str, np.ndarray]
    proprio: np.ndarray
    stamp: float


@dataclass(frozen=True)
class ActionChunk:
    """H actions in policy space, computed from the observation at `stamp`.

    actions: (H, A) in physical units, in the order of `embodiment.action.names`; step i is due at
    `stamp + (i + 1) * dt`. dt: seconds. inference_s: wall-clock seconds the model took.
    """

    actions: np.ndarray
    stamp: float
    dt: float
    inference_s: float


@dataclass(frozen=True)
class JointWaypoints:
    """A chunk in joint space. positions: (H, n) radians; openness: (H, G) 0 closed…1 open, one column an arm;
    poses: (H, G, 4, 4) grasp point of every arm in the base frame (what the chunk asked for); step i is due at
    `stamp + (i + 1) * dt` seconds.
    """

    positions: np.ndarray
    openness: np.ndarray
    poses: np.ndarray
    stamp: float
    dt: float
