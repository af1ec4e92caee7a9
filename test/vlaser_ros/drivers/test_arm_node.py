"""The arm driver's node against stand-ins of a robot's own drivers, over DDS with the real message definitions.

The Interbotix half needs its package interbotix_xs_msgs, or the one in this folder: pip install ./test/vlaser_ros/drivers/interbotix_xs_msgs
"""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.errors import ConfigError  # noqa: E402
from vlaser_ros.bringup import compose  # noqa: E402
from vlaser_ros.drivers.arm_node import ArmDriver  # noqa: E402
from vlaser_ros.drivers.servo import Phase  # noqa: E402
from vlaser_ros.messages import header, to_duration  # noqa: E402

pytestmark = pytest.mark.ros
WIDOWX, ALOHA = load_embodiment("widowx"), load_embodiment("aloha")
interbotix = pytest.mark.skipif(
    importlib.util.find_spec("interbotix_xs_msgs") is None,
    reason="needs interbotix_xs_msgs: pip install ./test/vlaser_ros/drivers/interbotix_xs_msgs",
)


class User(Node):
    """Sends trajectories; keeps the driver's joint states and status."""

    def __init__(self, context) -> None:
        super().__init__("user", context=context)
        self.joints, self.status, self.refusals = [], [], []
        self.create_subscription(String, "/vlaser/motion_refused", self.refusals.append, 10)
        self.trajectories = self.create_publisher(JointTrajectory, "/arm_controller/joint_trajectory", 10)
        self.create_subscription(JointState, "/joint_states", self.joints.append, 10)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(DiagnosticStatus, "/vlaser/robot_status", self.status.append, latched)

    def send(self, names, position, seconds: float = 0.4) -> None:
        now = self.get_clock().now().nanoseconds * 1e-9
        point = JointTrajectoryPoint(positions=[float(value) for value in position], time_from_start=to_duration(seconds))
        self.trajectories.publish(JointTrajectory(header=header(now, "base"), joint_names=list(names), points=[point]))


def driver(room, robot: str, **parameters) -> ArmDriver:
    """The driver as its bring-up starts it, with changes."""
    spec = compose(robot)[0]
    chosen = {**spec.parameters, "trajectory_topic": "/arm_controller/joint_trajectory", **parameters}
    overrides = [Parameter(name, value=value) for name, value in chosen.items()]
    return room.add(ArmDriver(spec.executable, robot, context=room.context, parameter_overrides=overrides))


def motors_of(standins, robot=WIDOWX, finger: float = 0.03, names: tuple[str, ...] = ()):
    joints = list(names or robot.joint_names)
    return standins.Motors([*joints, "gripper", "left_finger", "right_finger"], [*robot.arms[0].home, 0.0, finger, -finger])


@interbotix
def test_a_widowx_behind_xs_sdk_is_checked_moved_and_held(room, standins):
    motors = motors_of(standins)
    sdk = room.add(standins.XsSdk(room.context, "wx250s", motors, mode="linear_position"))
    user, arm = room.add(User(room.context)), driver(room, "widowx")
    assert room.until(lambda: arm.servo.phase is Phase.READY), arm.servo.reason
    assert not motors.commands and not sdk.singles, "a driver that starts moves nothing"
    goal = np.array([*WIDOWX.arms[0].home, 0.037]) + [0.2, 0, 0, 0, 0, 0, 0]
    user.send(arm.servo.names, goal)
    assert room.until(lambda: np.allclose(motors.position[:6], goal[:6], atol=1e-6))
    waist = np.array([command[0] for command in motors.commands])
    assert len(waist) > 5 and (np.diff(waist) >= -1e-6).all(), "interpolated at servo rate"
    assert room.until(lambda: sdk.singles) and sdk.singles == [("gripper", pytest.approx(0.074))]
    assert room.until(lambda: user.joints and user.joints[-1].position[0] == pytest.approx(goal[0], abs=1e-6))
    assert list(user.joints[-1].name) == [*WIDOWX.joint_names, "left_finger"]
    arm.goodbye()
    room.spin(0.2)
    np.testing.assert_allclose(motors.commands[-1], goal[:6], atol=1e-6)
    assert not sdk.written, "the driver reads registers and writes none"


@interbotix
@pytest.mark.parametrize(
    ("registers", "mode", "words"),
    [
        ({"Torque_Enable": [1, 1, 1, 1, 1, 0]}, "linear_position", "torque is off at wrist_rotate"),
        ({"Hardware_Error_Status": [0, 32, 0, 0, 0, 0]}, "linear_position", "'shoulder' reports overload"),
        ({}, "pwm", "gripper is in operating mode 'pwm'"),
    ],
)
def test_a_robot_that_is_not_as_it_must_be_is_refused_with_the_remedy(room, standins, registers, mode, words):
    sdk = room.add(standins.XsSdk(room.context, "wx250s", motors_of(standins), mode=mode, registers=registers))
    user, arm = room.add(User(room.context)), driver(room, "widowx")
    assert room.until(lambda: arm.servo.phase is Phase.FAILED), arm.servo.reason
    assert words in arm.servo.reason
    assert room.until(lambda: user.status and user.status[-1].level == DiagnosticStatus.ERROR) and words in user.status[-1].message
    user.send(arm.servo.names, [*WIDOWX.arms[0].home, 0.037])
    assert room.until(lambda: arm.refused and user.refusals)
    assert not sdk.motors.commands and words in user.refusals[0].data
    sdk.registers, sdk.mode = {}, "linear_position"
    recover = user.create_client(Trigger, f"/{arm.get_name()}/recover")
    assert room.until(recover.service_is_ready)
    recover.call_async(Trigger.Request())
    assert room.until(lambda: arm.servo.phase is Phase.READY), arm.servo.reason


