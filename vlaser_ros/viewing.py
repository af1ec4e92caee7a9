"""RViz beside a running stack, as a ROS 2 launch description: frames by robot_state_publisher, pictures and paths by the stack.

Needs a full ROS 2 with `rviz2` and `robot_state_publisher`; starts nothing that moves.
"""

from __future__ import annotations

from dataclasses import dataclass

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from vlaser_core.embodiment import config_directory, load_embodiment
from vlaser_core.urdf_description import robot_description
from vlaser_ros.bringup import load_bringup


@dataclass(frozen=True)
class _Argument:
    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()


ARGUMENTS = (
    _Argument("robot", "widowx", "contract of the robot that runs, by name or path"),
    _Argument("namespace", "", "namespace the stack was started in"),
    _Argument("cameras", "true", "frames of calibrated cameras; false where their own driver publishes those", ("true", "false")),
    _Argument("rviz", "true", "start RViz; false for frames alone, as Foxglove may want them", ("true", "false")),
    _Argument("use_sim_time", "false", "take the time from /clock, as for a replay", ("true", "false")),
)


def describe_view() -> LaunchDescription:
    """robot_state_publisher with the contract's URDF, and RViz with config/rviz/vlaser.rviz."""
    declared = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            **({"choices": list(argument.choices)} if argument.choices else {}),
        )
        for argument in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[Node]:
    chosen = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    robot, namespace = load_embodiment(chosen["robot"]), chosen["namespace"].strip("/")
    root = f"/{namespace}" if namespace else ""
    described = f"{root}/vlaser/view/robot_description"
    time = {"use_sim_time": chosen["use_sim_time"] == "true"}
    # Two robots of one kind have frames of the same names: each gets a tree of its own.
    frames = [("/tf", f"{root}/tf"), ("/tf_static", f"{root}/tf_static")] if root else []
    text = robot_description(robot, cameras=chosen["cameras"] == "true")
    publisher = Node(
        package="robot_state_publisher",
        executable="robot_state_publisher",
        name="vlaser_frames",
        namespace=namespace,
        parameters=[{"robot_description": ParameterValue(text, value_type=str), **time}],
        # Not plain robot_description: that of a robot's own driver stays what it is.
        remappings=[("joint_states", load_bringup(chosen["robot"]).topics.within(namespace).joint_states), ("robot_description", described), *frames],
        output="screen",
    )
    if chosen["rviz"] == "false":
        return [publisher]
    seen = [(f"/vlaser/{name}", f"{root}/vlaser/{name}") for name in ("path", "annotated/compressed")] if root else []
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="vlaser_rviz",
        namespace=namespace,
        arguments=["-d", str(config_directory() / "rviz" / "vlaser.rviz"), "-f", robot.base_frame],
        parameters=[time],
        remappings=[("/vlaser/robot_description", described), *seen, *frames],
        output="screen",
    )
    return [publisher, rviz]
