from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError, KinematicsError
from vlaser_core.geometry import (
    euler_from_matrix,
    matrix_from_euler,
    matrix_from_quaternion,
    matrix_from_rotvec,
    quaternion_from_matrix,
    rotation_about,
    rotation_of_euler,
    rotvec_from_matrix,
)
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.actions import deltas_between, joint_waypoints, poses_from_deltas
from vlaser_core.processing.proprio import pose_from_proprio, proprio_from_joints, proprio_from_pose
from vlaser_core.types import ActionChunk

WIDOWX = load_embodiment("widowx")
ARM = WIDOWX.arms[0]
KINEMATICS = Kinematics(ARM)
angles = st.floats(-1.2, 1.2)


def test_the_arm_at_zero_reaches_straight_ahead():
    pose = KINEMATICS.forward(np.zeros(6))
    assert pose[:3, :3] == pytest.approx(np.eye(3))
    assert pose[:3, 3] == pytest.approx([0.04975 + 0.175 + 0.075 + 0.065 + 0.1036, 0, 0.072 + 0.03865 + 0.25])


def test_home_looks_straight_down_in_bridge_terms():
    roll, pitch, yaw = proprio_from_joints(WIDOWX, np.array(ARM.home), np.array([1.0]))[3:6]
    assert abs(roll) < 0.05 and abs(pitch) < 0.1 and abs(yaw) < 0.05


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-0.25, 0.25)] * 6))
def test_inverse_finds_the_posture_that_forward_left(offsets):
    joints = np.array(ARM.home) + np.array(offsets)
    found = KINEMATICS.inverse(KINEMATICS.forward(joints), np.array(ARM.home))
    assert KINEMATICS.forward(found)[:3, 3] == pytest.approx(KINEMATICS.forward(joints)[:3, 3], abs=5e-4)
    assert np.linalg.norm(rotvec_from_matrix(KINEMATICS.forward(found)[:3, :3] @ KINEMATICS.forward(joints)[:3, :3].T)) < 5e-3


def test_a_whole_path_is_where_its_postures_are_one_by_one():
    skewed = dataclasses.replace(ARM.joints[2], axis=(0.6, 0.0, 0.8), orientation_xyzw=(0.5, 0.5, 0.5, 0.5))
    for arm in (ARM, dataclasses.replace(ARM, joints=(*ARM.joints[:2], skewed, *ARM.joints[3:]), base_position=(0.1, 0.2, 0.3))):
        kinematics, path = Kinematics(arm), np.random.default_rng(0).uniform(-1, 1, (7, 6))
        np.testing.assert_allclose(kinematics.forward_path(path), [kinematics.forward(row) for row in path], atol=1e-12)


def test_a_pose_out_of_reach_is_refused_with_what_remains():
    target = KINEMATICS.forward(np.array(ARM.home))
    target[0, 3] = 2.0
    with pytest.raises(KinematicsError, match=r"cannot reach xyz \[2.0.*mm"):
        KINEMATICS.inverse(target, np.array(ARM.home))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-0.06, 0.06)] * 6), min_size=1, max_size=6))
def test_a_path_is_followed_pose_by_pose_to_the_tolerances(offsets):
    postures = np.array(ARM.home) + np.cumsum(offsets, axis=0)
    targets = np.array([KINEMATICS.forward(joints) for joints in postures])
    for found, target in zip(KINEMATICS.follow(targets, np.array(ARM.home)), targets, strict=True):
        reached = KINEMATICS.forward(found)
        assert np.linalg.norm(reached[:3, 3] - target[:3, 3]) <= 5e-4
        assert np.linalg.norm(rotvec_from_matrix(target[:3, :3] @ reached[:3, :3].T)) <= 5e-3


@settings(deadline=None)  # a test machine may be busy
@given(angles, angles, angles)
def test_euler_angles_and_quaternions_survive_a_round_trip(roll, pitch, yaw):
    matrix = matrix_from_euler(np.array([roll, pitch, yaw]))
    assert euler_from_matrix(matrix) == pytest.approx([roll, pitch, yaw], abs=1e-9)
    assert matrix_from_quaternion(quaternion_from_matrix(matrix)) == pytest.approx(matrix, abs=1e-9)


