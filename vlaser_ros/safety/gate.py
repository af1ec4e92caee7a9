"""The chunk gate: decides whether a chunk may move the arm. It rejects and says why; it never clamps.

No ROS and no torch. Codes equal the constants of vlaser_msgs/ResultCode (a test holds them together). Only the
steps that will be executed are held against geometry; every number must be finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError, KinematicsError
from vlaser_core.geometry import matrix_from_euler, rotvec_from_matrix
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.actions import check_chunk, joint_waypoints
from vlaser_core.types import ActionChunk, JointWaypoints


SHORTEST = 1e-3  # s; less time than this is no time to move in


class GateCode(IntEnum):
    ACCEPTED = 0
    NOT_FINITE = 400
    SHAPE = 401
    AGE = 402
    START_JUMP = 403
    STEP = 404
    VELOCITY = 405
    ACCELERATION = 406
    JOINT_RANGE = 407
    WORKSPACE = 408
    SEQUENCE = 409
    UNREACHABLE = 410
    ESTOP = 411


@dataclass(frozen=True)
class Proposal:
    """A chunk that asks to be executed. actions: (H, A); stamp: s, observation time; the first `executed_steps` are meant."""

    sequence: int
    embodiment: str
    names: tuple[str, ...]
    actions: np.ndarray
    stamp: float
    dt: float
    executed_steps: int


@dataclass(frozen=True)
class Posture:
    """Arm joints (n,) rad at observation time and now, and the joint velocities (n,) rad/s now."""

    observed: np.ndarray
    present: np.ndarray
    velocity: np.ndarray


@dataclass(frozen=True)
class Verdict:
    """accepted ⇔ code is ACCEPTED and `waypoints` holds the steps to execute; due: s, time of the last of them.

    first: the first of them that is still to be sent; those before it are past, or too nearly so to be met.
    """

    code: GateCode
    reason: str
    waypoints: JointWaypoints | None = None
    due: float = 0.0
    first: int = 0

    @property
    def accepted(self) -> bool:
        return self.code is GateCode.ACCEPTED


class Rejection(Exception):
    """Ends a check; becomes a Verdict at the gate's door."""

    def __init__(self, code: GateCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Gate:
    """Holds proposals against one embodiment's bounds. Not thread-safe: one caller at a time.

    clock_tolerance: s, how far an observation may lie in the future. retime: start a chunk when it arrives instead
    of at its observation time; for slow models whose arm rests while they think, as then no step is skipped.
    """

    def __init__(self, embodiment: Embodiment, *, max_age: float | None = None, clock_tolerance: float = 0.02, retime: bool = False) -> None:
        self.embodiment = embodiment
        self.max_age = embodiment.safety.max_observation_age if max_age is None else max_age
        self.clock_tolerance = clock_tolerance
        self.retime = retime
        self.stopped = False
        self.last_sequence = 0
        self._kinematics = Kinematics(embodiment.arms[0])
        joints = [joint for arm in embodiment.arms for joint in arm.joints]
        self._lower = np.array([joint.lower for joint in joints])
        self._upper = np.array([joint.upper for joint in joints])
        self._max_velocity = np.array([joint.max_velocity for joint in joints])
        self._max_acceleration = np.array([joint.max_acceleration for joint in joints])

    def stop(self) -> None:
        """Latch: every proposal is rejected until `release`."""
        self.stopped = True

    def release(self) -> None:
        self.stopped = False

    def check(self, proposal: Proposal, posture: Posture, now: float) -> Verdict:
        """The verdict on one proposal at time `now` (s). Never raises for anything a message can hold."""
        try:
            self._check_standing(proposal, now)
            waypoints = self._waypoints(proposal, posture)
            self._check_steps(proposal, posture, waypoints)
            if self.retime:
                waypoints = JointWaypoints(waypoints.positions, waypoints.openness, waypoints.poses, now, waypoints.dt)
            self._check_places(waypoints)
            first = self._check_motion(waypoints, posture, now)
        except Rejection as rejection:
            return Verdict(rejection.code, str(rejection))
        self.last_sequence = proposal.sequence
        return Verdict(GateCode.ACCEPTED, "", waypoints, waypoints.stamp + len(waypoints.positions) * waypoints.dt, first)

    def _check_standing(self, proposal: Proposal, now: float) -> None:
        if self.stopped:
            raise Rejection(GateCode.ESTOP, "the stop is latched; call /vlaser/reset to release it")
        robot = self.embodiment
        if proposal.embodiment != robot.name:
            raise Rejection(GateCode.SHAPE, f"chunk is for embodiment {proposal.embodiment!r}, this robot is {robot.name!r}")
        if tuple(proposal.names) != robot.action.names:
            raise Rejection(GateCode.SHAPE, f"chunk names {list(proposal.names)}, expected {list(robot.action.names)}")
        if not math.isclose(proposal.dt, robot.action.dt, rel_tol=1e-3):  # NaN fails too
            raise Rejection(GateCode.SHAPE, f"chunk dt is {proposal.dt} s, expected {robot.action.dt} s")
        if not 1 <= proposal.executed_steps <= len(proposal.actions):
            raise Rejection(GateCode.SHAPE, f"executed_steps is {proposal.executed_steps}, expected 1…{len(proposal.actions)}")
        if proposal.sequence <= self.last_sequence:
            raise Rejection(GateCode.SEQUENCE, f"sequence {proposal.sequence} is not after {self.last_sequence}, the last one executed")
        age = now - proposal.stamp
        if not age <= self.max_age:
            raise Rejection(GateCode.AGE, f"observation is {age:.3f} s old, at most {self.max_age:.3f} s are allowed")
        if age < -self.clock_tolerance:
            raise Rejection(GateCode.AGE, f"observation is {-age:.3f} s in the future; do the clocks agree?")

    def _waypoints(self, proposal: Proposal, posture: Posture) -> JointWaypoints:
        try:
            actions = check_chunk(self.embodiment, proposal.actions)
        except InputError as error:
            finite = np.isfinite(np.asarray(proposal.actions, dtype=float)).all()
            raise Rejection(GateCode.SHAPE if finite else GateCode.NOT_FINITE, str(error)) from error
        if not all(np.isfinite(part).all() for part in (posture.observed, posture.present, posture.velocity)):
            raise Rejection(GateCode.NOT_FINITE, "the measured posture is not finite")
        meant = actions[: proposal.executed_steps]
        self._check_deltas(meant)
        try:
            return joint_waypoints(self.embodiment, ActionChunk(meant, proposal.stamp, proposal.dt, 0.0), posture.observed)
        except KinematicsError as error:
            raise Rejection(GateCode.UNREACHABLE, str(error)) from error

    def _check_deltas(self, actions: np.ndarray) -> None:
        # Before the inverse kinematics: a metre-long step would only be reported as "unreachable".
        if self.embodiment.action.kind != "delta_eef_pose":
            return
        safety = self.embodiment.safety
        for step, action in enumerate(actions):
            length = math.hypot(*action[:3])  # does not overflow for the largest floats, as a sum of squares would
            if length > safety.max_step_translation:
                raise Rejection(GateCode.STEP, f"step {step} moves {length:.3f} m, at most {safety.max_step_translation:.3f} m are allowed")
            # The angle really turned: Euler angles of several turns may stand for a small rotation, refuse those as well.
            angle = max(float(np.linalg.norm(rotvec_from_matrix(matrix_from_euler(action[3:6])))), float(np.abs(action[3:6]).max()))
            if angle > safety.max_step_rotation:
                raise Rejection(GateCode.STEP, f"step {step} turns {angle:.3f} rad, at most {safety.max_step_rotation:.3f} rad are allowed")

    def _check_steps(self, proposal: Proposal, posture: Posture, waypoints: JointWaypoints) -> None:
        # An arm that moved since it was seen would act on a picture that is no longer true.
        moved = np.abs(posture.present - posture.observed)
        worst = int(moved.argmax())
        if moved[worst] > self.embodiment.safety.max_start_jump:
            self._jump(worst, moved[worst], "moved since the observation")
        first = np.abs(waypoints.positions[0] - posture.observed)
        worst = int(first.argmax())
        if first[worst] > self.embodiment.safety.max_start_jump:
            self._jump(worst, first[worst], "is asked to jump at the first step")

    def _jump(self, joint: int, amount: float, what: str) -> None:
        name, bound = self.embodiment.joint_names[joint], self.embodiment.safety.max_start_jump
        raise Rejection(GateCode.START_JUMP, f"joint {name!r} {what}: {amount:.3f} rad, at most {bound:.3f} rad are allowed")

    def _check_places(self, waypoints: JointWaypoints) -> None:
        safety = self.embodiment.safety
        for step, (positions, target) in enumerate(zip(waypoints.positions, waypoints.poses, strict=True)):
            outside = (positions < self._lower) | (positions > self._upper)
            if outside.any():
                j = int(outside.argmax())
                raise Rejection(
                    GateCode.JOINT_RANGE,
                    f"step {step} puts joint {self.embodiment.joint_names[j]!r} at {positions[j]:.3f} rad, range is {self._lower[j]:.3f}…{self._upper[j]:.3f}",
                )
            place = target[:3, 3]
            if (place < safety.workspace_min).any() or (place > safety.workspace_max).any():
                raise Rejection(
                    GateCode.WORKSPACE,
                    f"step {step} puts the grasp point at {np.round(place, 3).tolist()} m in {self.embodiment.base_frame}, "
                    f"workspace is {list(safety.workspace_min)} … {list(safety.workspace_max)}",
                )

    def _check_motion(self, waypoints: JointWaypoints, posture: Posture, now: float) -> int:
        """Velocity and acceleration of what is still due, beginning where the arm is now; the first such step's index."""
        due = waypoints.stamp + waypoints.dt * np.arange(1, len(waypoints.positions) + 1)
        if due[-1] <= now + SHORTEST:
            raise Rejection(GateCode.AGE, f"every step is past: the last was due {now - due[-1]:.3f} s ago")
        # A trajectory controller drops what is past. A step due in a moment goes with it: meeting it would take a jerk,
        # and the way through the next one ends at the same place.
        remaining = due > now + waypoints.dt / 2
        remaining[-1] = True
        times = np.concatenate([[now], due[remaining]])
        path = np.vstack([posture.present, waypoints.positions[remaining]])
        velocities = np.diff(path, axis=0) / np.diff(times)[:, None]
        first = int(np.argmax(remaining))
        over = np.abs(velocities) > self._max_velocity
        if over.any():
            step, j = np.argwhere(over)[0]
            raise Rejection(
                GateCode.VELOCITY,
                f"step {first + step} needs {abs(velocities[step, j]):.2f} rad/s of joint {self.embodiment.joint_names[j]!r}, limit is {self._max_velocity[j]:.2f}",
            )
        accelerations = np.diff(np.vstack([posture.velocity, velocities]), axis=0) / np.diff(times)[:, None]
        over = np.abs(accelerations) > self._max_acceleration
        if over.any():
            step, j = np.argwhere(over)[0]
            raise Rejection(
                GateCode.ACCELERATION,
                f"step {first + step} needs {abs(accelerations[step, j]):.1f} rad/s² of joint {self.embodiment.joint_names[j]!r}, limit is {self._max_acceleration[j]:.1f}",
            )
        return first
