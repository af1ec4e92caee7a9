"""An arm behind ros2_control: the trajectory goes on to its joint trajectory controllers, arm and gripper apart.

Those controllers splice by stamp as the chunk controller means it, so nothing is resampled here. An arm whose one
controller claims the finger as well needs no driver at all: point the contract's trajectory topic at it.
"""

from __future__ import annotations

import array

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from vlaser_core.embodiment import Arm
from vlaser_core.errors import ConfigError
from vlaser_ros.drivers.inquiry import Inquiry
from vlaser_ros.drivers.links import Names, absolute
from vlaser_ros.messages import to_duration, to_time

HOLD_RAMP = 0.1  # s in which a hold is taken
GRIPPER_INTERFACES = ("trajectory", "commands", "gripper_command")


class Ros2ControlLink:
    """One arm's controllers. gripper_interface: `trajectory` (a joint trajectory controller), `commands` (a forward command
    controller) or `gripper_command` (a gripper action controller; needs control_msgs)."""

    def __init__(
        self,
        node: Node,
        arm: Arm,
        names: Names,
        robot_name: str,
        *,
        states: str = "joint_states",
        controller: str = "arm_controller",
        gripper_controller: str = "gripper_controller",
        gripper_interface: str = "trajectory",
        max_effort: float = 0.0,
    ) -> None:
        self.arm, self.names = arm, names
        self.states_topic = absolute(robot_name, states)
        self._arm = node.create_publisher(JointTrajectory, absolute(robot_name, f"{controller}/joint_trajectory"), 10)
        self._gripper = _GRIPPERS[gripper_interface](node, absolute(robot_name, gripper_controller), names.finger, max_effort)

    def checks(self) -> Inquiry:
        return Inquiry([])  # a controller that does not obey is noticed by the distance from its command

    def health(self) -> Inquiry:
        return Inquiry([])

    def play(self, times: np.ndarray, positions: np.ndarray) -> None:
        self._arm.publish(trajectory(self.names.joints, times, positions[:, :-1]))
        self._gripper.send(times, positions[:, -1:])

    def hold(self, position: np.ndarray, now: float) -> None:
        self._arm.publish(trajectory(self.names.joints, np.array([now + HOLD_RAMP]), position[None, :-1]))
        self._gripper.send(np.array([now + HOLD_RAMP]), position[None, -1:])

    def tick(self, commanded: np.ndarray, measured: np.ndarray) -> None:
        """Nothing: the controllers interpolate."""


def trajectory(joints: tuple[str, ...], times: np.ndarray, positions: np.ndarray) -> JointTrajectory:
    """Points `positions` (k, n) due at `times` (k,) s, as a message whose stamp is the first due time less its own step."""
    begin = float(times[0]) - max(0.0, float(np.diff(times).min()) if len(times) > 1 else HOLD_RAMP)
    message = JointTrajectory(joint_names=list(joints))
    message.header.stamp = to_time(begin)
    for time, position in zip(times, positions, strict=True):
        message.points.append(JointTrajectoryPoint(positions=array.array("d", position), time_from_start=to_duration(float(time) - begin)))
    return message


class _TrajectoryGripper:
    def __init__(self, node: Node, controller: str, finger: str, effort: float) -> None:
        self._finger = finger
        self._publisher = node.create_publisher(JointTrajectory, f"{controller}/joint_trajectory", 10)

    def send(self, times: np.ndarray, positions: np.ndarray) -> None:
        self._publisher.publish(trajectory((self._finger,), times, positions))


class _CommandsGripper:
    """Takes positions only, so it is sent where the motion leads."""

    def __init__(self, node: Node, controller: str, finger: str, effort: float) -> None:
        self._publisher = node.create_publisher(Float64MultiArray, f"{controller}/commands", 10)

    def send(self, times: np.ndarray, positions: np.ndarray) -> None:
        self._publisher.publish(Float64MultiArray(data=[float(positions[-1, 0])]))


class _ActionGripper:
    """The same through an action; only a changed position is a new goal."""

    def __init__(self, node: Node, controller: str, finger: str, effort: float) -> None:
        try:
            from control_msgs.action import GripperCommand
        except ImportError as error:
            raise ConfigError(f"gripper_interface 'gripper_command' needs control_msgs ({error}): install it, or use 'trajectory' or 'commands'") from error
        from rclpy.action import ActionClient

        self._kind, self._effort, self._sent = GripperCommand, effort, None
        self._log = node.get_logger()
        self._client = ActionClient(node, GripperCommand, f"{controller}/gripper_cmd")

    def send(self, times: np.ndarray, positions: np.ndarray) -> None:
        position = float(positions[-1, 0])
        if position == self._sent:
            return
        if not self._client.server_is_ready():
            self._log.error("the gripper's action server is not there; its command is lost", throttle_duration_sec=2.0)
            return
        goal = self._kind.Goal()
        goal.command.position, goal.command.max_effort = position, self._effort
        self._client.send_goal_async(goal)
        self._sent = position


_GRIPPERS = {"trajectory": _TrajectoryGripper, "commands": _CommandsGripper, "gripper_command": _ActionGripper}
