"""Does the arm do what it is told? No ROS.

Two ways not to: a joint stays further from its command than allowed for longer than allowed (blocked, overloaded, or
nobody obeys), or motion after motion is commanded and the arm stands still (a driver that refuses trajectories, whose
motions may be too small for the first bound). A measured posture that leaps is neither: the scene was reset, or an
encoder fails.
"""

from __future__ import annotations

import numpy as np

from vlaser_core.embodiment import Embodiment

ASKED = 0.03  # rad; a motion that sweeps no joint further says nothing about obedience
ANSWERED = 0.2  # share of the sweep that the arm must have made; sweeps, as an arm that hangs in its own weight keeps its distance
IGNORED = 3  # motions in a row without an answer
LEAP = 0.2  # rad beyond what a joint can move between two joint states


class Following:
    """Compares commands with joint states. Positions (n,) rad, times s.

    obeyed: False where nobody is meant to follow (a replay): then only leaps are noticed.
    """

    def __init__(self, embodiment: Embodiment, *, obeyed: bool = True) -> None:
        self.obeyed = obeyed
        self._names = embodiment.joint_names
        self._bound, self._patience = embodiment.safety.max_following_error, embodiment.safety.following_error_time
        self._speed = np.array([joint.max_velocity for arm in embodiment.arms for joint in arm.joints])
        self._over_since: float | None = None
        self._last: tuple[float, np.ndarray] | None = None
        self._swept: np.ndarray | None = None  # (4, n): least commanded and its negative's least, the same of measured
        self._ignored = 0
        self.worst = 0.0

    def reset(self) -> None:
        """Forget: the posture is not comparable with what was before."""
        self._over_since = self._last = self._swept = None
        self._ignored, self.worst = 0, 0.0

    def leapt(self, stamp: float, measured: np.ndarray) -> str:
        """Take a joint state; in words, how it cannot have come from the one before. Empty when it can."""
        last, self._last = self._last, (stamp, measured)
        if last is None or stamp <= last[0]:
            return ""
        beyond = np.abs(measured - last[1]) - 2.0 * self._speed * (stamp - last[0])
        j = int(beyond.argmax())
        if beyond[j] <= LEAP:
            return ""
        return f"joint {self._names[j]!r} leapt by {abs(measured[j] - last[1][j]):.2f} rad in {stamp - last[0]:.3f} s"

    def compare(self, stamp: float, measured: np.ndarray, commanded: np.ndarray) -> str:
        """Measured and commanded posture of one moment in a motion; in words, why the arm does not follow. Empty while it does."""
        if not self.obeyed:
            return ""
        seen = np.stack([commanded, -commanded, measured, -measured])
        self._swept = seen if self._swept is None else np.minimum(self._swept, seen)
        error = np.abs(measured - commanded)
        j = int(error.argmax())
        self.worst = float(error[j])
        if error[j] <= self._bound:
            self._over_since = None
            return ""
        self._over_since = stamp if self._over_since is None else self._over_since
        if stamp - self._over_since < self._patience:
            return ""
        return (
            f"joint {self._names[j]!r} is {error[j]:.2f} rad from its command for {stamp - self._over_since:.2f} s "
            f"(allowed: {self._bound:.2f} rad for {self._patience:.2f} s); blocked, overloaded, or does the driver obey?"
        )

    def end(self) -> str:
        """A motion ended or was replaced; in words, that the last ones were ignored. Empty when they were not."""
        swept, self._swept = self._swept, None
        self._over_since = None
        if swept is None:
            return ""
        asked, answered = -swept[1] - swept[0], -swept[3] - swept[2]
        j = int(asked.argmax())
        if asked[j] < ASKED:
            return ""
        self._ignored = 0 if answered[j] >= ANSWERED * asked[j] else self._ignored + 1
        if self._ignored < IGNORED:
            return ""
        return f"{self._ignored} motions in a row were commanded and joint {self._names[j]!r} stands still; does the driver obey the trajectory topic?"
