"""The driver's decisions in virtual time: what reaches the motors, what is refused, and when a robot has failed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_ros.drivers.servo import Bounds, Phase, RobotFailed, Servo, columns

WIDOWX, ALOHA = load_embodiment("widowx"), load_embodiment("aloha")
HOME = np.array([*WIDOWX.arms[0].home, 0.037])
PERIOD = 0.02


class Arm:
    """A servo in virtual time over an arm that follows it at once, unless `stuck`; `lost` stops its joint states."""

    def __init__(self, robot=WIDOWX, home=HOME) -> None:
        self.servo, self.now, self.stuck, self.lost = Servo(robot, Bounds()), 100.0, False, False
        self.position = home.copy()
        self.sent: list[np.ndarray | None] = []
        self.run(0.1)
        self.servo.ready()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            if not self.lost:
                for arm, mine in enumerate(columns(self.servo.embodiment)):
                    self.servo.measure(arm, self.now, self.position[mine])
            self.sent.append(self.servo.tick(self.now))
            if self.sent[-1] is not None and not self.stuck:
                self.position = self.sent[-1].copy()

    def play(self, *points: tuple[float, np.ndarray]) -> None:
        self.servo.play(np.array([self.now + after for after, _ in points]), np.array([position for _, position in points]), self.now)


def test_a_driver_that_starts_sends_nothing():
    arm = Arm()
    arm.run(1.0)
    assert all(sent is None for sent in arm.sent)


def test_a_motion_is_interpolated_and_its_end_is_kept():
    arm = Arm()
    goal = HOME + [0.2, 0, 0, 0, 0, 0, 0]
    arm.play((0.2, goal))
    arm.run(0.1)
    np.testing.assert_allclose(arm.position[0], HOME[0] + 0.1, atol=1e-9)
    arm.run(2.0)
    np.testing.assert_allclose(arm.sent[-1], goal)


def test_a_newer_motion_replaces_the_older_from_where_the_command_is():
    arm = Arm()
    arm.play((0.4, HOME + [0.4, 0, 0, 0, 0, 0, 0]))
    arm.run(0.2)
    arm.play((0.2, HOME))
    before = len(arm.sent)
    arm.run(0.4)
    waist = np.array([sent[0] for sent in arm.sent[before - 1 :]])
    assert np.abs(np.diff(waist)).max() <= 0.2 / 0.2 * PERIOD + 1e-9 and waist[-1] == pytest.approx(HOME[0])


@pytest.mark.parametrize("delay", [0.001, 0.007, 0.013, 0.019])
def test_a_dense_trajectory_that_arrives_a_little_late_is_spliced_into_a_running_one(delay):
    """Points every 20 ms at 2 rad/s, replaced by points at 1 rad/s from where the sender stood when it sent them."""
    arm = Arm()
    arm.play(*((0.02 * k, HOME + [0.04 * k, 0, 0, 0, 0, 0, 0]) for k in range(1, 30)))
    arm.run(0.2)
    place = arm.servo.commanded[0]
    arm.now += delay
    arm.servo.tick(arm.now)
    points = [(0.02 * k - delay, np.array([place + 0.02 * k, *HOME[1:]])) for k in range(1, 20)]
    arm.play(*points)
    arm.run(0.6)
    assert arm.sent[-1][0] == pytest.approx(place + 0.38, abs=1e-6)


def test_a_gripper_of_an_end_effector_policy_switches_and_one_of_a_joint_policy_travels():
    arm = Arm()
    arm.play((0.2, HOME - [0, 0, 0, 0, 0, 0, 0.022]))
    arm.run(PERIOD)
    assert arm.position[6] == pytest.approx(0.015)
    home = np.array([angle for one in ALOHA.arms for angle in one.home] + [0.0579, 0.0579])
    pair = Arm(ALOHA, home)
    closed = home.copy()
    closed[12:] = 0.0440
    pair.play((0.2, closed))
    pair.run(0.1)
    np.testing.assert_allclose(pair.position[12:], (0.0579 + 0.0440) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("after", "change", "words"),
    [
        (1.0, [0, 2.5, 0, 0, 0, 0, 0], "shoulder.*range"),
        (0.05, [0.5, 0, 0, 0, 0, 0, 0], "waist.*rad/s"),
        (0.5, [0, 0, 0, 0, 0, 0, 0.01], "left_finger.*range"),
        (-0.1, [0, 0, 0, 0, 0, 0, 0], "past"),
    ],
)
def test_a_motion_out_of_bounds_is_refused_and_ends_the_one_that_runs(after, change, words):
    arm = Arm()
    arm.play((1.0, HOME + [0.5, 0, 0, 0, 0, 0, 0]))
    arm.run(0.4)
    with pytest.raises(InputError, match=words):
        arm.play((after, HOME + change))
    held = arm.position.copy()
    arm.run(2.0)
    assert np.abs(arm.sent[-1] - held).max() < 0.5 * PERIOD + 1e-6 and arm.sent[-1][0] > HOME[0] + 0.1


def test_a_finger_that_a_hold_measured_beyond_its_end_is_sent_to_the_end():
    arm = Arm()
    arm.play((0.2, HOME + [0, 0, 0, 0, 0, 0, 0.001]))
    arm.run(0.3)
    assert arm.sent[-1][6] == pytest.approx(0.037)


def test_a_clock_that_jumps_ends_the_motion_where_it_is():
    for jump in (10.0, -10.0):
        arm = Arm()
        arm.play((1.0, HOME + [0.5, 0, 0, 0, 0, 0, 0]))
        arm.run(0.4)
        held = arm.position.copy()
        arm.now += jump
        arm.run(1.0)
        np.testing.assert_allclose(arm.sent[-1], held)
        assert arm.servo.jumps == 1


def test_joint_states_that_stop_fail_the_robot_and_it_holds():
    arm = Arm()
    arm.play((2.0, HOME + [0.5, 0, 0, 0, 0, 0, 0]))
    arm.run(0.4)
    arm.lost = True
    arm.run(0.5)
    assert arm.servo.phase is Phase.FAILED and "arm" in arm.servo.reason and "joint states" in arm.servo.reason
    held = arm.sent[-1]
    with pytest.raises(RobotFailed, match="joint states"):
        arm.play((1.0, HOME))
    arm.lost = False
    arm.run(1.0)
    assert arm.servo.phase is Phase.FAILED, "it is a person who says that all is well again"
    np.testing.assert_allclose(arm.sent[-1], held)


def test_an_arm_that_does_not_follow_is_failed_and_told_to_stay_where_it_is():
    arm = Arm()
    arm.stuck = True
    arm.play((0.5, HOME + [1.0, 0, 0, 0, 0, 0, 0]))
    arm.run(2.0)
    assert arm.servo.phase is Phase.FAILED and "waist" in arm.servo.reason
    np.testing.assert_allclose(arm.sent[-1], HOME)


def test_a_short_lag_is_no_failure():
    arm = Arm()
    arm.stuck = True
    arm.play((0.2, HOME + [0.5, 0, 0, 0, 0, 0, 0]))
    arm.run(0.4)
    arm.stuck = False
    arm.run(1.0)
    assert arm.servo.phase is Phase.READY


def test_after_a_recovery_motion_starts_from_where_the_arm_is_then():
    arm = Arm()
    arm.play((0.5, HOME + [1.0, 0, 0, 0, 0, 0, 0]))
    arm.run(0.6)
    arm.servo.fail("a test")
    arm.position = HOME.copy()  # a person moved it
    arm.servo.check()
    arm.run(0.1)
    arm.servo.ready()
    arm.run(0.1)
    assert arm.sent[-1] is None
    arm.play((0.5, HOME + [0.1, 0, 0, 0, 0, 0, 0]))
    arm.run(PERIOD)
    assert abs(arm.sent[-1][0] - HOME[0]) < 0.01


def test_one_silent_arm_of_two_is_named():
    home = np.array([angle for one in ALOHA.arms for angle in one.home] + [0.05, 0.05])
    pair = Arm(ALOHA, home)
    pair.lost = True
    for _ in range(30):
        pair.now += PERIOD
        pair.servo.measure(0, pair.now, pair.position[columns(ALOHA)[0]])
        pair.servo.tick(pair.now)
    assert pair.servo.phase is Phase.FAILED and "right" in pair.servo.reason and "left" not in pair.servo.reason


def test_a_measured_posture_outside_the_contract_is_told_joint_by_joint():
    arm = Arm()
    arm.position = HOME + [0, 0, 3.0, 0, 0, 0, 0]
    arm.run(0.1)
    assert len(arm.servo.outside()) == 1 and "elbow" in arm.servo.outside()[0]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_accepted_motion_leaves_the_ranges_or_the_speeds(data):
    arm = Arm()
    for _ in range(data.draw(st.integers(1, 4))):
        count = data.draw(st.integers(1, 4))
        gaps = data.draw(st.lists(st.floats(0.01, 0.6), min_size=count, max_size=count))
        changes = data.draw(st.lists(st.lists(st.floats(-2.5, 2.5), min_size=7, max_size=7), min_size=count, max_size=count))
        try:
            arm.play(*zip(np.cumsum(gaps), HOME + np.array(changes) * [1, 1, 1, 1, 1, 1, 0.005], strict=True))
        except InputError:
            pass
        arm.run(data.draw(st.floats(0.0, 0.8)))
    sent = np.array([one for one in arm.sent if one is not None])
    if len(sent):
        joints = WIDOWX.arms[0].joints
        assert (sent[:, :6] >= [joint.lower for joint in joints]).all() and (sent[:, :6] <= [joint.upper for joint in joints]).all()
        speeds = np.abs(np.diff(np.vstack([HOME, sent])[:, :6], axis=0)) / PERIOD
        assert speeds.max() <= 1.25 * 3.14 + 1e-6
