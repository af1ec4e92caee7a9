"""A robot's URDF has its joints, frames and cameras where its contract has them, for whoever reads it."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError
from vlaser_core.kinematics import Kinematics
from vlaser_core.projection import project
from vlaser_core.urdf import read_chain
from vlaser_core.urdf_description import robot_description

ROBOTS = ["widowx", "aloha"]


def simulated(text: str):
    """The URDF as another program reads it; masses, which it wants and a contract has not, are its own."""
    mujoco = pytest.importorskip("mujoco")
    root = ElementTree.fromstring(text)
    options = {"discardvisual": "false", "fusestatic": "false", "boundmass": "0.01", "boundinertia": "0.001"}
    ElementTree.SubElement(ElementTree.SubElement(root, "mujoco"), "compiler", options)
    model = mujoco.MjModel.from_xml_string(ElementTree.tostring(root, encoding="unicode"))
    return mujoco, model, mujoco.MjData(model)


@pytest.mark.parametrize("name", ROBOTS)
def test_its_chain_read_back_is_the_contracts(name, tmp_path):
    robot = load_embodiment(name)
    file = tmp_path / "robot.urdf"
    file.write_text(robot_description(robot))
    for arm in robot.arms:
        back = read_chain(file, base_link=robot.base_frame, tip_link=f"{arm.name}_grasp", max_acceleration=1.0)
        assert [joint["name"] for joint in back["joints"]] == [joint.name for joint in arm.joints]
        assert back["grasp_point"] == pytest.approx(arm.grasp_point, abs=1e-12)
        # Where the arm's foot stands is in the first joint's place.
        for ours, theirs in list(zip(arm.joints, back["joints"], strict=True))[1:]:
            assert theirs["origin"] == pytest.approx(ours.origin, abs=1e-12)
        for ours, theirs in zip(arm.joints, back["joints"], strict=True):
            assert (theirs["lower"], theirs["upper"], theirs["max_velocity"]) == (ours.lower, ours.upper, ours.max_velocity)
            assert theirs["axis"] == pytest.approx(ours.axis)


@pytest.mark.parametrize("name", ROBOTS)
def test_another_program_finds_the_grasp_points_where_the_gate_does(name):
    robot = load_embodiment(name)
    mujoco, model, data = simulated(robot_description(robot))
    rng = np.random.default_rng(3)
    for _ in range(5):
        for arm in robot.arms:
            joints = np.array([rng.uniform(joint.lower, joint.upper) for joint in arm.joints])
            for joint, angle in zip(arm.joints, joints, strict=True):
                data.qpos[model.joint(joint.name).qposadr] = angle
            mujoco.mj_kinematics(model, data)
            body, pose = data.body(f"{arm.name}_grasp"), Kinematics(arm).forward(joints)
            assert body.xpos == pytest.approx(pose[:3, 3], abs=1e-9)
            assert body.xmat.reshape(3, 3) == pytest.approx(pose[:3, :3], abs=1e-9)


@pytest.mark.parametrize("name", ROBOTS)
def test_the_fingers_stand_apart_as_far_as_the_driver_says(name):
    robot = load_embodiment(name)
    mujoco, model, data = simulated(robot_description(robot))
    for arm in robot.arms:
        for position in (arm.gripper.closed_position, arm.gripper.open_position):
            for side in ("", "_opposite"):
                data.qpos[model.joint(arm.gripper.joint + side).qposadr] = position
            mujoco.mj_kinematics(model, data)
            left, right = (data.body(f"{arm.gripper.joint}{side}_link").xpos for side in ("", "_opposite"))
            assert np.linalg.norm(left - right) == pytest.approx(2 * position, abs=1e-9)
            assert (left + right) / 2 == pytest.approx(data.body(f"{arm.name}_grasp").xpos, abs=1e-9)


@pytest.mark.parametrize("name", ROBOTS)
def test_an_optical_frame_looks_where_pictures_are_projected(name):
    robot = load_embodiment(name)
    mujoco, model, data = simulated(robot_description(robot))
    mujoco.mj_kinematics(model, data)
    camera = robot.cameras[0]
    body = data.body(camera.frame_id)
    focal = camera.height / 2 / np.tan(np.radians(camera.fov_y_deg) / 2)
    seen = np.array([0.05, -0.02, 0.5])  # right, down, forward, metres
    pixel = project(camera, body.xpos + body.xmat.reshape(3, 3) @ seen)[0]
    assert pixel == pytest.approx([camera.width / 2 + focal * 0.1, camera.height / 2 - focal * 0.04], abs=1e-6)


def test_cameras_without_a_place_and_those_that_are_not_wanted_have_no_frame():
    robot = load_embodiment("aloha")
    assert "cam_left_wrist" not in robot_description(robot)
    assert "cam_high_optical_frame" in robot_description(robot) and "cam_high" not in robot_description(robot, cameras=False)


def test_every_link_hangs_on_one_parent_and_the_base_on_none():
    root = ElementTree.fromstring(robot_description(load_embodiment("aloha")))
    links = {link.get("name") for link in root.findall("link")}
    children = [joint.find("child").get("link") for joint in root.findall("joint")]
    assert len(children) == len(set(children)) and links - set(children) == {"table"}


def test_a_name_that_stands_for_two_frames_is_refused():
    robot = load_embodiment("widowx")
    doubled = dataclasses.replace(robot, cameras=(dataclasses.replace(robot.cameras[0], frame_id="base_link"),))
    with pytest.raises(ConfigError, match=r"link names \['base_link'\]"):
        robot_description(doubled)


def test_a_finger_whose_position_is_an_angle_swings():
    robot = load_embodiment("widowx")
    gripper = dataclasses.replace(robot.arms[0].gripper, closed_position=0.1, open_position=1.2)
    text = robot_description(dataclasses.replace(robot, arms=(dataclasses.replace(robot.arms[0], gripper=gripper),)))
    assert {joint.get("type") for joint in ElementTree.fromstring(text).findall("joint")} == {"revolute", "fixed"}
    assert simulated(text)
