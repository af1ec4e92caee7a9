"""Held against what the real SimplerEnv answered (`recorded_*.json`)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim_bridge.simpler.robots import Adapter
from sim_bridge.simpler.suites import GOOGLE_ROBOT, WIDOWX
from vlaser_core.embodiment import load_embodiment
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.proprio import proprio_from_joints

POSES = json.loads((Path(__file__).parent / "recorded_poses.json").read_text())
TOOL = 0.093575  # m, SimplerEnv's WidowX tool from the last joint: the arm's maker's, 1 cm short of this project's grasp point


@pytest.mark.parametrize("row", POSES["google_robot"])
def test_the_google_contract_has_the_simulators_kinematics_and_state(row):
    robot = load_embodiment("google_robot")
    joints, eef = np.array(row["joints"][:7]), np.array(row["eef"])
    np.testing.assert_allclose(Kinematics(robot.arms[0]).forward(joints), eef, atol=2e-6)
    stated = Adapter(GOOGLE_ROBOT, robot).proprio(eef, row["openness"])
    np.testing.assert_allclose(stated, proprio_from_joints(robot, joints, np.array([row["openness"]])), atol=2e-6)
    finger = robot.arms[0].gripper.openness(np.mean(row["joints"][7:9]))
    assert min(finger, 1.0) == pytest.approx(row["openness"], abs=1e-3)


@pytest.mark.parametrize("row", POSES["widowx"])
def test_the_widowx_contract_has_the_simulators_arm_with_another_tool_point(row):
    robot = load_embodiment("widowx")
    arm = replace(robot.arms[0], grasp_point=(TOOL, 0.0, 0.0))
    joints, eef = np.array(row["joints"][:6]), np.array(row["eef"])
    np.testing.assert_allclose(Kinematics(arm).forward(joints), eef, atol=2e-6)
    stated = Adapter(WIDOWX, robot).proprio(eef, row["openness"])
    np.testing.assert_allclose(stated, proprio_from_joints(replace(robot, arms=(arm,)), joints, np.array([row["openness"]])), atol=5e-6)
    finger = robot.arms[0].gripper.openness(np.mean(row["joints"][6:8]))
    assert finger == pytest.approx(row["openness"], abs=1e-5)
