"""A joint trajectory played in time, as ros2_controllers' JointTrajectoryController plays it. No ROS, no torch.

A new trajectory replaces the present one at once: points that are already past are dropped, motion continues
from the commanded position, and the last point is held. Grippers are two-position devices: they switch to a
point's value when the motion towards that point begins, as the policy's training data did.
"""

from __future__ import annotations

import numpy as np


class TrajectoryPlayer:
    """Commanded positions over time. switched: indices of the columns that switch instead of interpolating."""

    def __init__(self, switched: tuple[int, ...] = ()) -> None:
        self._switched = list(switched)
        self._times = np.zeros(0)
        self._positions = np.zeros((0, 0))

    @property
    def active(self) -> bool:
        return len(self._times) > 0

    @property
    def begin(self) -> float:
        """Time (s) at which the motion was spliced in; inf without any."""
        return float(self._times[0]) if self.active else np.inf

    @property
    def end(self) -> float:
        """Due time (s) of the last point; -inf without any."""
        return float(self._times[-1]) if self.active else -np.inf

    def clear(self) -> None:
        self._times, self._positions = np.zeros(0), np.zeros((0, 0))

    def splice(self, times: np.ndarray, positions: np.ndarray, now: float, start: np.ndarray) -> bool:
        """Play points `positions` (k, n) due at `times` (k,) s from `start` (n,), where the command is at `now`.

        False, and nothing changes, when every point is past.
        """
        times, positions = np.asarray(times, dtype=float), np.asarray(positions, dtype=float)
        due = times > now
        if not due.any():
            return False
        self._times = np.concatenate([[now], times[due]])
        self._positions = np.vstack([start, positions[due]])
        return True

    def velocity(self, time: float) -> np.ndarray:
        """Commanded velocities (n,) at `time`, per second; zero before the first and from the last point on, and where columns switch."""
        if not self.active or not self._times[0] <= time < self._times[-1]:
            return np.zeros(self._positions.shape[1])
        after = int(np.searchsorted(self._times, time, side="right"))
        values = (self._positions[after] - self._positions[after - 1]) / (self._times[after] - self._times[after - 1])
        values[self._switched] = 0.0
        return values

    def sample(self, time: float) -> np.ndarray:
        """Commanded positions (n,) at `time`; before the first point the start, after the last the last."""
        if not self.active:
            raise ValueError("no trajectory to sample: splice one first")
        if time >= self._times[-1]:
            return self._positions[-1].copy()
        after = int(np.searchsorted(self._times, time, side="right"))
        if after == 0:
            return self._positions[0].copy()
        span = self._times[after] - self._times[after - 1]
        values = self._positions[after - 1] + (self._positions[after] - self._positions[after - 1]) * (time - self._times[after - 1]) / span
        values[self._switched] = self._positions[after][self._switched]
        return values
