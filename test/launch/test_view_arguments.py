"""What `ros2 launch vlaser_ros view.launch.py` would start, without starting it: RViz and robot_state_publisher need not be there."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="needs ROS 2's launch and launch_ros, which are not on PyPI")

from launch import LaunchContext  # noqa: E402
from launch.actions import DeclareLaunchArgument, OpaqueFunction  # noqa: E402
from launch.launch_description_sources import get_launch_description_from_python_launch_file  # noqa: E402
from launch.utilities import perform_substitutions  # noqa: E402
from launch_ros.actions import Node  # noqa: E402
from launch_ros.utilities import evaluate_parameters  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.urdf_description import robot_description  # noqa: E402

FILE = Path(__file__).resolve().parents[2] / "launch" / "view.launch.py"


def started(**arguments: str) -> dict[str, tuple[Node, LaunchContext]]:
    description, context = get_launch_description_from_python_launch_file(str(FILE)), LaunchContext()
    context.launch_configurations.update(arguments)
    for action in description.entities:
        if isinstance(action, DeclareLaunchArgument):
            action.execute(context)
    chosen = next(action for action in description.entities if isinstance(action, OpaqueFunction)).execute(context)
    return {action.node_executable: (action, context) for action in chosen}


def remapped(node: Node, context: LaunchContext) -> dict[str, str]:
    node._perform_substitutions(context)
    return dict(node.expanded_remapping_rules or [])


def words_of(node: Node, context: LaunchContext) -> list[str]:
    """The arguments of RViz: -d FILE -f FRAME. What stands before and behind them is known only when it is started."""
    return [perform_substitutions(context, list(part)) for part in node.cmd[1:5]]


def test_every_argument_is_described():
    for argument in get_launch_description_from_python_launch_file(str(FILE)).get_launch_arguments():
        assert argument.description and argument.default_value is not None, argument.name


def test_frames_are_made_from_the_contract_and_seen_from_its_base():
    nodes = started(robot="aloha")
    publisher, context = nodes["robot_state_publisher"]
    told = {name: value for given in evaluate_parameters(context, publisher._Node__parameters) for name, value in given.items()}
    assert told["robot_description"] == robot_description(load_embodiment("aloha"))
    assert remapped(publisher, context)["joint_states"] == "/joint_states"
    words = words_of(*nodes["rviz2"])
    assert words[words.index("-f") + 1] == "table" and Path(words[words.index("-d") + 1]).is_file()
    assert remapped(*nodes["rviz2"]) == {"/vlaser/robot_description": "/vlaser/view/robot_description"}


def test_the_cameras_own_driver_may_have_their_frames_and_rviz_may_stay_away():
    nodes = started(cameras="false", rviz="false")
    assert set(nodes) == {"robot_state_publisher"}
    publisher, context = nodes["robot_state_publisher"]
    told = {name: value for given in evaluate_parameters(context, publisher._Node__parameters) for name, value in given.items()}
    assert "optical_frame" not in told["robot_description"]


def test_a_robot_in_a_namespace_is_seen_there_with_frames_of_its_own():
    nodes = started(namespace="/left/")
    for name in ("robot_state_publisher", "rviz2"):
        assert remapped(*nodes[name]) | {"/tf": "/left/tf", "/tf_static": "/left/tf_static"} == remapped(*nodes[name])
    assert remapped(*nodes["robot_state_publisher"])["joint_states"] == "/left/joint_states"
    seen = remapped(*nodes["rviz2"])
    assert seen["/vlaser/path"] == "/left/vlaser/path" and seen["/vlaser/annotated/compressed"] == "/left/vlaser/annotated/compressed"
