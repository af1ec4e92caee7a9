"""The gate lets through what a policy may do, and nothing a motor must not see. No ROS here."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vlaser_core.embodiment import load_embodiment
from vlaser_core.kinematics import Kinematics
from vlaser_ros.safety.gate import Gate, GateCode, Posture, Proposal

ROBOT = load_embodiment("widowx")
HOME = np.array(ROBOT.arms[0].home)
NOW = 1000.0
AGE = 0.1


def rest(joints: np.ndarray = HOME) -> Posture:
    return Posture(joints, joints, np.zeros(6))


def asking(actions: np.ndarray | None = None, **changes) -> Proposal:
    if actions is None:
        actions = np.tile([0.005, 0.0, 0.005, 0.0, 0.0, 0.0, 1.0], (4, 1))
    usual = Proposal(1, "widowx", ROBOT.action.names, actions, NOW - AGE, ROBOT.action.dt, len(actions))
    return dataclasses.replace(usual, **changes)


def moving(**dims: float) -> np.ndarray:
    """Four equal steps; names as in the contract."""
    step = [dims.get(name, 1.0 if name == "gripper" else 0.0) for name in ROBOT.action.names]
    return np.tile(step, (4, 1))


def test_a_small_motion_is_accepted_with_its_waypoints():
    verdict = Gate(ROBOT).check(asking(), rest(), NOW)
    assert verdict.accepted and verdict.code == 0 and verdict.reason == ""
    start = Kinematics(ROBOT.arms[0]).forward(HOME)[:3, 3]
    reached = Kinematics(ROBOT.arms[0]).forward(verdict.waypoints.positions[-1])[:3, 3]
    np.testing.assert_allclose(reached - start, [0.02, 0.0, 0.02], atol=1e-3)
    assert verdict.due == pytest.approx(NOW - AGE + 4 * ROBOT.action.dt)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_refused_wherever_it_stands(bad):
    for step in range(4):
        for dim in range(7):
            actions = moving(dx=0.001)
            actions[step, dim] = bad
            assert Gate(ROBOT).check(asking(actions, executed_steps=1), rest(), NOW).code is GateCode.NOT_FINITE


@pytest.mark.parametrize(
    ("proposal", "code", "word"),
    [
        (asking(embodiment="aloha"), GateCode.SHAPE, "aloha"),
        (asking(names=("a",) * 7), GateCode.SHAPE, "names"),
        (asking(dt=0.02), GateCode.SHAPE, "dt"),
        (asking(dt=float("nan")), GateCode.SHAPE, "dt"),
        (asking(executed_steps=0), GateCode.SHAPE, "executed_steps"),
        (asking(executed_steps=5), GateCode.SHAPE, "executed_steps"),
        (asking(np.zeros((4, 6))), GateCode.SHAPE, "(4, 6)"),
        (asking(np.zeros((9, 7))), GateCode.SHAPE, "(9, 7)"),
        (asking(stamp=NOW - 0.61), GateCode.AGE, "old"),
        (asking(stamp=NOW + 0.5), GateCode.AGE, "future"),
        (asking(stamp=float("nan")), GateCode.AGE, "old"),
        (asking(moving(dx=0.081)), GateCode.STEP, "0.081"),
        (asking(moving(droll=0.51)), GateCode.STEP, "0.510"),
        (asking(moving(dyaw=2 * np.pi)), GateCode.STEP, "rad"),
    ],
)
def test_a_chunk_outside_the_contract_is_refused_by_name(proposal, code, word):
    verdict = Gate(ROBOT).check(proposal, rest(), NOW)
    assert verdict.code is code and word in verdict.reason and verdict.waypoints is None


def test_leaving_the_workspace_is_refused():
    arm = Kinematics(ROBOT.arms[0])
    above = arm.forward(HOME)
    above[2, 3] = 0.02
    low = arm.inverse(above, HOME)
    verdict = Gate(ROBOT).check(asking(moving(dz=-0.015)), rest(low), NOW)
    assert verdict.code is GateCode.WORKSPACE and "step 2" in verdict.reason


def test_a_pose_out_of_reach_is_refused_with_its_step():
    verdict = Gate(ROBOT).check(asking(moving(dx=-0.079, dz=0.01)), rest(), NOW)
    assert verdict.code in (GateCode.UNREACHABLE, GateCode.WORKSPACE, GateCode.START_JUMP) and "step" in verdict.reason
    far = np.array([0.0, 1.2, -0.9, 0.0, 0.0, 0.0])
    assert Gate(ROBOT).check(asking(moving(dx=0.07)), rest(far), NOW).code is GateCode.UNREACHABLE


def test_an_arm_that_moved_since_it_was_seen_is_not_sent_off_an_old_picture():
    present = HOME.copy()
    present[2] += ROBOT.safety.max_start_jump + 0.01
    verdict = Gate(ROBOT).check(asking(), Posture(HOME, present, np.zeros(6)), NOW)
    assert verdict.code is GateCode.START_JUMP and "elbow" in verdict.reason


def test_steps_squeezed_by_a_late_chunk_meet_the_velocity_limit():
    slow = dataclasses.replace(ROBOT.arms[0].joints[0], max_velocity=0.2)
    joints = tuple(dataclasses.replace(joint, max_velocity=0.2) for joint in ROBOT.arms[0].joints)
    assert slow in joints
    robot = dataclasses.replace(ROBOT, arms=(dataclasses.replace(ROBOT.arms[0], joints=joints),))
    gentle = moving(dy=0.005)
    assert Gate(robot).check(asking(gentle), rest(), NOW).accepted
    # 0.38 s late with two steps to execute: 20 ms are left for the way of both.
    verdict = Gate(robot).check(asking(gentle, stamp=NOW - 0.38, executed_steps=2), rest(), NOW)
    assert verdict.code is GateCode.VELOCITY and "rad/s" in verdict.reason


@pytest.mark.parametrize(("age", "first"), [(0.05, 0), (0.15, 1), (0.19, 1), (0.25, 1), (0.39, 2)])
def test_a_step_due_in_a_moment_is_passed_over_instead_of_jerked_to(age, first):
    verdict = Gate(ROBOT).check(asking(moving(dy=0.02), stamp=NOW - age), rest(), NOW)
    assert verdict.accepted, verdict.reason
    assert verdict.first == first and len(verdict.waypoints.positions) == 4


def test_a_reversal_at_speed_meets_the_acceleration_limit():
    joints = tuple(dataclasses.replace(joint, max_acceleration=1.0) for joint in ROBOT.arms[0].joints)
    robot = dataclasses.replace(ROBOT, arms=(dataclasses.replace(ROBOT.arms[0], joints=joints),))
    swing = Posture(HOME, HOME, np.array([1.5, 0, 0, 0, 0, 0]))
    assert Gate(robot).check(asking(moving(dx=0.001)), swing, NOW).code is GateCode.ACCELERATION


def test_steps_that_are_all_past_are_refused_although_the_age_is_allowed():
    verdict = Gate(ROBOT, max_age=5.0).check(asking(stamp=NOW - 1.0), rest(), NOW)
    assert verdict.code is GateCode.AGE and "past" in verdict.reason


def test_a_retimed_chunk_starts_on_arrival_and_keeps_all_its_steps():
    verdict = Gate(ROBOT, max_age=5.0, retime=True).check(asking(stamp=NOW - 1.0), rest(), NOW)
    assert verdict.accepted and verdict.waypoints.stamp == NOW and len(verdict.waypoints.positions) == 4


def test_a_chunk_runs_once_and_never_after_a_later_one():
    gate = Gate(ROBOT)
    assert gate.check(asking(sequence=5), rest(), NOW).accepted
    assert gate.check(asking(sequence=5), rest(), NOW).code is GateCode.SEQUENCE
    assert gate.check(asking(sequence=4), rest(), NOW).code is GateCode.SEQUENCE
    assert gate.check(asking(sequence=6), rest(), NOW).accepted


def test_the_stop_latches_until_it_is_released():
    gate = Gate(ROBOT)
    gate.stop()
    assert [gate.check(asking(sequence=k), rest(), NOW).code for k in (1, 2)] == [GateCode.ESTOP] * 2
    gate.release()
    assert gate.check(asking(sequence=3), rest(), NOW).accepted


def test_a_posture_that_is_not_finite_is_refused():
    for part in ("observed", "present", "velocity"):
        posture = dataclasses.replace(rest(), **{part: np.full(6, np.nan)})
        assert Gate(ROBOT).check(asking(), posture, NOW).code is GateCode.NOT_FINITE


@settings(max_examples=150, deadline=None)
@given(
    actions=arrays(float, (4, 7), elements=st.floats(allow_nan=True, allow_infinity=True, width=64)),
    stamp=st.floats(NOW - 1.0, NOW + 0.1),
    executed=st.integers(-1, 6),
)
def test_whatever_a_message_holds_gets_a_verdict(actions, stamp, executed):
    verdict = Gate(ROBOT).check(asking(actions, stamp=stamp, executed_steps=executed), rest(), NOW)
    assert verdict.accepted == (verdict.waypoints is not None) == (verdict.reason == "")


@settings(max_examples=150, deadline=None)
@given(
    motion=arrays(float, (4, 6), elements=st.floats(-0.06, 0.06)),
    offset=arrays(float, 6, elements=st.floats(-0.4, 0.4)),
    age=st.floats(0.0, 0.55),
)
def test_what_is_accepted_is_within_every_bound(motion, offset, age):
    joints = HOME + offset
    posture = Posture(joints, joints, np.zeros(6))
    verdict = Gate(ROBOT).check(asking(np.hstack([motion, np.ones((4, 1))]), stamp=NOW - age), posture, NOW)
    if not verdict.accepted:
        return
    waypoints, arm = verdict.waypoints, ROBOT.arms[0]
    places = waypoints.poses[:, 0, :3, 3]
    assert (places >= ROBOT.safety.workspace_min).all() and (places <= ROBOT.safety.workspace_max).all()
    assert (waypoints.positions >= [joint.lower for joint in arm.joints]).all()
    assert (waypoints.positions <= [joint.upper for joint in arm.joints]).all()
    due = waypoints.stamp + waypoints.dt * np.arange(1, 5)
    left = np.arange(4) >= verdict.first
    assert (due[left] > NOW).all()
    speed = np.abs(np.diff(np.vstack([joints, waypoints.positions[left]]), axis=0)) / np.diff(np.concatenate([[NOW], due[left]]))[:, None]
    assert (speed <= [joint.max_velocity for joint in arm.joints]).all()


def test_the_gate_needs_neither_ros_nor_torch():
    code = "import sys, vlaser_ros.safety.gate; print(sorted({'rclpy', 'torch', 'vlaser_msgs'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