@interbotix
def test_a_motor_that_fails_while_moving_stops_the_arm(room, standins):
    sdk = room.add(standins.XsSdk(room.context, "wx250s", motors_of(standins), mode="linear_position"))
    user, arm = room.add(User(room.context)), driver(room, "widowx", health_period=0.2)
    assert room.until(lambda: arm.servo.phase is Phase.READY), arm.servo.reason
    user.send(arm.servo.names, np.array([*WIDOWX.arms[0].home, 0.037]) + [1.5, 0, 0, 0, 0, 0, 0], seconds=20.0)
    assert room.until(lambda: len(sdk.motors.commands) > 5)
    sdk.registers = {"Hardware_Error_Status": [0, 0, 0, 32, 0, 0]}
    assert room.until(lambda: arm.servo.phase is Phase.FAILED) and "forearm_roll" in arm.servo.reason
    room.spin(0.1)
    count = len(sdk.motors.commands)
    room.spin(0.3)
    assert len(sdk.motors.commands) == count


@interbotix
def test_an_aloha_is_driven_through_two_xs_sdk_nodes_each_its_own_arm(room, standins):
    names = tuple(name.removeprefix("left_") for name in ALOHA.joint_names[:6])
    sides = {
        side: room.add(standins.XsSdk(room.context, f"follower_{side}", motors_of(standins, ALOHA, 0.05, names), mode="current_based_position"))
        for side in ("left", "right")
    }
    user, pair = room.add(User(room.context)), driver(room, "aloha")
    assert room.until(lambda: pair.servo.phase is Phase.READY), pair.servo.reason
    home = np.array(ALOHA.arms[0].home)
    goal = np.concatenate([home + [0.1, 0, 0, 0, 0, 0], home + [-0.2, 0, 0, 0, 0, 0], [0.0579, 0.0440]])
    user.send(pair.servo.names, goal)
    assert room.until(lambda: np.allclose(sides["left"].motors.position[:6], goal[:6], atol=1e-6))
    assert room.until(lambda: np.allclose(sides["right"].motors.position[:6], goal[6:12], atol=1e-6))
    # Both grippers travel with the motion and end at the motors' angles for open and closed.
    assert room.until(lambda: sides["left"].singles[-1][1] == pytest.approx(1.6214) and sides["right"].singles[-1][1] == pytest.approx(0.6197))
    assert len(sides["left"].singles) > 3
    assert room.until(lambda: user.joints) and list(user.joints[-1].name) == list(pair.servo.names) and len(pair.servo.names) == 14


@interbotix
def test_the_installed_definitions_are_those_the_driver_was_written_for():
    from vlaser_ros.drivers.xs_messages import differences, xs_messages

    assert not differences(xs_messages())


def test_behind_ros2_control_arm_and_gripper_get_their_parts_with_the_same_due_times(room, standins):
    motors = motors_of(standins)
    control = room.add(standins.Ros2Control(room.context, "wx250s", motors))
    user, arm = room.add(User(room.context)), driver(room, "widowx", backend="ros2_control")
    assert room.until(lambda: arm.servo.phase is Phase.READY), arm.servo.reason
    goal = np.array([*WIDOWX.arms[0].home, 0.037]) + [0.2, 0, 0, 0, 0, 0, 0]
    user.send(arm.servo.names, goal)
    assert room.until(lambda: control.received["arm"] and control.received["gripper"])
    message, finger = control.received["arm"][0], control.received["gripper"][0]
    assert list(message.joint_names) == list(WIDOWX.joint_names) and list(finger.joint_names) == ["left_finger"]
    np.testing.assert_allclose(message.points[-1].positions, goal[:6])
    np.testing.assert_allclose(finger.points[-1].positions, goal[6:])
    assert message.header.stamp == finger.header.stamp and message.points[-1].time_from_start == finger.points[-1].time_from_start
    user.send(arm.servo.names, goal + [9, 0, 0, 0, 0, 0, 0])
    assert room.until(lambda: arm.refused)
    assert room.until(lambda: len(control.received["arm"]) == 2), "what is refused also ends what was accepted before"
    assert abs(control.received["arm"][1].points[0].positions[0] - goal[0]) < 0.21


def test_joint_states_that_stop_are_a_failed_robot_on_its_status_topic(room, standins):
    control = room.add(standins.Ros2Control(room.context, "wx250s", motors_of(standins)))
    user, arm = room.add(User(room.context)), driver(room, "widowx", backend="ros2_control", joint_states_timeout=1.0)
    assert room.until(lambda: arm.servo.phase is Phase.READY), arm.servo.reason
    control.silent = True
    assert room.until(lambda: user.status and user.status[-1].level == DiagnosticStatus.ERROR)
    assert "joint states" in user.status[-1].message


def test_a_robot_of_other_joint_names_is_never_ready_and_it_is_said_why(room, standins):
    control = room.add(standins.Ros2Control(room.context, "wx250s", motors_of(standins, names=tuple("abcdef"))))
    arm = driver(room, "widowx", backend="ros2_control")
    room.spin(1.5)
    assert arm.servo.phase is Phase.CHECKING and "/wx250s/joint_states" in arm.servo.reason and control.motors.commands == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"backend": "canbus"}, "canbus.*interbotix"),
        ({"robot_names": ["one", "two"]}, "robot_names.*1 arms"),
        ({"backend": "ros2_control", "gripper_interface": "magnet"}, "magnet.*trajectory"),
    ],
)
def test_parameters_that_fit_no_robot_are_refused(room, parameters, words):
    with pytest.raises(ConfigError, match=words):
        driver(room, "widowx", **parameters)
