"""The gate with several arms and with absolute joints: the same bounds, for every arm."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError
from vlaser_core.kinematics import Kinematics
from vlaser_ros.safety.gate import Gate, GateCode, Posture, Proposal

ALOHA = load_embodiment("aloha")
HOME = np.array([angle for arm in ALOHA.arms for angle in arm.home])
MOTION = [dim for dim in range(14) if dim not in ALOHA.action.gripper_dims]
NOW = 50.0


def rest(joints: np.ndarray = HOME) -> Posture:
    return Posture(joints, joints, np.zeros(12), joints, np.zeros(12), rested=0.1)


def asking(path: np.ndarray, grippers: float = 0.5) -> Proposal:
    actions = np.full((len(path), 14), grippers)
    actions[:, MOTION] = path
    return Proposal(1, "aloha", ALOHA.action.names, actions, NOW - 0.1, ALOHA.action.dt, len(path))


def ramp(joint: int, amount: float, steps: int = 50) -> np.ndarray:
    path = np.tile(HOME, (steps, 1))
    path[:, joint] += amount * np.arange(1, steps + 1) / steps
    return path


def test_two_arms_follow_absolute_joints_and_their_grippers_travel():
    verdict = Gate(ALOHA).check(asking(ramp(0, 0.3) + ramp(6, -0.2) - HOME, 0.3), rest(), NOW)
    assert verdict.accepted, verdict.reason
    np.testing.assert_allclose(verdict.motion.positions[-1] - HOME, [0.3, 0, 0, 0, 0, 0, -0.2, 0, 0, 0, 0, 0], atol=1e-12)
    assert verdict.motion.openness.shape[1] == 2 and verdict.motion.openness[-1].tolist() == [0.3, 0.3]
    for arm in range(2):
        own = slice(6 * arm, 6 * arm + 6)
        np.testing.assert_allclose(verdict.waypoints.poses[-1, arm], Kinematics(ALOHA.arms[arm]).forward(verdict.motion.positions[-1, own]))


@pytest.mark.parametrize("arm", [0, 1])
def test_a_joint_outside_its_range_is_refused_by_name(arm):
    joint, limit = 6 * arm + 4, ALOHA.arms[arm].joints[4].upper
    near = HOME.copy()
    near[joint] = limit - 0.02
    path = np.tile(near, (20, 1))
    path[10:, joint] = limit + 0.001
    verdict = Gate(ALOHA).check(asking(path), rest(near), NOW)
    assert verdict.code is GateCode.JOINT_RANGE and ALOHA.arms[arm].joints[4].name in verdict.reason and "step 10" in verdict.reason


@pytest.mark.parametrize("arm", [0, 1])
def test_each_arms_grasp_point_is_held_against_the_workspace_in_the_base_frame(arm):
    # Folded down over the table: the shoulder lowers the hand until it is below the surface.
    path = ramp(6 * arm + 1, 1.4)
    verdict = Gate(ALOHA).check(asking(path), rest(), NOW)
    assert verdict.code is GateCode.WORKSPACE and repr(ALOHA.arms[arm].name) in verdict.reason


def test_the_foot_of_an_arm_counts():
    low = dataclasses.replace(ALOHA.arms[1], base_position=(*ALOHA.arms[1].base_position[:2], -0.5))
    verdict = Gate(dataclasses.replace(ALOHA, arms=(ALOHA.arms[0], low))).check(asking(ramp(0, 0.01)), rest(), NOW)
    assert verdict.code is GateCode.WORKSPACE and "'right'" in verdict.reason


def test_a_stride_of_the_grasp_point_between_two_joint_targets_is_refused():
    path = ramp(1, 0.1)
    path[25:, 1] += 0.15
    verdict = Gate(ALOHA).check(asking(path), rest(), NOW)
    assert verdict.code is GateCode.STEP and "step 25" in verdict.reason


def test_from_rest_the_way_to_the_first_target_takes_the_time_it_needs():
    path = np.tile(HOME, (50, 1))
    path[:, 0] += 0.2  # ten periods' worth at the joint's limit
    verdict = Gate(ALOHA).check(asking(path), rest(), NOW)
    assert verdict.accepted, verdict.reason
    assert verdict.first == 0 and verdict.motion.times[0] - NOW == pytest.approx(0.2 / (0.9 * 3.14), rel=1e-6)
    np.testing.assert_allclose(np.diff(verdict.motion.times), ALOHA.action.dt)


def test_in_motion_the_same_distance_is_refused():
    moving = dataclasses.replace(rest(), rested=0.0)
    path = np.tile(HOME, (7, 1))
    path[:, 0] += 0.2
    assert Gate(ALOHA).check(asking(path), moving, NOW).code is GateCode.VELOCITY


def test_a_posture_of_another_robot_is_refused():
    strange = Posture(np.zeros(6), np.zeros(6), np.zeros(6))
    verdict = Gate(ALOHA).check(asking(ramp(0, 0.1)), strange, NOW)
    assert verdict.code is GateCode.SHAPE and "(6,)" in verdict.reason


def test_two_arms_obey_end_effector_deltas_too():
    names = tuple(f"{side}_{name}" for side in ("left", "right") for name in ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"))
    action = dataclasses.replace(ALOHA.action, kind="delta_eef_pose", names=names, horizon=4, rate_hz=5.0)
    robot = dataclasses.replace(ALOHA, action=action)
    actions = np.zeros((4, 14))
    actions[:, 2], actions[:, 7], actions[:, 13] = 0.01, 0.008, 0.9
    verdict = Gate(robot).check(Proposal(1, "aloha", names, actions, NOW - 0.1, 0.2, 4), rest(), NOW)
    assert verdict.accepted, verdict.reason
    for arm, way in enumerate(([0, 0, 0.04], [0.032, 0, 0])):
        kinematics, own = Kinematics(ALOHA.arms[arm]), slice(6 * arm, 6 * arm + 6)
        moved = kinematics.forward(verdict.motion.positions[-1, own])[:3, 3] - kinematics.forward(HOME[own])[:3, 3]
        np.testing.assert_allclose(moved, way, atol=1e-3)
    assert verdict.motion.openness.tolist() == [[0.0, 1.0]] * 4


def test_an_action_space_that_does_not_fill_the_arms_is_refused_at_start():
    with pytest.raises(ConfigError, match="2 arms driven by joints take 12 motion and 2 gripper"):
        Gate(dataclasses.replace(ALOHA, action=dataclasses.replace(ALOHA.action, gripper_dims=(6,))))
