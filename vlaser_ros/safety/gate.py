"""The chunk gate: decides whether a chunk may move the arm. It rejects and says why; it never clamps.

No ROS and no torch. Codes equal the constants of vlaser_msgs/ResultCode (a test holds them together). Only the
steps that will be executed are held against geometry; every number must be finite. docs/safety.md has the order.
"""

from __future__ import annotations

import math

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError, KinematicsError
from vlaser_core.geometry import rotation_of_euler
from vlaser_core.processing.actions import check_chunk, joint_waypoints, make_kinematics
from vlaser_core.types import ActionChunk, JointWaypoints
from vlaser_ros.safety.bounds import Bounds
from vlaser_ros.safety.motion import Motion, resample
from vlaser_ros.safety.timing import plan
from vlaser_ros.safety.verdict import GateCode, Posture, Proposal, Rejection, Verdict

__all__ = ["Gate", "GateCode", "Posture", "Proposal", "Rejection", "Verdict"]


class Gate:
    """Holds proposals against one embodiment's bounds. Not thread-safe: one caller at a time.

    clock_tolerance: s, how far an observation may lie in the future. retime: start every chunk when it arrives, whatever
    the arm does; without it a chunk's clock stands still only while the arm does (see vlaser_ros/safety/timing.py).
    rate: Hz at which the motion is resampled, 0 for waypoints alone; bounds hold for the resampled motion too.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        *,
        max_age: float | None = None,
        clock_tolerance: float = 0.02,
        retime: bool = False,
        rate: float = 0.0,
    ) -> None:
        self.embodiment = embodiment
        self.max_age = embodiment.safety.max_observation_age if max_age is None else max_age
        self.clock_tolerance = clock_tolerance
        self.retime = retime
        self.rate = rate
        self.stopped = False
        self.stop_reason = ""
        self.last_sequence = 0
        self.kinematics = make_kinematics(embodiment)
        self._bounds = Bounds(embodiment)
        self._box = list(zip(embodiment.safety.workspace_min, embodiment.safety.workspace_max, strict=True))
        self._motion_dims = [dim for dim in range(embodiment.action_dim) if dim not in embodiment.action.gripper_dims]

    def stop(self, reason: str = "") -> None:
        """Latch: every proposal is rejected until `release`."""
        self.stopped, self.stop_reason = True, reason

    def release(self) -> None:
        self.stopped, self.stop_reason = False, ""

    def check(self, proposal: Proposal, posture: Posture, now: float) -> Verdict:
        """The verdict on one proposal at time `now` (s). Never raises for anything a message can hold."""
        try:
            self._check_standing(proposal, now)
            actions = self._check_numbers(proposal, posture)
            self._check_deltas(actions)
            waypoints = self.solve(actions, proposal, posture)
            return self._decide(proposal, posture, waypoints, now)
        except Rejection as rejection:
            return Verdict(rejection.code, str(rejection))

    def refusal(self, proposal: Proposal, now: float) -> Verdict | None:
        """The verdict on a proposal that needs no posture to be refused: stopped, not for this robot, old, or in the past."""
        try:
            self._check_standing(proposal, now)
        except Rejection as rejection:
            return Verdict(rejection.code, str(rejection))
        return None

    def solve(self, actions: np.ndarray, proposal: Proposal, posture: Posture) -> JointWaypoints:
        """Kinematics of the steps that are meant. Raises Rejection for a pose out of reach."""
        try:
            return joint_waypoints(
                self.embodiment, ActionChunk(actions, proposal.stamp, proposal.dt, 0.0), posture.observed, self.kinematics
            )
        except KinematicsError as error:
            raise Rejection(GateCode.UNREACHABLE, str(error)) from error

    def _decide(self, proposal: Proposal, posture: Posture, waypoints: JointWaypoints, now: float) -> Verdict:
        bounds, path, observed, start = self._bounds, waypoints.positions.tolist(), posture.observed.tolist(), posture.start.tolist()
        bounds.check_jump(path[0], observed, "is asked to jump at the first step")
        if self.embodiment.action.kind == "joints":
            self._check_strides(waypoints)
        bounds.check_range(path, "step")
        self._check_workspace(waypoints)
        schedule = plan(
            path,
            waypoints.dt,
            proposal.stamp,
            now,
            rested=posture.rested,
            observed=observed,
            start=start,
            bounds=bounds,
            retime=self.retime,
        )
        # An arm that moved otherwise than this chunk means would act on a picture that is no longer true.
        bounds.check_jump(posture.present.tolist(), schedule.expected, "moved since the observation")
        first = schedule.first
        bounds.check_motion(now, start, posture.start_velocity.tolist(), schedule.due[first:], path[first:], first)
        motion = Motion(np.array(schedule.due[first:]), waypoints.positions[first:], waypoints.openness[first:])
        if self.rate:
            motion = self._check_resampled(motion, posture, now)
        self.last_sequence = proposal.sequence
        timed = JointWaypoints(waypoints.positions, waypoints.openness, waypoints.poses, schedule.origin, waypoints.dt)
        return Verdict(GateCode.ACCEPTED, "", timed, schedule.due[-1], first, motion)

    def _check_standing(self, proposal: Proposal, now: float) -> None:
        if self.stopped:
            why = f" ({self.stop_reason})" if self.stop_reason else ""
            raise Rejection(GateCode.ESTOP, f"the stop is latched{why}; call vlaser/reset to release it")
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

    def _check_numbers(self, proposal: Proposal, posture: Posture) -> np.ndarray:
        """The steps that are meant, (h, A)."""
        try:
            actions = check_chunk(self.embodiment, proposal.actions)
        except InputError as error:
            finite = np.isfinite(np.asarray(proposal.actions, dtype=float)).all()
            raise Rejection(GateCode.SHAPE if finite else GateCode.NOT_FINITE, str(error)) from error
        for part in (posture.observed, posture.present, posture.velocity, posture.commanded, posture.commanded_velocity):
            if part is None:
                continue
            if part.shape != (len(self._bounds.names),):
                raise Rejection(
                    GateCode.SHAPE,
                    f"the posture has {part.shape} joints, embodiment {self.embodiment.name!r} has {len(self._bounds.names)}",
                )
            if not all(map(math.isfinite, part.tolist())):
                raise Rejection(GateCode.NOT_FINITE, "the measured posture is not finite")
        return actions[: proposal.executed_steps]

    def _check_deltas(self, actions: np.ndarray) -> None:
        # Before the inverse kinematics: a metre-long step would only be reported as "unreachable".
        if self.embodiment.action.kind != "delta_eef_pose":
            return
        for step, row in enumerate(actions[:, self._motion_dims].tolist()):
            for begin in range(0, len(row), 6):
                dx, dy, dz, roll, pitch, yaw = row[begin : begin + 6]
                # hypot does not overflow for the largest floats, as a sum of squares would. Three turns never add up to more
                # than the sum of their angles; only beyond it the angle really turned is worth its cosines.
                angle = abs(roll) + abs(pitch) + abs(yaw)
                if angle > self.embodiment.safety.max_step_rotation:
                    m = rotation_of_euler(roll, pitch, yaw)
                    turned = math.acos(min(1.0, max(-1.0, (m[0] + m[4] + m[8] - 1.0) / 2.0)))
                    # Euler angles of several turns may stand for a small rotation: refuse those as well.
                    angle = max(turned, abs(roll), abs(pitch), abs(yaw))
                self._check_stride(step, math.hypot(dx, dy, dz), angle)

    def _check_strides(self, waypoints: JointWaypoints) -> None:
        """Steps of joint positions, by what the grasp points do. Up to the first one the start jump is the bound: absolute
        positions lead the arm."""
        for places in waypoints.poses.transpose(1, 0, 2, 3):
            lengths = np.linalg.norm(np.diff(places[:, :3, 3], axis=0), axis=1)
            cosines = (np.einsum("kij,kij->k", places[1:, :3, :3], places[:-1, :3, :3]) - 1.0) / 2.0
            angles = np.arccos(np.clip(cosines, -1.0, 1.0))
            safety = self.embodiment.safety
            if (lengths <= safety.max_step_translation).all() and (angles <= safety.max_step_rotation).all():
                continue
            for step, (length, angle) in enumerate(zip(lengths.tolist(), angles.tolist(), strict=True), 1):
                self._check_stride(step, length, angle)

    def _check_stride(self, step: int, length: float, angle: float) -> None:
        safety = self.embodiment.safety
        if length > safety.max_step_translation:
            raise Rejection(GateCode.STEP, f"step {step} moves {length:.3f} m, at most {safety.max_step_translation:.3f} m are allowed")
        if angle > safety.max_step_rotation:
            raise Rejection(GateCode.STEP, f"step {step} turns {angle:.3f} rad, at most {safety.max_step_rotation:.3f} rad are allowed")

    def _check_workspace(self, waypoints: JointWaypoints) -> None:
        for step, places in enumerate(waypoints.poses[:, :, :3, 3].tolist()):
            for arm, place in enumerate(places):
                if all(low <= value <= high for value, (low, high) in zip(place, self._box, strict=True)):
                    continue
                which = f" of arm {self.embodiment.arms[arm].name!r}" if len(self.embodiment.arms) > 1 else ""
                safety = self.embodiment.safety
                raise Rejection(
                    GateCode.WORKSPACE,
                    f"step {step} puts the grasp point{which} at {[round(value, 3) for value in place]} m in {self.embodiment.base_frame}, "
                    f"workspace is {list(safety.workspace_min)} … {list(safety.workspace_max)}",
                )

    def _check_resampled(self, motion: Motion, posture: Posture, now: float) -> Motion:
        fine, bends = resample(motion, now, posture.start, posture.start_velocity, self.rate)
        self._bounds.check_path(fine.positions, fine.velocities, bends, "resampled point")
        return fine
