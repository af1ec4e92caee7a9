"""The arm's posture at a picture's time is interpolated, and never invented."""

from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_ros.joint_history import JointHistory, JointsMismatch, JointsMissing, StatedProprio

ROBOT = load_embodiment("widowx")
NAMES = [*ROBOT.joint_names, "left_finger"]


def history(**options) -> JointHistory:
    return JointHistory(ROBOT, **options)


def test_between_two_samples_the_posture_is_interpolated():
    kept = history()
    kept.add(1.00, NAMES, [0.0] * 6 + [0.015])
    kept.add(1.02, NAMES, [0.2] * 6 + [0.037])
    joints, openness = kept.at(1.015)
    np.testing.assert_allclose(joints, 0.15)
    np.testing.assert_allclose(openness, 0.75)


def test_joints_are_taken_by_name_whatever_their_order_and_company():
    kept = history()
    names = ["right_finger", *reversed(NAMES)]
    kept.add(1.0, names, [9.0, *range(7)])
    joints, _ = kept.at(1.0)
    assert joints.tolist() == [6, 5, 4, 3, 2, 1]


def test_a_gap_is_not_bridged():
    kept = history(tolerance=0.05)
    kept.add(1.0, NAMES, [0.0] * 7)
    kept.add(1.5, NAMES, [1.0] * 7)
    with pytest.raises(JointsMissing, match="0.250 s away"):
        kept.at(1.25)
    assert kept.at(1.46)[0][0] == 1.0


def test_other_robots_joints_are_named_in_the_refusal():
    kept = history()
    assert not kept.add(1.0, ["panda_joint1"], [0.0])
    with pytest.raises(JointsMismatch, match="panda_joint1.*waist"):
        kept.at(1.0)


def test_a_joint_that_is_not_finite_is_never_kept():
    kept = history()
    assert not kept.add(1.0, NAMES, [float("nan")] + [0.0] * 6)
    with pytest.raises(JointsMismatch, match="'waist'.*not finite"):
        kept.at(1.0)


def test_without_any_joint_state_the_reason_is_that():
    with pytest.raises(JointsMissing, match="no joint state"):
        history().newest()


def test_samples_older_than_the_newest_do_not_disturb_the_order():
    kept = history()
    kept.add(1.02, NAMES, [0.2] * 7)
    kept.add(1.00, NAMES, [9.0] * 7)
    assert kept.newest_stamp() == 1.02 and kept.at(1.02)[0][0] == 0.2


def test_only_the_last_seconds_are_kept():
    kept = history(seconds=1.0)
    for k in range(200):
        kept.add(k * 0.02, NAMES, [float(k)] * 7)
    with pytest.raises(JointsMissing):
        kept.at(1.0)


def test_velocity_is_that_of_the_last_samples():
    kept = history()
    for k in range(10):
        kept.add(k * 0.02, NAMES, [k * 0.01] * 7)
    np.testing.assert_allclose(kept.velocity(), 0.5)


def test_a_stamp_from_the_future_is_refused_as_it_would_outlive_every_true_one():
    kept = history(tolerance=0.05)
    assert kept.add(1.0, NAMES, [0.0] * 7, now=1.0) and kept.add(1.04, NAMES, [0.0] * 7, now=1.0)
    assert not kept.add(11.0, NAMES, [9.0] * 7, now=1.05) and "9.950 s in the future" in kept.fault()
    assert kept.newest_stamp() == 1.04
    assert kept.add(1.06, NAMES, [0.1] * 7, now=1.06) and kept.fault() == ""


def test_stated_proprioception_is_taken_as_it_is_and_never_mixed_from_two():
    robot, kept = ROBOT, StatedProprio(ROBOT, tolerance=0.06)
    with pytest.raises(JointsMissing, match="no stated proprioception was received"):
        kept.proprio(1.0)
    first, second = np.arange(7.0), np.arange(7.0) + 0.1
    assert kept.add(1.0, robot.proprio.names, first) and kept.add(1.1, robot.proprio.names[::-1], second[::-1])
    np.testing.assert_array_equal(kept.proprio(1.04), first)
    np.testing.assert_array_equal(kept.proprio(1.1), second)
    with pytest.raises(JointsMissing, match="nearer than 0.2"):
        kept.proprio(1.3)
    assert not kept.add(1.2, robot.joint_names, np.zeros(6))
    with pytest.raises(JointsMismatch, match="missing"):
        kept.proprio(1.3)
