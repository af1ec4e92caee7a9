"""Where the joints were at a given time: a short history of joint states, interpolated. No ROS, no torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import isfinite
from threading import Lock

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.proprio import proprio_from_joints


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
        self._order: tuple[list[str] | None, list[int]] = (None, [])  # the last message's names, and where in them the wanted ones are
        self._samples: deque[tuple[float, np.ndarray]] = deque()
        self._fault: str | None = None
        self._lock = Lock()

    def add(self, stamp: float, names: Sequence[str], positions: Sequence[float], *, now: float | None = None) -> bool:
        """Take one joint state; False (and a remembered reason) when it does not hold this robot's joints.

        Other joints beside them are ignored. Samples older than the newest are ignored too. now: s, where given a stamp
        more than `tolerance` after it is refused: it would outlive every true one, and hide that those stopped coming.
        """
        with self._lock:
            if now is not None and stamp > now + self.tolerance:
                self._fault = f"joint states are stamped {stamp - now:.3f} s in the future; do the clocks agree?"
                return False
            if names != self._order[0]:
                places = {name: place for place, name in enumerate(names)}
                self._order = (list(names), [places.get(name, -1) for name in self._wanted])
            order = self._order[1]
            if -1 in order or len(names) != len(positions):
                missing = [name for name, place in zip(self._wanted, order, strict=True) if place < 0]
                words = f"joint states name {list(names)} with {len(positions)} positions"
                self._fault = f"{words}; embodiment {self.embodiment.name!r} needs {self._wanted}, missing: {missing}"
                return False
            told = [positions[place] for place in order]
            if not all(map(isfinite, told)):
                self._fault = f"joint state of {[name for name, value in zip(self._wanted, told, strict=True) if not isfinite(value)]} is not finite"
                return False
            values = np.array(told, dtype=float)
            self._fault = None
            if self._samples and stamp <= self._samples[-1][0]:
                return True
            self._samples.append((stamp, values))
            while self._samples[-1][0] - self._samples[0][0] > self._seconds:
                self._samples.popleft()
            return True

    @property
    def _wanted(self) -> list[str]:
        return [*self.names, *(gripper.joint for gripper in self.grippers)]

    def clear(self) -> None:
        """Forget every sample: after the clock jumped back, later ones would be ignored as older than the newest."""
        with self._lock:
            self._samples.clear()
            self._fault = None

    def fault(self) -> str:
        """Why the last joint state was refused; empty when it was taken."""
        with self._lock:
            return self._fault or ""

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

    def proprio(self, stamp: float, kinematics: Kinematics | None = None) -> np.ndarray:
        """Proprioception (P,) at `stamp` (s); kinematics: of the first arm, where the caller keeps them. Raises like `at`."""
        joints, openness = self.at(stamp)
        return proprio_from_joints(self.embodiment, joints, np.clip(openness, 0.0, 1.0), kinematics)

    def _interpolate(self, stamp: float) -> np.ndarray:
        before = after = None
        with self._lock:
            fault = self._fault
            # What is asked for is nearly always among the newest.
            for sample in reversed(self._samples):
                if sample[0] < stamp:
                    before = sample
                    break
                after = sample
        if before is None and after is None:
            raise JointsMismatch(fault) if fault else JointsMissing("no joint state was received yet")
        if before is not None and after is not None and after[0] - before[0] <= 2 * self.tolerance:
            (t0, v0), (t1, v1) = before, after
            return v0 + (v1 - v0) * (stamp - t0) / (t1 - t0)
        nearest = min((sample for sample in (before, after) if sample is not None), key=lambda sample: abs(sample[0] - stamp))
        gap = abs(nearest[0] - stamp)
        if gap > self.tolerance and fault:
            raise JointsMismatch(fault)
        if gap > self.tolerance:
            raise JointsMissing(
                f"the joint state nearest to the observation is {gap:.3f} s away, at most {self.tolerance:.3f} s are bridged"
            )
        return nearest[1]

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


class StatedProprio(JointHistory):
    """Proprioception that a robot or simulator states itself, in place of its joints: samples name the contract's dimensions.

    The nearest sample within the tolerance is taken as it is: between two orientations nothing is interpolated.
    """

    def __init__(self, embodiment: Embodiment, *, seconds: float = 3.0, tolerance: float = 0.06) -> None:
        super().__init__(embodiment, seconds=seconds, tolerance=tolerance)
        self.names, self.grippers = embodiment.proprio.names, ()

    def proprio(self, stamp: float, kinematics: Kinematics | None = None) -> np.ndarray:
        return self._interpolate(stamp)

    def _interpolate(self, stamp: float) -> np.ndarray:
        with self._lock:
            fault = self._fault
            nearest = min(self._samples, key=lambda sample: abs(sample[0] - stamp), default=None)
        if nearest is not None and abs(nearest[0] - stamp) <= self.tolerance:
            return nearest[1]
        if fault:
            raise JointsMismatch(fault)
        gap = "was received yet" if nearest is None else f"is nearer than {abs(nearest[0] - stamp):.3f} s, {self.tolerance:.3f} s are allowed"
        raise JointsMissing(f"no stated proprioception {gap}")
