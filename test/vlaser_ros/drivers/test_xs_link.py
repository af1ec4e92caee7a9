"""What an Interbotix arm is asked and sent, with stand-ins for its message package: names, order, units, and never torque."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import JointState  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.errors import ConfigError, InputError  # noqa: E402
from vlaser_ros.drivers import xs_messages  # noqa: E402
from vlaser_ros.drivers.gripper_command import GripperCommand  # noqa: E402
from vlaser_ros.drivers.links import Names, absolute, one_an_arm  # noqa: E402
from vlaser_ros.drivers.xs_link import XsLink  # noqa: E402

pytestmark = pytest.mark.ros
WIDOWX, ALOHA = load_embodiment("widowx"), load_embodiment("aloha")
HOME = np.array([*WIDOWX.arms[0].home, 0.037])


def record(*fields: str) -> type:
    return type("Message", (SimpleNamespace,), {"fields": fields})


class Answer:
    """A future that is done when its service chose to answer."""

    def __init__(self, value) -> None:
        self.value = value

    def done(self) -> bool:
        return self.value is not None

    def exception(self):
        return self.value if isinstance(self.value, Exception) else None

    def result(self):
        return self.value


class Wire:
    """A node's publishers and clients: keeps what is sent, answers from `answers` (service → function of the request)."""

    def __init__(self, **answers) -> None:
        self.sent: dict[str, list] = {}
        self.asked: list[tuple[str, object]] = []
        self.answers = answers

    def create_publisher(self, kind, topic, depth):
        self.sent[topic] = []
        return SimpleNamespace(publish=self.sent[topic].append)

    def create_client(self, kind, name):
        short = name.rsplit("/", 1)[1]

        def call_async(request):
            self.asked.append((name, request))
            return Answer(self.answers[short](request))

        return SimpleNamespace(srv_name=name, service_is_ready=lambda: short in self.answers, call_async=call_async, remove_pending_request=lambda _: None)


MESSAGES = SimpleNamespace(
    JointGroupCommand=record("name", "cmd"),
    JointSingleCommand=record("name", "cmd"),
    RobotInfo=SimpleNamespace(Request=record("cmd_type", "name")),
    RegisterValues=SimpleNamespace(Request=record("cmd_type", "name", "reg")),
)
JOINTS = [joint.name for joint in WIDOWX.arms[0].joints]


def info(request):
    if request.cmd_type == "single":
        return SimpleNamespace(mode="linear_position", profile_type="velocity", joint_names=["left_finger"], joint_lower_limits=[], joint_upper_limits=[])
    return SimpleNamespace(mode="position", profile_type="velocity", joint_names=JOINTS, joint_lower_limits=[], joint_upper_limits=[])


def registers(**values):
    def answer(request):
        count = 6 if request.cmd_type == "group" else 1
        return SimpleNamespace(values=values.get(request.reg, [1 if request.reg == "Torque_Enable" else 0] * count))

    return answer


def link(wire: Wire, mode: str = "linear_position", **settings) -> XsLink:
    arm = WIDOWX.arms[0]
    gripper = GripperCommand(arm.gripper, mode, **({"closed": 0.0, "opened": 1.0} if mode.endswith("d_position") else {}))
    return XsLink(wire, arm, Names.of(arm, "", ""), "wx250s", gripper, MESSAGES, **settings)


def test_the_arm_is_commanded_as_a_group_and_the_gripper_only_when_it_changes():
    wire = Wire()
    arm = link(wire)
    for _ in range(3):
        arm.tick(HOME, HOME)
    closed = HOME - [0.1, 0, 0, 0, 0, 0, 0.022]
    arm.tick(closed, HOME)
    groups, singles = wire.sent["/wx250s/commands/joint_group"], wire.sent["/wx250s/commands/joint_single"]
    assert [message.name for message in groups] == ["arm"] * 4 and all(message.cmd.typecode == "f" for message in groups)
    np.testing.assert_allclose(groups[-1].cmd, closed[:6], atol=1e-6)
    assert [(message.name, round(message.cmd, 4)) for message in singles] == [("gripper", 0.074), ("gripper", 0.03)]


def test_an_effort_gripper_is_switched_off_when_it_has_arrived():
    wire = Wire()
    arm = link(wire, "pwm")
    arm.tick(HOME, HOME - [0, 0, 0, 0, 0, 0, 0.02])
    arm.tick(HOME, HOME)
    assert [message.cmd for message in wire.sent["/wx250s/commands/joint_single"]] == [250.0, 0.0]


def test_a_hold_is_sent_at_once_and_nothing_ever_touches_the_torque():
    wire = Wire(get_robot_info=info, get_motor_registers=registers())
    arm = link(wire)
    assert arm.checks().poll(0.0) == [] and arm.health().poll(0.0) == []
    arm.hold(HOME, 0.0)
    assert len(wire.sent["/wx250s/commands/joint_group"]) == 1
    # Of all services of an xs_sdk node, only those that read are asked.
    assert {name for name, _ in wire.asked} == {"/wx250s/get_robot_info", "/wx250s/get_motor_registers"}


