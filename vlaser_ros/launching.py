"""A bring-up as a ROS 2 launch description. Needs the `launch` and `launch_ros` packages of a full ROS 2."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from vlaser_ros.bringup import compose, dds_profile, load_bringup


def describe(config: str) -> LaunchDescription:
    """Every argument of the contract's bring-up, and `sim` where there is a choice; the same nodes as `vlaser up`."""
    bringup = load_bringup(config)
    actions = [SetEnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", str(dds_profile()))]
    if not bringup.always_sim:
        actions.append(DeclareLaunchArgument("sim", default_value="false", choices=["true", "false"], description="a simulated world in place of the arm"))
    for argument in bringup.arguments:
        default = str(argument.default).lower() if isinstance(argument.default, bool) else str(argument.default)
        actions.append(DeclareLaunchArgument(argument.name, default_value=default, description=argument.description))

    def nodes(context: LaunchContext) -> list:
        sim = bringup.always_sim or LaunchConfiguration("sim").perform(context) == "true"
        chosen = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in bringup.arguments}
        started = [
            Node(
                package="vlaser_ros",
                executable=spec.executable,
                parameters=[spec.parameters],
                remappings=list(spec.remappings),
                output="screen",
            )
            for spec in compose(config, chosen, sim=sim)
        ]
        notice = [] if sim or not bringup.robot_notice else [LogInfo(msg=bringup.robot_notice)]
        return [*notice, *started]

    return LaunchDescription([*actions, OpaqueFunction(function=nodes)])
