"""The controller's decisions in virtual time: a real node whose callbacks are called by hand and whose messages are caught."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.types import ActionChunk  # noqa: E402
from vlaser_ros.controller import ChunkController  # noqa: E402
from vlaser_ros.diagnostics import Meter  # noqa: E402
from vlaser_ros.messages import chunk_message, header, hold_message, to_seconds  # noqa: E402

pytestmark = pytest.mark.ros
ROBOT = load_embodiment("widowx")
HOME = np.array(ROBOT.arms[0].home)
NAMES = [*ROBOT.joint_names, "left_finger"]


@pytest.fixture(scope="module")
def node():
    rclpy.init(args=[], domain_id=103, signal_handler_options=SignalHandlerOptions.NO)
    made = ChunkController()
    yield made
    made.destroy_node()
    rclpy.shutdown()


class Bench:
    """A controller as if fresh; `clock` is virtual seconds, `sent` and `verdicts` what it published."""

    def __init__(self, node: ChunkController, monkeypatch) -> None:
        self.node, self.clock, self.sequence, self.joints = node, 5000.0, 0, HOME.copy()
        self.sent, self.verdicts, self.reports = [], [], []
        monkeypatch.setattr(node, "now", lambda: self.clock)
        for publisher, kept in (("trajectories", self.sent), ("verdicts", self.verdicts), ("diagnostics", self.reports)):
            monkeypatch.setattr(getattr(node, publisher), "publish", kept.append)
        monkeypatch.setattr(node, "joints", type(node.joints)(ROBOT))
        monkeypatch.setattr(node, "fingers", None)
        node.player.clear()
        node.gate.release()
        node.gate.last_sequence = node.accepted = node.rejected = 0
        node.last_rejection = ""
        self.feel(0.2)

    def feel(self, seconds: float, names: list[str] = NAMES) -> None:
        """Let joint states arrive at 50 Hz for a while; the arm obeys what is played."""
        for _ in range(round(seconds / 0.02)):
            self.clock += 0.02
            if self.node.player.active:
                self.joints = self.node.player.sample(self.clock)[:6]
            self.node.on_joints(JointState(header=header(self.clock, "base_link"), name=names, position=[*self.joints, 0.03][: len(names)]))
            self.node.watch()

    def wait(self, seconds: float) -> None:
        """Let time pass without joint states."""
        for _ in range(round(seconds / 0.05)):
            self.clock += 0.05
            self.node.watch()

    def ask(self, *, dx: float = 0.01, gripper: float = 1.0, age: float = 0.04, **changes):
        """Hand in a chunk; its verdict."""
        self.sequence += 1
        actions = np.tile([dx, 0.0, 0.0, 0.0, 0.0, 0.0, gripper], (4, 1))
        message = chunk_message(ActionChunk(actions, self.clock - age, 0.2, 0.01), ROBOT, sequence=self.sequence, goal_id="g", executed_steps=4)
        for name, value in changes.items():
            setattr(message, name, value)
        self.node.on_chunk(message)
        return self.verdicts[-1]

    def status(self, name: str) -> DiagnosticStatus:
        self.node.diagnose()
        return next(status for status in self.reports[-1].status if name in status.name)


@pytest.fixture
def bench(node, monkeypatch):
    return Bench(node, monkeypatch)


def is_hold(message) -> bool:
    return len(message.points) == 1 and to_seconds(message.points[0].time_from_start) == pytest.approx(0.1)


def test_an_accepted_chunk_becomes_one_trajectory_stamped_with_its_observation(bench):
    verdict = bench.ask()
    assert verdict.accepted and verdict.code == ResultCode.NONE and len(bench.sent) == 1
    assert to_seconds(bench.sent[0].header.stamp) == pytest.approx(bench.clock - 0.04) and list(bench.sent[0].joint_names) == NAMES
    assert to_seconds(verdict.end) == pytest.approx(bench.clock - 0.04 + 0.8) and verdict.age == pytest.approx(0.04)


def test_out_of_data_the_arm_is_held_where_the_motion_ended(bench):
    bench.ask()
    bench.feel(1.2)
    assert len(bench.sent) == 2 and is_hold(bench.sent[1])
    assert list(bench.sent[1].points[0].positions) == list(bench.sent[0].points[-1].positions)


def test_joint_states_that_stop_while_moving_bring_a_hold(bench):
    bench.ask()
    bench.feel(0.1)
    bench.wait(0.2)
    assert len(bench.sent) == 1
    bench.wait(0.3)
    assert len(bench.sent) == 2 and is_hold(bench.sent[1])
    assert bench.ask().code == ResultCode.NO_JOINT_STATES


def test_the_stop_holds_at_the_commanded_place_in_the_middle_of_a_motion(bench):
    bench.ask()
    bench.feel(0.3)
    middle = bench.node.player.sample(bench.clock)
    response = bench.node.on_estop(Trigger.Request(), Trigger.Response())
    assert response.success and is_hold(bench.sent[-1])
    np.testing.assert_allclose(bench.sent[-1].points[0].positions, middle)
    assert np.abs(middle[:6] - HOME).max() > 0.01 and not bench.node.player.active
    verdict = bench.ask()
    assert (verdict.accepted, verdict.code) == (False, ResultCode.GATE_ESTOP) and "reset" in verdict.reason
    assert len(bench.sent) == 2, "a refused chunk must move nothing"
    assert bench.status("gate").level == DiagnosticStatus.ERROR
    bench.node.on_reset(Trigger.Request(), Trigger.Response())
    assert bench.ask().accepted


def test_a_refused_chunk_stops_what_still_moves(bench):
    bench.ask()
    bench.feel(0.2)
    verdict = bench.ask(dx=0.2)
    assert verdict.code == ResultCode.GATE_STEP and is_hold(bench.sent[-1]) and not bench.node.player.active


def test_the_end_of_a_goal_holds_with_its_fingers_as_commanded(bench):
    bench.ask(gripper=0.0)
    bench.feel(0.4)
    bench.node.on_chunk(hold_message(ROBOT, stamp=bench.clock, sequence=bench.sequence + 1, goal_id="g"))
    # The measured finger stands at 0.03, around something; opening to that would let go of it.
    assert is_hold(bench.sent[-1]) and bench.sent[-1].points[0].positions[6] == pytest.approx(0.015)
    assert bench.verdicts[-1].accepted


def test_a_hold_that_comes_late_does_not_stop_a_later_motion(bench):
    bench.ask(sequence=50)
    bench.node.on_chunk(hold_message(ROBOT, stamp=bench.clock, sequence=49, goal_id="old"))
    assert bench.verdicts[-1].code == ResultCode.GATE_SEQUENCE


def test_joint_states_of_another_robot_are_named_in_the_verdict(node, bench, monkeypatch):
    monkeypatch.setattr(node, "joints", type(node.joints)(ROBOT))
    bench.feel(0.1, ["panda_joint1", "panda_joint2"])
    verdict = bench.ask()
    assert verdict.code == ResultCode.JOINTS_MISMATCH and "panda_joint1" in verdict.reason and bench.sent == []


def test_data_that_do_not_fill_the_chunk_are_refused_and_the_node_lives(bench):
    assert bench.ask(data=[0.0] * 5).code == ResultCode.GATE_SHAPE
    assert bench.ask(data=[float("nan")] * 28).code == ResultCode.GATE_NOT_FINITE
    assert bench.ask().accepted


def test_diagnostics_tell_rates_counts_and_the_last_refusal(bench):
    bench.ask(dx=0.2)
    bench.ask()
    gate = bench.status("gate")
    values = {item.key: item.value for item in gate.values}
    assert gate.level == DiagnosticStatus.WARN and gate.message == "open"
    assert (values["accepted"], values["rejected"], values["moving"]) == ("1", "1", "True")
    assert values["last_rejection"].startswith("404: step 0 moves 0.200 m")


def test_diagnostics_tell_whether_joint_states_arrive(bench):
    bench.feel(0.1)
    arriving = bench.status("joint states")
    assert arriving.message == "arriving" and float(arriving.values[0].value) > 0
    bench.node.joint_meter = Meter()
    missing = bench.status("joint states")
    assert missing.level == DiagnosticStatus.ERROR and missing.message == "missing"