def test_faults_of_the_robot_are_found_before_the_first_motion():
    wire = Wire(get_robot_info=info, get_motor_registers=registers(Torque_Enable=[1, 1, 1, 0, 1, 1], Hardware_Error_Status=[0, 0, 32, 0, 0, 0]))
    faults = " ".join(link(wire).checks().poll(0.0))
    assert "forearm_roll" in faults and "overload" in faults and "expected 1" in faults  # one register, six values for the gripper


def test_a_missing_motor_is_noticed_by_the_number_of_values():
    faults = link(Wire(get_robot_info=info, get_motor_registers=registers(Profile_Velocity=[0] * 5))).checks().poll(0.0)
    assert len(faults) == 1 and "5 values, expected 6" in faults[0]


def test_a_service_that_is_not_there_is_waited_for_by_name_and_one_that_is_silent_is_a_fault():
    wire = Wire(get_robot_info=info)
    inquiry = link(wire).checks()
    assert inquiry.poll(0.0) is None and inquiry.waiting_for == "/wx250s/get_motor_registers"
    wire.answers["get_motor_registers"] = lambda request: None
    faults = None
    for now in np.arange(1.0, 40.0, 0.5):
        faults = faults or inquiry.poll(float(now))
    assert faults and "did not answer" in faults[0]


def test_a_service_that_fails_is_told_and_the_rest_is_asked_all_the_same():
    faults = link(Wire(get_robot_info=lambda request: RuntimeError("no bus"), get_motor_registers=registers(Torque_Enable=[0] * 6))).checks().poll(0.0)
    assert sum("no bus" in fault for fault in faults) == 2 and any("torque is off" in fault for fault in faults)


def test_a_gripper_that_travels_is_sent_in_steps_and_to_its_very_end():
    wire = Wire()
    arm = link(wire)
    ends = np.linspace(0.015, 0.037, 1001)
    for finger in [*ends, ends[-1]]:
        arm.tick(np.array([*HOME[:6], finger]), HOME)
    sent = [message.cmd for message in wire.sent["/wx250s/commands/joint_single"]]
    assert 100 < len(sent) < 300 and sent[-1] == 2 * 0.037


def test_simulators_without_registers_are_asked_for_none():
    wire = Wire(get_robot_info=info)
    assert link(wire, registers=False).checks().poll(0.0) == [] and link(wire, registers=False).health().poll(0.0) == []


def test_names_of_two_arms_are_told_apart_by_their_prefix():
    left, right = (Names.of(arm, prefix, "left_finger") for arm, prefix in zip(ALOHA.arms, ("left_", "right_"), strict=True))
    assert left == right and left.joints[0] == "waist"
    with pytest.raises(ConfigError, match="right_.*left_waist"):
        Names.of(ALOHA.arms[0], "right_", "")
    with pytest.raises(ConfigError, match="robot_names.*2 arms"):
        one_an_arm("robot_names", ["follower"], 2)
    assert absolute("follower_left", "joint_states") == "/follower_left/joint_states" and absolute("", "joint_states") == "/joint_states"


def test_joint_states_are_read_by_name_and_what_is_missing_is_told():
    names = Names.of(WIDOWX.arms[0], "", "")
    message = JointState(name=["gripper", "right_finger", "left_finger", *reversed(JOINTS)], position=[9.0, -0.03, 0.03, *reversed(HOME[:6])])
    np.testing.assert_allclose(names.read(message), [*HOME[:6], 0.03])
    with pytest.raises(InputError, match="missing.*waist"):
        names.read(JointState(name=["left_finger"], position=[0.0]))
    message.position[2] = float("nan")
    with pytest.raises(InputError, match="left_finger.*finite"):
        names.read(message)


def test_without_the_message_package_it_is_said_where_it_comes_from(monkeypatch):
    monkeypatch.setitem(sys.modules, "interbotix_xs_msgs.msg", None)
    with pytest.raises(ConfigError, match="interbotix_ros_core.*ros2_control"):
        xs_messages.xs_messages()


def test_other_definitions_of_the_same_name_are_refused_field_by_field():
    def kind(**fields):
        return SimpleNamespace(get_fields_and_field_types=lambda: fields)

    right = {path: kind(**fields) for path, fields in xs_messages.USED_FIELDS.items()}
    services = {name: SimpleNamespace(Request=right[f"{name}.Request"], Response=right[f"{name}.Response"]) for name in ("RobotInfo", "RegisterValues")}
    found = SimpleNamespace(JointGroupCommand=right["JointGroupCommand"], JointSingleCommand=kind(name="string", cmd="double"), **services)
    assert xs_messages.differences(found) == ["JointSingleCommand.cmd is double, expected float"]
