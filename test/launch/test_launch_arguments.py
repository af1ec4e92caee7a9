"""What `ros2 launch vlaser_ros ROBOT.launch.py --show-args` shows, and what is started: without starting anything."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="needs ROS 2's launch and launch_ros, which are not on PyPI")

from launch import LaunchContext  # noqa: E402
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable  # noqa: E402
from launch.launch_description_sources import get_launch_description_from_python_launch_file  # noqa: E402
from launch_ros.actions import Node  # noqa: E402

from vlaser_ros.bringup import compose, load_bringup  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
ROBOTS = ("aloha", "replay", "simpler", "tabletop", "widowx")


def started(robot: str, **arguments: str) -> list[Node]:
    """The nodes of a launch file with these arguments, as actions that nobody executes."""
    description = get_launch_description_from_python_launch_file(str(LAUNCH / f"{robot}.launch.py"))
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    for action in description.entities:
        if isinstance(action, (DeclareLaunchArgument, SetEnvironmentVariable)):
            action.execute(context)
    chosen = next(action for action in description.entities if isinstance(action, OpaqueFunction)).execute(context)
    assert context.environment["FASTDDS_DEFAULT_PROFILES_FILE"].endswith("fastdds.xml")
    return [action for action in chosen if isinstance(action, Node)]


def test_there_is_a_launch_file_for_every_bring_up():
    assert {path.name.split(".")[0] for path in LAUNCH.glob("*.launch.py")} == {*ROBOTS, "view"}


@pytest.mark.parametrize("robot", ROBOTS)
def test_every_argument_is_described_and_has_a_default(robot):
    shown = {argument.name: argument for argument in get_launch_description_from_python_launch_file(str(LAUNCH / f"{robot}.launch.py")).get_launch_arguments()}
    assert set(shown) == {argument.name for argument in load_bringup(robot).every_argument()}
    for argument in shown.values():
        assert argument.description and argument.default_value is not None, argument.name
    assert {"namespace", "use_sim_time", "autostart", "respawn"} <= set(shown) and ("sim" in shown) == (robot in ("aloha", "widowx"))


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_same_nodes_are_started_as_by_vlaser_up(robot):
    assert [node.node_executable for node in started(robot)] == [spec.executable for spec in compose(robot)]


def test_the_simulation_takes_the_drivers_place():
    assert [node.node_executable for node in started("aloha", sim="true")] == ["sim_driver", "chunk_controller", "vlaser_server"]
