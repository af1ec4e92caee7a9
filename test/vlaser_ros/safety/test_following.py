"""An arm that does not do what it is told is noticed: held up, ignored, or elsewhere of a sudden."""

from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_ros.safety.commander import Commander
from vlaser_ros.safety.following import IGNORED, Following
from vlaser_ros.safety.motion import Motion

ROBOT = load_embodiment("widowx")
BOUND, PATIENCE = ROBOT.safety.max_following_error, ROBOT.safety.following_error_time


def off(amount: float) -> np.ndarray:
    return np.array([0, 0, amount, 0, 0, 0.0])


def test_an_error_beyond_the_bound_is_a_fault_only_when_it_lasts():
    following = Following(ROBOT)
    for k in range(round(PATIENCE / 0.02)):
        assert following.compare(k * 0.02, off(BOUND + 0.01), np.zeros(6)) == ""
    assert following.compare(0.6, off(BOUND - 0.01), np.zeros(6)) == ""
    assert following.compare(0.62, off(BOUND + 0.01), np.zeros(6)) == "", "the time counts from new after it was good"
    fault = following.compare(0.62 + PATIENCE, off(BOUND + 0.01), np.zeros(6))
    assert "'elbow'" in fault and f"{BOUND:.2f} rad" in fault


def motion(following: Following, asked: float, answered: float, sag: float = 0.0) -> str:
    """One motion of the elbow, as ten joint states see it."""
    for share in np.linspace(0, 1, 10):
        assert following.compare(1.0 + share, off(answered * share - sag), off(asked * share)) == ""
    return following.end()


def test_motions_that_nobody_obeys_are_noticed_however_small():
    following = Following(ROBOT)
    told = [motion(following, 0.04, 0.0) for _ in range(IGNORED)]
    assert told[:-1] == [""] * (IGNORED - 1) and "stands still" in told[-1] and "'elbow'" in told[-1]


def test_one_answered_motion_clears_the_count_and_tiny_ones_say_nothing():
    following = Following(ROBOT)
    for answered, asked in ((0.0, 0.04), (0.0, 0.04), (0.03, 0.04), (0.0, 0.04), (0.0, 0.04), (0.0, 0.001), (0.0, 0.001)):
        assert motion(following, asked, answered) == ""


def test_an_arm_that_hangs_below_its_command_and_stays_when_told_to_stay_is_no_fault():
    following = Following(ROBOT)
    assert [motion(following, 0.0, 0.0, sag=0.1) for _ in range(5)] == [""] * 5
    assert [motion(following, 0.1, 0.05, sag=0.1) for _ in range(5)] == [""] * 5


def test_a_leap_no_joint_can_make_is_told_from_motion():
    following = Following(ROBOT)
    assert following.leapt(1.0, np.zeros(6)) == ""
    assert following.leapt(1.02, off(0.06)) == ""
    assert "'elbow' leapt by 0.94 rad" in following.leapt(1.04, off(1.0))
    assert following.leapt(1.06, off(1.0)) == ""


def commander_after_motion() -> tuple[Commander, np.ndarray]:
    commander, measured = Commander(ROBOT), np.append(np.zeros(6), 0.03)
    commander.play(Motion(np.array([1.2]), off(0.2)[None], np.zeros((1, 1))), 1.0, measured)
    return commander, measured


def test_a_hold_is_the_commanded_place_and_the_next_one_too_although_the_arm_sags():
    commander, _ = commander_after_motion()
    place = commander.hold(1.3, np.append(off(0.17), 0.03))
    assert place[2] == pytest.approx(0.2)
    assert commander.hold(9.0, np.append(off(0.12), 0.03))[2] == pytest.approx(0.2)


def test_in_the_middle_of_a_motion_the_hold_is_in_the_middle():
    commander, measured = commander_after_motion()
    assert commander.hold(1.1, measured)[2] == pytest.approx(0.1)


def test_an_arm_that_was_moved_by_hand_is_not_pulled_back():
    commander, _ = commander_after_motion()
    commander.hold(1.3, np.append(off(0.2), 0.03))
    place = commander.hold(9.0, np.append(off(0.9), 0.03))
    assert place[2] == pytest.approx(0.9) and place[6] == pytest.approx(ROBOT.arms[0].gripper.position(0.0)), (
        "what is grasped stays grasped"
    )


def test_a_blocked_arm_is_held_where_it_is():
    commander, _ = commander_after_motion()
    assert commander.hold(1.3, np.append(off(0.05), 0.03), at_measured=True)[2] == pytest.approx(0.05)


def test_without_command_and_measurement_there_is_nothing_to_hold():
    assert Commander(ROBOT).hold(1.0, None) is None
