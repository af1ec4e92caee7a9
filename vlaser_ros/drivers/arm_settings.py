"""The arm driver's parameters, and the links they ask for."""

from __future__ import annotations

from rclpy.node import Node

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError
from vlaser_ros.drivers.gripper_command import GripperCommand
from vlaser_ros.drivers.links import Link, Names, one_an_arm
from vlaser_ros.drivers.ros2_control_link import GRIPPER_INTERFACES, Ros2ControlLink
from vlaser_ros.drivers.servo import Bounds
from vlaser_ros.drivers.xs_link import XsLink
from vlaser_ros.drivers.xs_messages import xs_messages
from vlaser_ros.parameters import declare

BACKENDS = ("interbotix", "ros2_control")


class BoundSettings:
    """Parameters of `Bounds`; the contract's safety section says what following means."""

    def __init__(self, node: Node, robot: Embodiment) -> None:
        default = Bounds(following_error=robot.safety.max_following_error, following_time=robot.safety.following_error_time)
        self.bounds = Bounds(
            timeout=declare(node, "joint_states_timeout", default.timeout, "s without joint states after which the robot has failed", low=0.02),
            following_error=declare(node, "max_following_error", default.following_error, "rad between command and measurement", low=0.01),
            following_time=declare(node, "following_error_time", default.following_time, "s it may last before the robot has failed", low=0.05),
        )


def make_links(node: Node, robot: Embodiment) -> list[Link]:
    """One link an arm, in the contract's order. Raises ConfigError for parameters that do not fit the embodiment."""
    count = len(robot.arms)
    backend = declare(node, "backend", "interbotix", f"what moves the motors: {' or '.join(BACKENDS)}")
    robots = one_an_arm("robot_names", declare(node, "robot_names", [""] * count, "namespace of each arm's driver"), count)
    prefixes = one_an_arm("joint_prefixes", declare(node, "joint_prefixes", [""] * count, "what the contract's joint names have before the robot's"), count)
    fingers = one_an_arm("fingers", declare(node, "fingers", [""] * count, "each arm's finger as its joint states call it; empty: the contract's"), count)
    names = [Names.of(arm, prefix, finger) for arm, prefix, finger in zip(robot.arms, prefixes, fingers, strict=True)]
    if backend not in BACKENDS:
        raise ConfigError(f"backend is {backend!r}, expected {' or '.join(BACKENDS)}")
    make = _interbotix if backend == "interbotix" else _ros2_control
    return make(node, robot, robots, names)


def _interbotix(node: Node, robot: Embodiment, robots: list[str], names: list[Names]) -> list[Link]:
    mode = declare(node, "gripper_mode", "linear_position", "operating mode of the grippers, which decides the unit of their commands")
    closed = declare(node, "gripper_closed", 0.0, "rad, the gripper motor's angle when closed; for the position modes", low=-10.0, high=10.0)
    opened = declare(node, "gripper_open", 0.0, "rad, the gripper motor's angle when open; for the position modes", low=-10.0, high=10.0)
    effort = declare(node, "gripper_effort", 250.0, "PWM counts or mA that open and close; for the modes pwm and current", low=0.0)
    group = declare(node, "arm_group", "arm", "name of the arm's joint group")
    motor = declare(node, "gripper_name", "gripper", "name of the gripper's motor")
    registers = declare(node, "check_registers", True, "read torque, profile and errors from the motors; off for simulators that have none")
    messages = xs_messages()
    return [
        XsLink(node, arm, name, place, GripperCommand(arm.gripper, mode, closed, opened, effort), messages, group=group, motor=motor, registers=registers)
        for arm, place, name in zip(robot.arms, robots, names, strict=True)
    ]


def _ros2_control(node: Node, robot: Embodiment, robots: list[str], names: list[Names]) -> list[Link]:
    states = declare(node, "robot_joint_states", "joint_states", "topic of the joint state broadcaster, in each arm's namespace")
    controller = declare(node, "controller", "arm_controller", "joint trajectory controller of the arm")
    gripper = declare(node, "gripper_controller", "gripper_controller", "controller of the gripper")
    interface = declare(node, "gripper_interface", "trajectory", f"what the gripper's controller takes: {', '.join(GRIPPER_INTERFACES)}")
    effort = declare(node, "gripper_max_effort", 0.0, "N, for gripper_command; 0: the controller's own", low=0.0)
    if interface not in GRIPPER_INTERFACES:
        raise ConfigError(f"gripper_interface is {interface!r}, expected one of {', '.join(GRIPPER_INTERFACES)}")
    return [
        Ros2ControlLink(
            node, arm, name, place, states=states, controller=controller, gripper_controller=gripper, gripper_interface=interface, max_effort=effort
        )
        for arm, place, name in zip(robot.arms, robots, names, strict=True)
    ]