@settings(deadline=None)  # a test machine may be busy
@given(angles, angles, angles)
def test_plain_floats_turn_as_transforms3d_does(roll, pitch, yaw):
    matrix = matrix_from_euler(np.array([roll, pitch, yaw]))
    assert np.reshape(rotation_of_euler(roll, pitch, yaw), (3, 3)) == pytest.approx(matrix, abs=1e-12)
    vector = rotvec_from_matrix(matrix)
    assert matrix_from_rotvec(vector) == pytest.approx(matrix, abs=1e-9)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-5, 1e-4, 2e-4, 1.0, np.pi - 2e-4, np.pi - 1e-5, np.pi - 1e-9, np.pi])
@pytest.mark.parametrize("axis", [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.6, 0.0, -0.8)])
def test_rotation_vectors_hold_from_no_turn_to_half_a_turn(axis, angle):
    turned = np.reshape(rotation_about(axis, np.cos(angle), np.sin(angle)), (3, 3))
    assert turned == pytest.approx(matrix_from_rotvec(np.array(axis) * angle), abs=1e-9)
    assert matrix_from_rotvec(rotvec_from_matrix(turned)) == pytest.approx(turned, abs=1e-7)


def test_quaternions_are_xyzw():
    assert quaternion_from_matrix(np.eye(3)) == pytest.approx([0, 0, 0, 1])
    assert quaternion_from_matrix(matrix_from_euler(np.array([0, 0, np.pi / 2]))) == pytest.approx([0, 0, 0.5**0.5, 0.5**0.5])


def test_proprioception_states_the_pose_it_was_built_from():
    pose = KINEMATICS.forward(np.array([0.3, 0.1, 0.2, -0.2, 1.0, 0.4]))
    assert pose_from_proprio(WIDOWX, proprio_from_pose(WIDOWX, pose, 0.4)) == pytest.approx(pose)


@pytest.mark.parametrize("joints", [np.zeros(5), np.full(6, np.nan)])
def test_proprioception_refuses_a_wrong_joint_state(joints):
    with pytest.raises(InputError):
        proprio_from_joints(WIDOWX, joints, np.array([1.0]))


@settings(deadline=None)  # a test machine may be busy
@given(st.lists(st.tuples(*[st.floats(-0.05, 0.05)] * 6), min_size=1, max_size=4))
def test_deltas_lead_where_the_poses_say(deltas):
    start = KINEMATICS.forward(np.array(ARM.home))
    poses = poses_from_deltas(start, np.array(deltas))
    assert deltas_between(np.concatenate([start[None], poses])) == pytest.approx(np.array(deltas), abs=1e-9)


def chunk(actions: np.ndarray) -> ActionChunk:
    return ActionChunk(actions, stamp=3.0, dt=0.2, inference_s=0.0)


def test_deltas_add_up_from_the_posture_at_observation_time():
    actions = np.zeros((4, 7))
    actions[:, 0], actions[:, 6] = 0.01, [1.0, 0.6, 0.5, 0.0]
    waypoints = joint_waypoints(WIDOWX, chunk(actions), np.array(ARM.home))
    start = KINEMATICS.forward(np.array(ARM.home))[:3, 3]
    reached = np.array([KINEMATICS.forward(joints)[:3, 3] for joints in waypoints.positions])
    assert reached - start == pytest.approx(np.outer([1, 2, 3, 4], [0.01, 0, 0]), abs=6e-4)
    assert waypoints.openness[:, 0].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert (waypoints.stamp, waypoints.dt) == (3.0, 0.2)


@pytest.mark.parametrize(
    ("actions", "message"),
    [(np.zeros((4, 6)), "× 7"), (np.zeros((5, 7)), "1…4"), (np.zeros((0, 7)), "1…4"), (np.full((4, 7), np.inf), "'dx' of step 0 is inf")],
)
def test_a_malformed_chunk_is_refused(actions, message):
    with pytest.raises(InputError, match=message):
        joint_waypoints(WIDOWX, chunk(actions), np.array(ARM.home))


def test_a_chunk_out_of_reach_names_its_step():
    actions = np.zeros((4, 7))
    actions[2, 0] = 1.0
    with pytest.raises(KinematicsError, match="step 2"):
        joint_waypoints(WIDOWX, chunk(actions), np.array(ARM.home))
