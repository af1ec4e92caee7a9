"""Verifies an accepted chunk over again, by other means than the gate's. No ROS.

Shares with the gate nothing but the contract's numbers: forward kinematics by homogeneous 4 × 4 matrices of
transforms3d, time read off the motion itself, one joint and one point after the other. Slow, and meant to be read.
"""

from __future__ import annotations

import math

import numpy as np
from transforms3d.axangles import axangle2mat, mat2axangle
from transforms3d.quaternions import quat2mat

from vlaser_core.embodiment import Arm, Embodiment
from vlaser_ros.safety.verdict import Posture, Proposal, Verdict

SLACK = 1e-6  # rad, m, s: floating point, not leniency
PLACE, TURN = 5e-4, 5e-3  # m, rad: what the inverse kinematics promises


def place_of(arm: Arm, angles: np.ndarray) -> np.ndarray:
    """Grasp pose (4, 4) in the base frame."""
    pose = _transform(arm.base_position, arm.base_orientation_xyzw)
    for joint, angle in zip(arm.joints, angles, strict=True):
        turn = np.eye(4)
        turn[:3, :3] = axangle2mat(joint.axis, angle)
        pose = pose @ _transform(joint.origin, joint.orientation_xyzw) @ turn
    return pose @ _transform(arm.grasp_point, arm.grasp_orientation_xyzw)


def violations(robot: Embodiment, proposal: Proposal, posture: Posture, now: float, max_age: float, verdict: Verdict) -> list[str]:
    """What an accepted verdict lets through that it must not; empty when it is sound."""
    if not verdict.accepted or verdict.motion is None:
        return ["not an accepted verdict"]
    motion, wrong = verdict.motion, []
    numbers = [proposal.actions, motion.times, motion.positions, motion.openness] + (
        [] if motion.velocities is None else [motion.velocities]
    )
    if not all(math.isfinite(value) for part in numbers for value in np.ravel(part)):
        return ["a number is not finite"]
    if not 0 <= now - proposal.stamp + 0.02 + SLACK or now - proposal.stamp > max_age + SLACK:
        wrong.append(f"age {now - proposal.stamp}")
    if not now < motion.times[0] or any(later <= sooner for sooner, later in zip(motion.times[:-1], motion.times[1:], strict=True)):
        wrong.append(f"times {motion.times.tolist()} at {now}")
    wrong += _joints(robot, posture, now, verdict) + _places(robot, verdict)
    if robot.action.kind == "delta_eef_pose":
        wrong += _meaning(robot, proposal, posture, verdict)
    return wrong


def _joints(robot: Embodiment, posture: Posture, now: float, verdict: Verdict) -> list[str]:
    wrong, motion = [], verdict.motion
    joints = [joint for arm in robot.arms for joint in arm.joints]
    for index, joint in enumerate(joints):
        time, place, speed = now, float(posture.start[index]), float(posture.start_velocity[index])
        if abs(posture.observed[index] - verdict.waypoints.positions[0][index]) > robot.safety.max_start_jump + SLACK:
            wrong.append(f"{joint.name} jumps at the first step")
        for point in range(len(motion.times)):
            next_time, next_place = float(motion.times[point]), float(motion.positions[point][index])
            next_speed = (next_place - place) / (next_time - time)
            bend = (next_speed - speed) / (next_time - time)
            if not joint.lower - SLACK <= next_place <= joint.upper + SLACK:
                wrong.append(f"{joint.name} at {next_place}")
            if abs(next_speed) > joint.max_velocity + SLACK:
                wrong.append(f"{joint.name} runs at {next_speed}")
            # Between fine points the mean over a period says nothing new where the spline's own bend is bounded.
            if motion.velocities is None and abs(bend) > joint.max_acceleration + SLACK:
                wrong.append(f"{joint.name} accelerates by {bend}")
            if motion.velocities is not None and abs(motion.velocities[point][index]) > joint.max_velocity + SLACK:
                wrong.append(f"{joint.name} is told the speed {motion.velocities[point][index]}")
            time, place, speed = next_time, next_place, next_speed
    return wrong


def _places(robot: Embodiment, verdict: Verdict) -> list[str]:
    wrong, offset, low, high = [], 0, robot.safety.workspace_min, robot.safety.workspace_max
    for arm in robot.arms:
        own = slice(offset, offset + len(arm.joints))
        offset = own.stop
        before = None
        for angles in verdict.waypoints.positions:
            pose = place_of(arm, angles[own])
            # The waypoint may stand off the pose asked for by as much as the inverse kinematics may.
            if any(not a - PLACE - SLACK <= x <= b + PLACE + SLACK for a, x, b in zip(low, pose[:3, 3], high, strict=True)):
                wrong.append(f"arm {arm.name} at {pose[:3, 3].tolist()}")
            if before is not None and math.dist(before[:3, 3], pose[:3, 3]) > robot.safety.max_step_translation + 2 * PLACE + SLACK:
                wrong.append(f"arm {arm.name} strides {math.dist(before[:3, 3], pose[:3, 3])} m")
            before = pose
    return wrong


def _meaning(robot: Embodiment, proposal: Proposal, posture: Posture, verdict: Verdict) -> list[str]:
    """That the waypoints are those of the chunk: deltas add up from the observed pose."""
    wrong, offset = [], 0
    motion = np.array([[row[k] for k in range(len(row)) if k not in robot.action.gripper_dims] for row in proposal.actions])
    for index, arm in enumerate(robot.arms):
        own = slice(offset, offset + len(arm.joints))
        offset = own.stop
        wanted = place_of(arm, posture.observed[own])
        for step, angles in enumerate(verdict.waypoints.positions):
            delta = motion[step, 6 * index : 6 * index + 6]
            wanted[:3, 3] += delta[:3]
            wanted[:3, :3] = _euler(delta[3:]) @ wanted[:3, :3]
            pose = place_of(arm, angles[own])
            if math.dist(pose[:3, 3], wanted[:3, 3]) > PLACE + SLACK:
                wrong.append(f"step {step} of {arm.name} is {math.dist(pose[:3, 3], wanted[:3, 3])} m off what the chunk says")
            _, angle = mat2axangle(pose[:3, :3] @ wanted[:3, :3].T)
            if abs(angle) > TURN + SLACK:
                wrong.append(f"step {step} of {arm.name} is turned by {angle} rad")
    return wrong


def _euler(rpy: np.ndarray) -> np.ndarray:
    """Static xyz: roll first, about the fixed axes."""
    return axangle2mat((0, 0, 1), rpy[2]) @ axangle2mat((0, 1, 0), rpy[1]) @ axangle2mat((1, 0, 0), rpy[0])


def _transform(position: tuple, xyzw: tuple) -> np.ndarray:
    x, y, z, w = xyzw
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = quat2mat((w, x, y, z)), position
    return matrix
