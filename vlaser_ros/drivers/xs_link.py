"""An arm behind Interbotix's xs_sdk: position commands to its arm group at servo rate, single commands to its gripper.

Neither torque nor operating modes are ever switched from here: what is not as it must be is told.
"""

from __future__ import annotations

import array
from types import SimpleNamespace

import numpy as np
from rclpy.node import Node

from vlaser_core.embodiment import Arm
from vlaser_ros.drivers import xs_checks
from vlaser_ros.drivers.gripper_command import EFFORT_MODES, GripperCommand
from vlaser_ros.drivers.inquiry import Inquiry, Question
from vlaser_ros.drivers.links import Names, absolute

FINGER_STEP = 0.005  # share of the stroke; the gripper is written alone and only when its command changes


class XsLink:
    """One xs_sdk namespace. group, motor: what its configuration calls the arm group and the gripper's motor."""

    def __init__(
        self,
        node: Node,
        arm: Arm,
        names: Names,
        robot_name: str,
        gripper: GripperCommand,
        messages: SimpleNamespace,
        *,
        group: str = "arm",
        motor: str = "gripper",
        registers: bool = True,
    ) -> None:
        self.arm, self.names, self.gripper = arm, names, gripper
        self.states_topic = absolute(robot_name, "joint_states")
        self._messages, self._group, self._motor, self._registers = messages, group, motor, registers
        # xs_sdk reads both reliably with a queue of 10.
        self._arm_commands = node.create_publisher(messages.JointGroupCommand, absolute(robot_name, "commands/joint_group"), 10)
        self._gripper_commands = node.create_publisher(messages.JointSingleCommand, absolute(robot_name, "commands/joint_single"), 10)
        self._info = node.create_client(messages.RobotInfo, absolute(robot_name, "get_robot_info"))
        self._get = node.create_client(messages.RegisterValues, absolute(robot_name, "get_motor_registers"))
        self._sent: float | None = None
        self._wanted: float | None = None

    def checks(self) -> Inquiry:
        info, joints = self._messages.RobotInfo.Request, self.names.joints
        profile: list[str] = []

        def group(answer) -> list[str]:
            profile.append(answer.profile_type)
            return xs_checks.group_faults(self.arm, joints, answer.mode, answer.joint_names, answer.joint_lower_limits, answer.joint_upper_limits)

        questions = [
            Question(self._info, info(cmd_type="group", name=self._group), group),
            Question(
                self._info,
                info(cmd_type="single", name=self._motor),
                lambda answer: xs_checks.gripper_faults(answer.mode, self.gripper.mode),
            ),
        ]
        if self._registers:
            questions += [
                self._register("group", self._group, "Torque_Enable", joints, lambda values: xs_checks.torque_faults(joints, values)),
                self._register("single", self._motor, "Torque_Enable", (self._motor,), lambda values: xs_checks.torque_faults([self._motor], values)),
                self._register("group", self._group, "Profile_Velocity", joints, lambda values: xs_checks.profile_faults(self.arm, profile[0] if profile else '', values)),
                *self.health().questions,
            ]
        return Inquiry(questions)

    def health(self) -> Inquiry:
        if not self._registers:
            return Inquiry([])
        joints, motor = self.names.joints, self._motor
        return Inquiry(
            [
                self._register("group", self._group, "Hardware_Error_Status", joints, lambda values: xs_checks.error_faults(joints, values)),
                self._register("single", motor, "Hardware_Error_Status", (motor,), lambda values: xs_checks.error_faults([motor], values)),
            ]
        )

    def _register(self, kind: str, name: str, register: str, joints: tuple[str, ...], judge) -> Question:
        def judged(answer) -> list[str]:
            values = list(answer.values)
            if len(values) != len(joints):
                return [f"register {register} of {name!r} was answered with {len(values)} values, expected {len(joints)}: is every motor connected?"]
            return judge(values)

        return Question(self._get, self._messages.RegisterValues.Request(cmd_type=kind, name=name, reg=register), judged)

    def play(self, times: np.ndarray, positions: np.ndarray) -> None:
        """Nothing: motion is sent instant by instant."""

    def hold(self, position: np.ndarray, now: float) -> None:
        # At once, not at the next instant: this may be the last thing the process does.
        self._arm_commands.publish(self._messages.JointGroupCommand(name=self._group, cmd=array.array("f", position[:-1])))

    def tick(self, commanded: np.ndarray, measured: np.ndarray) -> None:
        self._arm_commands.publish(self._messages.JointGroupCommand(name=self._group, cmd=array.array("f", commanded[:-1])))
        command = self.gripper.command(float(commanded[-1]), float(measured[-1]))
        # A command that travels is sent in steps, and once more where it comes to rest.
        rests, self._wanted = command == self._wanted, command
        if self._sent is None or abs(command - self._sent) > (0.0 if rests else self._finest()):
            self._gripper_commands.publish(self._messages.JointSingleCommand(name=self._motor, cmd=command))
            self._sent = command

    def _finest(self) -> float:
        if self.gripper.mode in EFFORT_MODES:
            return 0.0
        gripper = self.arm.gripper
        stroke = [self.gripper.command(position, position) for position in (gripper.closed_position, gripper.open_position)]
        return FINGER_STEP * abs(stroke[1] - stroke[0])
