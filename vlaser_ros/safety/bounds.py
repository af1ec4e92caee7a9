"""The joints' bounds. Waypoints are checked in plain floats: for a few steps of a few joints numpy's calls cost more than
the sums. Resampled paths have hundreds of numbers and are checked at once. No ROS.

Every method returns nothing, or raises Rejection with the step, the joint and the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_ros.safety.verdict import GateCode, Rejection

Row = Sequence[float]
SHARE = 0.9  # of the limits, for the way to a chunk's first step


class Bounds:
    """Range, speed, acceleration and start jump of every arm joint, in the contract's order. Rows: n floats, rad."""

    def __init__(self, embodiment: Embodiment) -> None:
        joints = [joint for arm in embodiment.arms for joint in arm.joints]
        self.names = embodiment.joint_names
        self.jump = float(embodiment.safety.max_start_jump)
        self.ranges = [(float(joint.lower), float(joint.upper)) for joint in joints]
        self.limits = [(float(joint.max_velocity), float(joint.max_acceleration)) for joint in joints]
        self._lower, self._upper = np.array(self.ranges).T
        self._limit = {GateCode.VELOCITY: np.array(self.limits)[:, 0], GateCode.ACCELERATION: np.array(self.limits)[:, 1]}

    def check_jump(self, reached: Row, left: Row, what: str) -> None:
        """No joint further than the start jump from `left`."""
        for a, b in zip(reached, left, strict=True):
            if not abs(a - b) <= self.jump:
                break
        else:
            return
        amounts = [abs(a - b) for a, b in zip(reached, left, strict=True)]
        worst = amounts.index(max(amounts))
        raise Rejection(
            GateCode.START_JUMP, f"joint {self.names[worst]!r} {what}: {amounts[worst]:.3f} rad, at most {self.jump:.3f} rad are allowed"
        )

    def check_range(self, path: Sequence[Row], what: str) -> None:
        """Every joint within its range."""
        for step, row in enumerate(path):
            for j, (value, (lower, upper)) in enumerate(zip(row, self.ranges, strict=True)):
                if not lower <= value <= upper:
                    raise Rejection(
                        GateCode.JOINT_RANGE,
                        f"{what} {step} puts joint {self.names[j]!r} at {value:.3f} rad, range is {lower:.3f}…{upper:.3f}",
                    )

    def check_motion(self, now: float, start: Row, velocity: Row, times: Row, path: Sequence[Row], first: int) -> None:
        """Mean velocity and acceleration between points, beginning at `start` with `velocity`. first: the number of path[0]."""
        before, place, speed = now, start, velocity
        for step, (time, row) in enumerate(zip(times, path, strict=True), first):
            span = time - before
            speeds = [(b - a) / span for a, b in zip(place, row, strict=True)]
            for j, (new, old, (fastest, sharpest)) in enumerate(zip(speeds, speed, self.limits, strict=True)):
                if not abs(new) <= fastest:
                    self.refuse(GateCode.VELOCITY, f"step {step}", j, new, fastest)
                if not abs(new - old) / span <= sharpest:
                    self.refuse(GateCode.ACCELERATION, f"step {step}", j, (new - old) / span, sharpest)
            before, place, speed = time, row, speeds

    def check_path(self, positions: np.ndarray, velocities: np.ndarray, accelerations: np.ndarray, what: str) -> None:
        """Every joint of a path (k, n) within its range, and its given rates of change (m, n) within their limits."""
        if not ((positions >= self._lower) & (positions <= self._upper)).all():
            self.check_range(positions.tolist(), what)
        for code, rates in ((GateCode.VELOCITY, velocities), (GateCode.ACCELERATION, accelerations)):
            kept = np.abs(rates) <= self._limit[code]
            if not kept.all():
                row, joint = np.argwhere(~kept)[0]
                self.refuse(code, "the path between the steps", joint, rates[row, joint], self._limit[code][joint])

    def refuse(self, code: GateCode, what: str, joint: int, value: float, limit: float) -> None:
        unit = "rad/s" if code is GateCode.VELOCITY else "rad/s²"
        raise Rejection(code, f"{what} needs {abs(value):.2f} {unit} of joint {self.names[joint]!r}, limit is {limit:.2f}")

    def time_for(self, start: Row, row: Row) -> float:
        """Seconds from rest at `start` to `row`, as the mean over the way, at nine tenths of the limits."""
        most = 0.0
        for a, b, (fastest, sharpest) in zip(start, row, self.limits, strict=True):
            way = abs(b - a) / SHARE
            most = max(most, way / fastest, sqrt(way / sharpest))
        return most
