"""Where a chunk leads the grasp points, held against the kinematics that drive the arm."""

from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_core.processing.actions import joint_waypoints
from vlaser_core.processing.path import grasp_path, grasp_points, grasp_points_of_proprio
from vlaser_core.processing.proprio import proprio_from_joints
from vlaser_core.types import ActionChunk

ROBOTS = ["widowx", "aloha"]


def at_home(robot):
    return np.concatenate([arm.home for arm in robot.arms])


def chunk(robot, steps=4):
    actions = np.random.default_rng(1).uniform(-0.01, 0.01, (steps, robot.action_dim))
    if robot.action.kind == "joints":
        actions += np.concatenate([[*arm.home, 0.5] for arm in robot.arms])
    actions[:, list(robot.action.gripper_dims)] = 1.0
    return actions


@pytest.mark.parametrize("name", ROBOTS)
def test_the_path_is_where_the_waypoints_of_the_gate_are(name):
    robot = load_embodiment(name)
    joints, actions = at_home(robot), chunk(robot)
    waypoints = joint_waypoints(robot, ActionChunk(actions, 0.0, robot.action.dt, 0.0), joints)
    path = grasp_path(robot, grasp_points(robot, joints), actions)
    assert path.shape == (5, len(robot.arms), 3)
    assert path[1:] == pytest.approx(waypoints.poses[..., :3, 3], abs=1e-12)


@pytest.mark.parametrize("name", ROBOTS)
def test_what_the_policy_is_given_and_what_the_joints_say_is_one_place(name):
    robot = load_embodiment(name)
    joints = at_home(robot)
    told = proprio_from_joints(robot, joints, np.ones(len(robot.arms)))
    assert grasp_points_of_proprio(robot, told) == pytest.approx(grasp_points(robot, joints), abs=1e-12)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e308])
def test_a_wild_chunk_has_a_path_too(name, value):
    robot = load_embodiment(name)
    actions = chunk(robot)
    actions[2] = value
    path = grasp_path(robot, grasp_points(robot, at_home(robot)), actions)
    assert path.shape == (5, len(robot.arms), 3) and np.isfinite(path[:3]).all()


def test_actions_of_another_robot_are_refused():
    robot = load_embodiment("widowx")
    with pytest.raises(InputError, match="7 actions a step"):
        grasp_path(robot, np.zeros((1, 3)), np.zeros((4, 14)))
