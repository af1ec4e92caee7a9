"""What the chunk controller tells others: trajectories, holds and its state on /diagnostics."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from vlaser_core.embodiment import Embodiment
from vlaser_ros.diagnostics import ERROR, OK, WARN, full_name, hardware, level, report, status
from vlaser_ros.messages import header, to_duration
from vlaser_ros.safety.motion import Motion

if TYPE_CHECKING:
    from vlaser_ros.controller import ChunkController

HOLD_RAMP = 0.1  # s in which a hold position is taken: no step for the driver, and it is where the arm is anyway
REMEMBERED = 30.0  # s for which a refusal is a warning


def _names(embodiment: Embodiment) -> list[str]:
    return [*embodiment.joint_names, *(arm.gripper.joint for arm in embodiment.arms)]


def motion_trajectory(embodiment: Embodiment, motion: Motion, points: np.ndarray, stamp: float) -> JointTrajectory:
    """A motion with its points (k, n + G): arm joints and fingers. stamp: s, observation time, from which times count."""
    message = JointTrajectory(header=header(stamp, embodiment.base_frame), joint_names=_names(embodiment))
    for index, positions in enumerate(points):
        point = JointTrajectoryPoint(positions=array.array("d", positions), time_from_start=to_duration(float(motion.times[index]) - stamp))
        if motion.velocities is not None:
            point.velocities = array.array("d", [*motion.velocities[index], *([0.0] * len(embodiment.arms))])
        message.points.append(point)
    return message


def hold_trajectory(embodiment: Embodiment, place: np.ndarray, now: float) -> JointTrajectory:
    """Stay at `place` (n + G,) from `now` on."""
    point = JointTrajectoryPoint(positions=array.array("d", place), time_from_start=to_duration(HOLD_RAMP))
    return JointTrajectory(header=header(now, embodiment.base_frame), joint_names=_names(embodiment), points=[point])


def diagnostics(node: ChunkController) -> DiagnosticArray:
    """Joint states, gate and motion of the controller."""
    age, fault = node.joint_meter.age(), node.joints.fault()
    name, hardware_id = full_name(node), hardware(node, node.embodiment.name)
    arriving = age < node.joints_timeout
    joints = status(
        f"{name}: joint states",
        level(age, 0.1, node.joints_timeout),
        "arriving" if arriving else f"missing: {fault}" if fault else "missing",
        hardware_id=hardware_id,
        rate_hz=node.joint_meter.rate(),
        age_s=age,
        clock_jumps=node.clock_watch.jumps,
    )
    gate = status(
        f"{name}: gate",
        ERROR if node.gate.stopped else WARN if node.rejected and node.chunk_meter.age() < REMEMBERED and node.last_rejection else OK,
        f"stop latched: {node.gate.stop_reason}" if node.gate.stopped else "open",
        hardware_id=hardware_id,
        accepted=node.accepted,
        rejected=node.rejected,
        refused_by_driver=node.driver_refusals,
        last_rejection=node.last_rejection,
        chunk_rate_hz=node.chunk_meter.rate(),
        moving=node.commander.moving,
        last_hold=node.last_hold,
        following_error_rad=node.following.worst,
    )
    return report(node.get_clock().now().to_msg(), joints, gate)
