"""A chain from a URDF moves as the chain in YAML does, and what cannot be one is refused by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vlaser_core.embodiment import Embodiment, config_path, dump_embodiment, load_embodiment
from vlaser_core.errors import ConfigError
from vlaser_core.geometry import matrix_from_euler, matrix_from_rotvec, pose, quaternion_from_matrix
from vlaser_core.kinematics import Kinematics

WIDOWX = load_embodiment("widowx")
ARM = WIDOWX.arms[0]


def joint(name: str, kind: str, parent: str, child: str, xyz, rpy=(0, 0, 0), axis=(0, 0, 1), limits: str = "") -> str:
    numbers = [" ".join(repr(float(value)) for value in triple) for triple in (xyz, rpy, axis)]
    return (
        f'<joint name="{name}" type="{kind}"><origin xyz="{numbers[0]}" rpy="{numbers[1]}"/><parent link="{parent}"/><child link="{child}"/>'
        f'<axis xyz="{numbers[2]}"/>{limits}</joint>'
    )


def widowx_urdf(*, limits: bool = True) -> str:
    """The wx250s as its makers publish it: moving joints, then fixed ones out to the grasp frame; a sliding finger beside them."""
    parts, parent = [], "base_link"
    for known in ARM.joints:
        bounds = f'<limit effort="1" lower="{known.lower}" upper="{known.upper}" velocity="{known.max_velocity}"/>' if limits else ""
        parts.append(
            joint(known.name, "revolute", parent, f"{known.name}_link", known.origin, axis=np.array(known.axis) * 2, limits=bounds)
        )
        parent = f"{known.name}_link"
    half = (ARM.grasp_point[0] / 2, 0, 0)
    parts += [joint("bar", "fixed", parent, "bar", half), joint("ee", "fixed", "bar", "grasp", half)]
    parts.append(joint("left_finger", "prismatic", "bar", "finger", (0, 0.02, 0), axis=(0, 1, 0)))
    return f'<?xml version="1.0"?><robot name="wx250s"><link name="base_link"/>{"".join(parts)}</robot>'


def contract(folder: Path, urdf: str, **source) -> Path:
    content = yaml.safe_load(config_path("widowx").read_text())
    arm = content["embodiment"]["arms"][0]
    del arm["joints"], arm["grasp_point"]
    arm["urdf"] = {"file": "arm.urdf", "base_link": "base_link", "tip_link": "grasp", "max_acceleration": 60.0, **source}
    (folder / "arm.urdf").write_text(urdf)
    (folder / "arm.yaml").write_text(yaml.safe_dump(content))
    return folder / "arm.yaml"


@pytest.fixture(scope="module")
def from_urdf(tmp_path_factory) -> Embodiment:
    return load_embodiment(contract(tmp_path_factory.mktemp("urdf"), widowx_urdf()))


@settings(max_examples=50, deadline=None)
@given(angles=st.tuples(*[st.floats(-3.0, 3.0)] * 6))
def test_the_same_chain_from_a_urdf_is_where_the_chain_from_yaml_is(from_urdf, angles):
    ours, theirs = Kinematics(ARM).forward(np.array(angles)), Kinematics(from_urdf.arms[0]).forward(np.array(angles))
    np.testing.assert_allclose(theirs, ours, atol=1e-9)


def test_names_and_limits_come_along_and_the_copy_of_the_contract_needs_no_urdf(from_urdf, tmp_path):
    assert from_urdf.joint_names == WIDOWX.joint_names
    assert [(j.lower, j.upper, j.max_velocity, j.max_acceleration) for j in from_urdf.arms[0].joints] == [
        (j.lower, j.upper, j.max_velocity, j.max_acceleration) for j in ARM.joints
    ]
    dump_embodiment(from_urdf, tmp_path / "copy.yaml")
    assert "urdf" not in (tmp_path / "copy.yaml").read_text() and load_embodiment(tmp_path / "copy.yaml") == from_urdf


def test_turned_frames_in_a_urdf_are_chained_as_homogeneous_transforms(tmp_path):
    limit = '<limit lower="-3" upper="3" velocity="1" effort="1"/>'
    places = [
        ((0.1, 0.2, 0.3), (0.4, -0.5, 0.6)),
        ((0.05, 0, 0.2), (1.2, 0.3, -2.0)),
        ((0, 0.1, 0), (-0.7, 0.2, 0.1)),
        ((0.02, 0.03, 0.04), (0.5, 1.0, 1.5)),
    ]
    urdf = (
        "<robot name='r'>"
        + joint("mount", "fixed", "base_link", "a", *places[0])
        + joint("one", "revolute", "a", "b", *places[1], axis=(0, 0, 1), limits=limit)
        + joint("two", "revolute", "b", "c", *places[2], axis=(0.6, 0, 0.8), limits=limit)
        + joint("tool", "fixed", "c", "grasp", *places[3])
        + "</robot>"
    )
    path = contract(tmp_path, urdf, prefix="left_")
    content = yaml.safe_load(path.read_text())
    content["embodiment"]["arms"][0]["home"] = [0.0, 0.0]
    path.write_text(yaml.safe_dump(content))
    robot = load_embodiment(path)
    assert robot.joint_names == ("left_one", "left_two")
    fixed = [pose(matrix_from_euler(np.array(rpy)), np.array(xyz)) for xyz, rpy in places]
    first, second = 0.7, -1.1
    about = lambda axis, angle: pose(matrix_from_rotvec(np.array(axis) * angle), np.zeros(3))
    expected = fixed[0] @ fixed[1] @ about((0, 0, 1), first) @ fixed[2] @ about((0.6, 0, 0.8), second) @ fixed[3]
    np.testing.assert_allclose(Kinematics(robot.arms[0]).forward(np.array([first, second])), expected, atol=1e-9)


def test_an_arms_foot_is_placed_in_the_base_frame():
    turn = matrix_from_euler(np.array([0.1, 0.2, 0.3]))
    foot = pose(turn, np.array([0.4, -0.5, 0.6]))
    placed = dataclasses.replace(ARM, base_position=(0.4, -0.5, 0.6), base_orientation_xyzw=tuple(quaternion_from_matrix(turn)))
    home = np.array(ARM.home)
    np.testing.assert_allclose(Kinematics(placed).forward(home), foot @ Kinematics(ARM).forward(home), atol=1e-12)


@pytest.mark.parametrize(
    ("urdf", "source", "word"),
    [
        (widowx_urdf(), {"tip_link": "elsewhere"}, "elsewhere"),
        (widowx_urdf(), {"tip_link": "finger"}, "prismatic"),
        (widowx_urdf(limits=False), {}, "no lower limit"),
        (widowx_urdf(), {"tool": "x"}, "expected a mapping"),
        ("<robot", {}, "xacro"),
        ("<sdf/>", {}, "<sdf>"),
        (widowx_urdf().replace('xyz="0.04975', 'xyz="nan'), {}, "finite"),
    ],
)
def test_a_urdf_that_is_no_arm_is_refused_by_name(tmp_path, urdf, source, word):
    with pytest.raises(ConfigError, match=word):
        load_embodiment(contract(tmp_path, urdf, **source))


def test_a_chain_said_twice_is_refused(tmp_path):
    path = contract(tmp_path, widowx_urdf())
    content = yaml.safe_load(path.read_text())
    content["embodiment"]["arms"][0]["grasp_point"] = [0.1, 0, 0]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="grasp_point"):
        load_embodiment(path)
