"""What a driver commands at every servo instant, and when it refuses to: no ROS, no torch, time is handed in.

A motion is refused (and the arm holds) when it leaves the contract's joint ranges or speeds: the driver is the last
before the motors and cannot know that a gate stood before it. A robot that stops answering or does not follow is failed
until a person says `recover`; failing holds, torque is nobody's business here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError, VlaserError
from vlaser_ros.trajectory import TrajectoryPlayer

SOONEST = 0.02  # s; a servo period
FINGER_SLACK = 0.15  # share of its stroke by which a finger may be asked beyond its ends


class RobotFailed(VlaserError):
    """The robot does not answer, does not follow, or is not the one the contract describes."""


class Phase(Enum):
    """Where a driver stands: start-up checks under way, obeying, or refusing until `recover`."""

    CHECKING = "checking"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Bounds:
    """timeout: s without joint states; following_error: rad between command and measurement, held for following_time s.

    speed_margin: factor over the contract's velocities, as the command may lag what the gate measured. longest_tick: s
    between two servo instants beyond which the clock is taken to have jumped. range_margin: rad.
    """

    timeout: float = 0.3
    following_error: float = 0.35
    following_time: float = 0.5
    speed_margin: float = 1.25
    longest_tick: float = 0.25
    range_margin: float = 0.05


def columns(embodiment: Embodiment) -> list[list[int]]:
    """Per arm the indices of its joints and then its finger, in arrays of all arm joints followed by all fingers."""
    result, offset, total = [], 0, len(embodiment.joint_names)
    for index, arm in enumerate(embodiment.arms):
        result.append([*range(offset, offset + len(arm.joints)), total + index])
        offset += len(arm.joints)
    return result


def switched_columns(embodiment: Embodiment) -> tuple[int, ...]:
    """Columns that switch instead of interpolating: grippers of end-effector policies open or close, those of joint
    policies travel."""
    total = len(embodiment.joint_names)
    return tuple(range(total, total + len(embodiment.arms))) if embodiment.action.kind == "delta_eef_pose" else ()


class Servo:
    """Commands over time for all arms of one embodiment. Arrays (n + G,): arm joints in radians, then fingers in the
    contract's unit. Not thread-safe."""

    def __init__(self, embodiment: Embodiment, bounds: Bounds | None = None) -> None:
        self.embodiment, self.bounds = embodiment, bounds or Bounds()
        self.names = (*embodiment.joint_names, *(arm.gripper.joint for arm in embodiment.arms))
        joints = [joint for arm in embodiment.arms for joint in arm.joints]
        self._count = len(joints)
        self._lower, self._upper = np.array([joint.lower for joint in joints]), np.array([joint.upper for joint in joints])
        self._speed = np.array([joint.max_velocity for joint in joints]) * self.bounds.speed_margin
        ends = [sorted((arm.gripper.closed_position, arm.gripper.open_position)) for arm in embodiment.arms]
        self._finger_low, self._finger_high = np.array([low for low, _ in ends]), np.array([high for _, high in ends])
        self._columns = columns(embodiment)
        self._player = TrajectoryPlayer(switched=switched_columns(embodiment))
        self._arrived = [-np.inf] * len(embodiment.arms)
        self._over_since: float | None = None
        self._last_tick: float | None = None
        self.phase = Phase.CHECKING
        self.reason = "waiting for joint states"
        self.measured = np.full(len(self.names), np.nan)
        self.commanded: np.ndarray | None = None  # None until the first motion: a driver that starts moves nothing
        self.jumps = 0

    def measure(self, arm: int, now: float, values: np.ndarray) -> None:
        """Take an arm's joints (rad) and finger as they were measured; they arrived at `now` (s)."""
        self.measured[self._columns[arm]] = values
        self._arrived[arm] = now

    @property
    def moving(self) -> bool:
        return self._player.active and self._last_tick is not None and self._last_tick <= self._player.end

    def silent(self, now: float) -> list[str]:
        """Names of the arms without joint states for `timeout` s."""
        return [arm.name for arm, at in zip(self.embodiment.arms, self._arrived, strict=True) if now - at > self.bounds.timeout]

    def outside(self) -> list[str]:
        """What is measured outside the contract's joint ranges, in words; empty when all is well."""
        values, margin = self.measured[: self._count], self.bounds.range_margin
        low, high = self._lower - margin, self._upper + margin
        wrong = np.flatnonzero(~((values >= low) & (values <= high)))  # NaN is outside as well
        return [f"{self.names[j]} measures {values[j]:.3f} rad, the contract's range is {self._lower[j]:.3f}…{self._upper[j]:.3f}" for j in wrong]

    def ready(self) -> None:
        """All checks have passed: obey from now on."""
        self.phase, self.reason, self._over_since = Phase.READY, "", None

    def check(self) -> None:
        """Back to the checks; the next motion starts from where the arm is then."""
        self._player.clear()
        self.commanded = None
        self.phase, self.reason = Phase.CHECKING, "start-up checks"

    def fail(self, reason: str, *, at_measured: bool = False) -> None:
        """Refuse all motion until `check` and `ready`; hold the last command, or `at_measured` where the arm is now."""
        self.hold()
        if at_measured and self.commanded is not None:
            self.commanded[: self._count] = self.measured[: self._count]
        self.phase, self.reason = Phase.FAILED, reason

    def hold(self) -> None:
        """End the motion at the last commanded position."""
        self._player.clear()

    def play(self, times: np.ndarray, positions: np.ndarray, now: float) -> None:
        """Splice points `positions` (k, n + G) due at `times` (k,) s; without points: hold.

        Raises RobotFailed while the driver is not ready and InputError for a motion out of bounds; the arm holds then, as
        the motion before was meant to be replaced.
        """
        if self.phase is not Phase.READY:
            self.hold()
            raise RobotFailed(f"the robot is not ready ({self.phase.value}): {self.reason}")
        start = self._present(now)
        moved = self.commanded is not None
        try:
            if len(times):
                times, positions = self._checked(np.asarray(times, dtype=float), np.array(positions, dtype=float), now, start)
                self._player.splice(times, positions, now, start)
                moved = True
            else:
                self.hold()
        except InputError:
            self.hold()
            raise
        finally:
            self.commanded = start if moved else None

    def _present(self, now: float) -> np.ndarray:
        if self._player.active:
            return self._player.sample(now)
        return (self.measured if self.commanded is None else self.commanded).copy()

    def _checked(self, times: np.ndarray, positions: np.ndarray, now: float, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The points that are still to be met, within bounds. Raises InputError."""
        if times[-1] <= now:
            raise InputError(f"every point of the trajectory is past, the last by {now - times[-1]:.3f} s")
        # A point due before the next servo instant cannot be met, and its small distance over next to no time is no speed.
        due = times > now + SOONEST
        due[-1] = True
        times, positions = times[due], positions[due]
        points, fingers = positions[:, : self._count], positions[:, self._count :]
        outside = (points < self._lower) | (points > self._upper)
        if outside.any():
            point, j = np.argwhere(outside)[0]
            raise InputError(f"joint {self.names[j]!r} is asked to {points[point, j]:.3f} rad, its range is {self._lower[j]:.3f}…{self._upper[j]:.3f}")
        # A hold may repeat a measured finger, which stands a little beyond the ends of the contract; it is sent to the end.
        slack = FINGER_SLACK * (self._finger_high - self._finger_low)
        outside = (fingers < self._finger_low - slack) | (fingers > self._finger_high + slack)
        if outside.any():
            point, g = np.argwhere(outside)[0]
            raise InputError(
                f"finger {self.names[self._count + g]!r} is asked to {fingers[point, g]:.4f}, its range is {self._finger_low[g]:.4f}…{self._finger_high[g]:.4f}"
            )
        speeds = np.abs(np.diff(np.vstack([start[: self._count], points]), axis=0)) / np.maximum(np.diff([now, *times]), 1e-3)[:, None]
        over = speeds > self._speed
        if over.any():
            point, j = np.argwhere(over)[0]
            raise InputError(f"joint {self.names[j]!r} is asked for {speeds[point, j]:.2f} rad/s, at most {self._speed[j]:.2f} are passed on")
        positions[:, self._count :] = np.clip(positions[:, self._count :], self._finger_low, self._finger_high)
        return times, positions

    def tick(self, now: float) -> np.ndarray | None:
        """What to command at `now` (s), (n + G,); None while nothing was ever commanded.

        To be called at the servo rate. A clock that jumped ends the motion: its due times mean nothing any more.
        """
        before, self._last_tick = self._last_tick, now
        if self._player.active:
            if before is not None and not 0.0 <= now - before <= self.bounds.longest_tick:
                self.jumps += 1
                self.hold()
            else:
                self.commanded = self._player.sample(now)
        if self.phase is Phase.READY:
            self._watch(now)
        return None if self.commanded is None else self.commanded.copy()

    def _watch(self, now: float) -> None:
        if silent := self.silent(now):
            self.fail(f"no joint states of {', '.join(silent)} for {self.bounds.timeout:.2f} s; is its driver running, is the power on?")
            return
        if self.commanded is None:
            return
        error = np.abs(self.commanded - self.measured)[: self._count]
        worst = int(error.argmax())
        if error[worst] <= self.bounds.following_error:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = now
        elif now - self._over_since > self.bounds.following_time:
            # Where the arm is, not where it was sent: it may be pressing against something.
            self.fail(f"joint {self.names[worst]!r} is {error[worst]:.3f} rad from its command for {self.bounds.following_time:.2f} s", at_measured=True)
