"""Where the joints were at a given time: a short history of joint states, interpolated. No ROS, no torch."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from threading import Lock

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError


class JointsMismatch(InputError):
    """Joint states do not name the joints of the embodiment."""


class JointsMissing(InputError):
    """No joint state near the asked time."""


class JointHistory:
    """Joint states of the last seconds. Thread-safe.

    tolerance: s, the largest gap that is bridged: a time is answered when samples on both sides are at most
    twice this apart, or one sample is within it.
    """

    def __init__(self, embodiment: Embodiment, *, seconds: float = 3.0, tolerance: float = 0.06) -> None:
        self.embodiment = embodiment
        self.names = embodiment.joint_names
        self.grippers = tuple(arm.gripper for arm in embodiment.arms)
        self.tolerance = tolerance
        self._seconds = seconds
        self._samples: deque[tuple[float, np.ndarray]] = deque()
        self._fault: str | None = None
        self._lock = Lock()

    def add(self, stamp: float, names: Sequence[str], positions: Sequence[float]) -> bool:
        """Take one joint state; False (and a remembered reason) when it does not hold this robot's joints.

        Other joints beside them are ignored. Samples older than the newest are ignored too.
        """
        wanted = [*self.names, *(gripper.joint for gripper in self.grippers)]
        found = dict(zip(names, positions, strict=False))
        missing = [name for name in wanted if name not in found]
        with self._lock:
            if missing or len(names) != len(positions):
                self._fault = (
                    f"joint states name {list(names)} with {len(positions)} positions; embodiment {self.embodiment.name!r} needs {wanted}, missing: {missing}"
                )
                return False
            values = np.array([found[name] for name in wanted], dtype=float)
            if not np.isfinite(values).all():
                self._fault = f"joint state of {[name for name, value in zip(wanted, values, strict=True) if not np.isfinite(value)]} is not finite"
                return False
            self._fault = None
            if self._samples and stamp <= self._samples[-1][0]:
                return True
            self._samples.append((stamp, values))
            while self._samples[-1][0] - self._samples[0][0] > self._seconds:
                self._samples.popleft()
            return True

    def newest_stamp(self) -> float | None:
        with self._lock:
            return self._samples[-1][0] if self._samples else None

    def covers(self, stamp: float) -> bool:
        """Whether a sample at or after `stamp` has come, so that `at` interpolates instead of taking the nearest."""
        newest = self.newest_stamp()
        return newest is not None and newest >= stamp

    def at(self, stamp: float) -> tuple[np.ndarray, np.ndarray]:
        """Arm joints (n,) rad and gripper openness (G,) at `stamp` (s).

        Raises JointsMismatch when only other robots' joint states came, JointsMissing when none is near.
        """
        values = self._interpolate(stamp)
        openness = np.array([gripper.openness(value) for gripper, value in zip(self.grippers, values[len(self.names) :], strict=True)])
        return values[: len(self.names)], openness

    def _interpolate(self, stamp: float) -> np.ndarray:
        with self._lock:
            samples = list(self._samples)
            fault = self._fault
        if not samples:
            raise JointsMismatch(fault) if fault else JointsMissing("no joint state was received yet")
        times = [time for time, _ in samples]
        after = bisect_left(times, stamp)
        if 0 < after < len(samples) and times[after] - times[after - 1] <= 2 * self.tolerance:
            (t0, v0), (t1, v1) = samples[after - 1], samples[after]
            return v0 + (v1 - v0) * (stamp - t0) / (t1 - t0)
        nearest = min(range(len(samples)), key=lambda k: abs(times[k] - stamp))
        gap = abs(times[nearest] - stamp)
        if gap > self.tolerance and fault:
            raise JointsMismatch(fault)
        if gap > self.tolerance:
            raise JointsMissing(f"the joint state nearest to the observation is {gap:.3f} s away, at most {self.tolerance:.3f} s are bridged")
        return samples[nearest][1]

    def newest(self) -> tuple[float, np.ndarray, np.ndarray]:
        """Stamp (s), arm joints (n,) and openness (G,) of the newest sample. Raises like `at`."""
        stamp = self.newest_stamp()
        joints, openness = self.at(stamp if stamp is not None else 0.0)
        return (stamp if stamp is not None else 0.0), joints, openness

    def velocity(self) -> np.ndarray:
        """Arm joint velocities (n,) rad/s over the last ~0.1 s; zero while there is a single sample."""
        with self._lock:
            samples = list(self._samples)[-6:]
        if len(samples) < 2:
            return np.zeros(len(self.names))
        (t0, v0), (t1, v1) = samples[0], samples[-1]
        return (v1 - v0)[: len(self.names)] / (t1 - t0)
