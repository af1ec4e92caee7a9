"""The controller's decisions in virtual time: a real node whose callbacks are called by hand and whose messages are caught."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from rclpy.clock import ClockType  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from visualization_msgs.msg import Marker  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.types import ActionChunk  # noqa: E402
from vlaser_ros.controller import ChunkController  # noqa: E402
from vlaser_ros.diagnostics import Meter  # noqa: E402
from vlaser_ros.markers import PathDisplay  # noqa: E402
from vlaser_ros.messages import chunk_message, header, hold_message, to_seconds  # noqa: E402
from vlaser_ros.safety.clock import ClockWatch  # noqa: E402
from vlaser_ros.safety.commander import Commander  # noqa: E402
from vlaser_ros.safety.following import Following  # noqa: E402
from vlaser_ros.safety.latch import StopLatch  # noqa: E402

pytestmark = pytest.mark.ros
ROBOT = load_embodiment("widowx")
HOME = np.array(ROBOT.arms[0].home)
NAMES = [*ROBOT.joint_names, "left_finger"]


@pytest.fixture(scope="module")
def node():
    rclpy.init(args=["--ros-args", "-p", "state_directory:=''"], domain_id=103, signal_handler_options=SignalHandlerOptions.NO)
    made = ChunkController()
    yield made
    made.destroy_node()
    rclpy.shutdown()


class Bench:
    """A controller as if fresh; `clock` is virtual seconds, `sent` and `verdicts` what it published."""

    def __init__(self, node: ChunkController, monkeypatch) -> None:
        self.node, self.clock, self.sequence, self.joints, self.obeys, self.set_by = node, 5000.0, 0, HOME.copy(), True, 0.0
        self.sent, self.verdicts, self.reports, self.stops = [], [], [], []
        monkeypatch.setattr(node, "now", lambda: self.clock)
        for publisher, kept in (("trajectories", self.sent), ("verdicts", self.verdicts), ("diagnostics", self.reports)):
            monkeypatch.setattr(getattr(node, publisher), "publish", kept.append)
        monkeypatch.setattr(node.stopped, "publish", lambda message: self.stops.append(message.data))
        monkeypatch.setattr(node, "joints", type(node.joints)(ROBOT))
        monkeypatch.setattr(node, "steady", lambda: self.clock + self.set_by)
        for name, fresh in (("commander", Commander(ROBOT)), ("following", Following(ROBOT)), ("clock_watch", ClockWatch())):
            monkeypatch.setattr(node, name, fresh)
        node.latch.release()
        node.gate.release()
        node.gate.last_sequence = node.accepted = node.rejected = node.driver_refusals = 0
        node.last_rejection = node.last_hold = node.robot_fault = ""
        self.feel(0.2)

    def feel(self, seconds: float, names: list[str] = NAMES) -> None:
        """Let joint states arrive at 50 Hz for a while; the arm obeys what is played."""
        for _ in range(round(seconds / 0.02)):
            self.clock += 0.02
            if self.node.commander.moving and self.obeys:
                self.joints = self.node.commander.player.sample(self.clock)[:6]
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
        message = chunk_message(
            ActionChunk(actions, self.clock - age, 0.2, 0.01), ROBOT, sequence=self.sequence, goal_id="g", executed_steps=4
        )
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
    # The arm rested since the observation: the steps keep their full time, counted from the arrival.
    assert to_seconds(verdict.end) == pytest.approx(bench.clock + 0.8) and verdict.age == pytest.approx(0.04)
    assert [to_seconds(point.time_from_start) for point in bench.sent[0].points] == pytest.approx([0.24, 0.44, 0.64, 0.84])


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


def test_a_robot_that_failed_is_held_and_refused_until_its_driver_says_it_is_ready(bench):
    bench.ask()
    bench.feel(0.1)
    bench.node.on_robot_status(DiagnosticStatus(level=DiagnosticStatus.ERROR, message="motor 'elbow' reports overload"))
    assert is_hold(bench.sent[-1])
    verdict = bench.ask()
    assert verdict.code == ResultCode.ROBOT_FAILED and "overload" in verdict.reason
    bench.node.on_robot_status(DiagnosticStatus(level=DiagnosticStatus.OK, message="ready"))
    assert bench.ask().accepted


def test_the_stop_holds_at_the_commanded_place_in_the_middle_of_a_motion(bench):
    bench.ask()
    bench.feel(0.3)
    middle = bench.node.commander.player.sample(bench.clock)
    response = bench.node.on_estop(Trigger.Request(), Trigger.Response())
    assert response.success and is_hold(bench.sent[-1])
    np.testing.assert_allclose(bench.sent[-1].points[0].positions, middle)
    assert np.abs(middle[:6] - HOME).max() > 0.01 and not bench.node.commander.moving
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
    assert verdict.code == ResultCode.GATE_STEP and is_hold(bench.sent[-1]) and not bench.node.commander.moving


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


def test_an_arm_that_is_held_up_is_held_where_it_is_and_the_stop_latches(bench):
    assert bench.ask(data=[0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 1.0] * 4).accepted
    bench.obeys = False
    bench.feel(1.0)
    assert bench.node.gate.stopped and "from its command" in bench.node.gate.stop_reason and is_hold(bench.sent[-1])
    np.testing.assert_allclose(bench.sent[-1].points[0].positions[:6], HOME)
    verdict = bench.ask()
    assert verdict.code == ResultCode.GATE_ESTOP and "from its command" in verdict.reason
    assert "from its command" in bench.status("gate").message and bench.stops[-1] is True
    bench.node.on_reset(Trigger.Request(), Trigger.Response())
    bench.obeys = True
    assert bench.ask().accepted and bench.stops[-1] is False


def test_a_driver_that_ignores_small_motions_is_noticed_after_the_third(bench):
    bench.obeys = False
    told = []
    for _ in range(4):
        told.append(bench.ask(dx=0.006).code)
        bench.feel(1.1)
    assert told == [0, 0, 0, ResultCode.GATE_ESTOP] and "stands still" in bench.verdicts[-1].reason


def test_a_recorded_arm_moves_as_it_did_and_chunks_begin_where_it_is(bench, node, monkeypatch):
    monkeypatch.setattr(node, "following", Following(ROBOT, obeyed=False))
    bench.obeys = False
    for turned in (0.0, 0.3, 0.6, 0.9, 1.2):
        bench.joints = HOME + (0.0, 0.0, 0.0, 0.0, 0.0, turned)
        bench.feel(0.2)
        verdict = bench.ask()
        assert verdict.accepted, verdict.reason
        bench.feel(1.0)
    assert not node.gate.stopped
    wrist = [point.positions[5] for point in bench.sent[-2].points]
    assert wrist == pytest.approx([HOME[5] + 1.2] * len(wrist), abs=0.1), "from where it was recorded, not from the last command"


def test_a_single_motion_that_the_driver_refuses_is_believed_no_longer(bench):
    assert bench.ask().accepted
    bench.obeys = False
    bench.feel(0.1)
    bench.node.on_motion_refused(String(data="point 1 is beyond the range of waist"))
    assert not bench.node.commander.moving and is_hold(bench.sent[-1]) and "beyond the range of waist" in bench.node.last_hold
    np.testing.assert_allclose(bench.sent[-1].points[0].positions[:6], HOME)
    assert not bench.node.gate.stopped
    # The hold may be refused as well, by a driver that refuses everything: nothing is to be said about that again.
    count = len(bench.sent)
    bench.node.on_motion_refused(String(data="the robot failed"))
    assert len(bench.sent) == count
    values = {value.key: value.value for value in bench.status("gate").values}
    assert values["refused_by_driver"] == "2"
    bench.obeys = True
    assert bench.ask().accepted, "what comes next is judged from where the arm is"


def test_an_arm_that_follows_with_a_lag_is_left_alone(bench):
    for _ in range(5):
        assert bench.ask(dx=0.004).accepted
        bench.feel(0.9)
    assert not bench.node.gate.stopped


@pytest.mark.parametrize("jump", [10.0, -10.0])
def test_a_clock_that_is_set_holds_the_arm_where_it_was_and_forgets_the_old_times(bench, jump):
    bench.ask()
    bench.feel(0.3)
    middle = bench.node.commander.player.sample(bench.clock)
    bench.clock += jump
    bench.set_by -= jump
    bench.node.watch()
    assert is_hold(bench.sent[-1]) and not bench.node.commander.moving
    np.testing.assert_allclose(bench.sent[-1].points[0].positions, middle, err_msg="neither the motion's end nor its beginning")
    assert "clock jumped" in bench.node.last_hold
    assert bench.ask().code == ResultCode.NO_JOINT_STATES, "joint states from before say nothing about now"
    bench.feel(0.2)
    assert bench.ask().accepted, "and the stack goes on by the new clock"


def test_joint_states_from_the_future_are_refused_and_named(bench, node, monkeypatch):
    monkeypatch.setattr(node, "joints", type(node.joints)(ROBOT))
    node.on_joints(JointState(header=header(bench.clock + 5.0, "base_link"), name=NAMES, position=[*HOME, 0.03]))
    verdict = bench.ask()
    assert verdict.code == ResultCode.JOINTS_MISMATCH and "5.000 s in the future" in verdict.reason


def test_joint_states_of_the_past_do_not_count_as_present(bench, node, monkeypatch):
    monkeypatch.setattr(node, "joints", type(node.joints)(ROBOT))
    node.on_joints(JointState(header=header(bench.clock - 1.0, "base_link"), name=NAMES, position=[*HOME, 0.03]))
    assert bench.ask(age=0.99).code in (ResultCode.NO_JOINT_STATES, ResultCode.GATE_AGE)
    assert bench.ask().code == ResultCode.NO_JOINT_STATES


def test_a_posture_that_leaps_ends_the_motion_without_latching(bench):
    """A simulated scene that is reset in the middle of a motion puts the arm elsewhere; nobody has to come for that."""
    bench.ask()
    bench.feel(0.2)
    bench.obeys, bench.joints = False, HOME + 0.8
    bench.feel(0.02)
    assert is_hold(bench.sent[-1]) and not bench.node.gate.stopped and "leapt" in bench.node.last_hold
    np.testing.assert_allclose(bench.sent[-1].points[0].positions[:6], HOME + 0.8)


def test_the_end_of_the_process_leaves_a_hold_as_the_last_command(bench):
    bench.ask()
    bench.feel(0.3)
    bench.node.goodbye()
    assert is_hold(bench.sent[-1]) and bench.ask().code == ResultCode.GATE_ESTOP
    assert is_hold(bench.sent[-1]) and len(bench.sent) == 2


def test_a_stop_that_cannot_be_written_down_still_stops_and_says_so(bench, monkeypatch, tmp_path):
    latch = StopLatch(tmp_path, "robot")
    monkeypatch.setattr(bench.node, "latch", latch)
    monkeypatch.setattr(latch, "_write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    response = bench.node.on_estop(Trigger.Request(), Trigger.Response())
    assert response.success and "a restart would forget it" in response.message
    assert bench.ask().code == ResultCode.GATE_ESTOP


def test_resampled_points_carry_velocities_and_end_at_rest(bench, monkeypatch):
    monkeypatch.setattr(bench.node.gate, "rate", 50.0)
    assert bench.ask().accepted
    times = [to_seconds(point.time_from_start) for point in bench.sent[0].points]
    assert len(times) == 40 and np.diff(times) == pytest.approx(0.02, abs=1e-6)
    assert list(bench.sent[0].points[-1].velocities) == pytest.approx([0.0] * 7, abs=1e-9)
    assert np.abs([point.velocities for point in bench.sent[0].points]).max() > 0.05
    bench.feel(1.1)
    assert len(bench.sent) == 2 and is_hold(bench.sent[1])


def test_the_watchdog_runs_by_a_clock_that_nobody_sets(node):
    assert {timer.clock.clock_type for timer in node.timers} == {ClockType.STEADY_TIME} and len(list(node.timers)) == 2


def test_a_stop_is_told_also_where_joint_states_are_missing(bench, node, monkeypatch):
    node.on_estop(Trigger.Request(), Trigger.Response())
    monkeypatch.setattr(node, "joints", type(node.joints)(ROBOT))
    assert bench.ask().code == ResultCode.GATE_ESTOP


def test_whoever_looks_sees_the_path_until_it_is_over_and_why_one_was_refused(bench, node, monkeypatch):
    shown = []
    monkeypatch.setattr(node, "path", PathDisplay(ROBOT, lambda: node.joints, shown.append, lambda: True))
    assert bench.ask().accepted
    assert [marker.ns for marker in shown[-1].markers] == ["path", "steps", "reason"]
    bench.feel(1.2)
    assert [marker.action for marker in shown[-1].markers] == [Marker.DELETEALL]
    verdict = bench.ask(dx=0.5)
    assert not verdict.accepted and shown[-1].markers[-1].text == verdict.reason
