"""What the arm has been told, and what it is told next: the motion under way, holds, and rest. No ROS.

A hold is the position last commanded, not the measured one: an arm sags under its own weight, and holding what is
measured again and again would let it sink. Only where command and arm have parted (an arm moved by hand, a robot that
does not follow) is the measured position held.
"""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_ros.safety.motion import Motion
from vlaser_ros.trajectory import TrajectoryPlayer


def finger_positions(embodiment: Embodiment, openness: np.ndarray) -> np.ndarray:
    """Finger positions (…, G) in the drivers' unit of openness (…, G)."""
    return np.stack([np.asarray(arm.gripper.position(openness[..., index])) for index, arm in enumerate(embodiment.arms)], axis=-1)


class Commander:
    """Arrays (n + G,): arm joints in radians, then fingers in the contract's unit. Not thread-safe."""

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment = embodiment
        self.count = len(embodiment.joint_names)
        # Grippers of end-effector policies open or close; those of joint policies travel.
        fingers = range(self.count, self.count + len(embodiment.arms))
        self.player = TrajectoryPlayer(switched=tuple(fingers) if embodiment.action.kind == "delta_eef_pose" else ())
        self.told: np.ndarray | None = None
        self.still_since = -np.inf

    @property
    def moving(self) -> bool:
        return self.player.active

    def commanded(self, now: float, measured: np.ndarray | None) -> np.ndarray | None:
        """Where the arm is told to be; where nothing holds for it, `measured` with the fingers last commanded. None: unknown."""
        if self.player.active:
            return self.player.sample(now)
        if self.told is None or measured is None:
            return measured if self.told is None else self.told.copy()
        joints = slice(0, self.count)
        if np.abs(self.told[joints] - measured[joints]).max() <= self.embodiment.safety.max_following_error:
            return self.told.copy()
        # Fingers around an object stand wider than commanded; holding them where they are would let go of it.
        return np.concatenate([measured[joints], self.told[self.count :]])

    def velocity(self, now: float) -> np.ndarray:
        """Commanded velocities (n,) of the arm joints; zero at rest."""
        return self.player.velocity(now)[: self.count] if self.player.active else np.zeros(self.count)

    def rested(self, since: float, now: float) -> float:
        """Seconds between `since` and `now` in which nothing was commanded to move; motions before the present one ended earlier."""
        still = min(self.player.end, now) if self.player.active else self.still_since
        return max(0.0, now - max(since, still))

    def play(self, motion: Motion, now: float, measured: np.ndarray) -> np.ndarray:
        """Splice a motion into what runs; its points (k, n + G) as they go to the driver. At least one is after `now`."""
        points = np.hstack([motion.positions, finger_positions(self.embodiment, motion.openness)])
        self.player.splice(motion.times, points, now, self.commanded(now, measured))
        self.told = points[-1]
        return points

    def hold(self, now: float, measured: np.ndarray | None, *, at_measured: bool = False) -> np.ndarray | None:
        """End the motion; the position (n + G,) to stay at, None when neither a command nor a measurement is known."""
        place = self.commanded(now, measured)
        if at_measured and measured is not None and place is not None:
            place = np.concatenate([measured[: self.count], place[self.count :]])
        if self.player.active:
            self.still_since = max(self.still_since, min(self.player.end, now))
        self.player.clear()
        self.told = None if place is None else place.copy()
        return place
