"""A bring-up as a ROS 2 launch description. Needs the `launch` and `launch_ros` packages of a full ROS 2."""

from __future__ import annotations

import time

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, RegisterEventHandler, SetEnvironmentVariable, Shutdown
from launch.event_handlers import OnProcessStart
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from vlaser_ros.bringup import YOUTH, ProcessSpec, compose, dds_profile, load_bringup

MOST_RESPAWNS = 20  # a process that cannot live is not started for ever


def describe(config: str) -> LaunchDescription:
    """Every argument of the contract's bring-up and those all share; the same nodes as `vlaser up`."""
    bringup = load_bringup(config)
    arguments = bringup.every_argument()
    actions = [SetEnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", str(dds_profile()))]
    for argument in arguments:
        choices = {"choices": ["true", "false"]} if isinstance(argument.default, bool) else {}
        actions.append(DeclareLaunchArgument(argument.name, default_value=argument.text(), description=argument.description, **choices))

    def nodes(context: LaunchContext) -> list:
        chosen = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in arguments}
        sim = bringup.always_sim or chosen["sim"] == "true"
        notice = [] if sim or not bringup.robot_notice else [LogInfo(msg=bringup.robot_notice)]
        return [*notice, *(action for spec in compose(config, chosen) for action in _node(spec))]

    return LaunchDescription([*actions, OpaqueFunction(function=nodes)])


def _node(spec: ProcessSpec) -> list[Action]:
    """The node, and what notes when it was started, each time."""
    begun = [0.0]

    def ended(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
        if context.is_shutdown:
            return None
        if event.returncode == 0:
            return Shutdown(reason=f"{spec.executable} has ended") if spec.ends else None
        # Started again it would only say the same again. What was killed has said nothing.
        young = event.returncode > 0 and time.monotonic() - begun[0] < YOUTH
        if spec.respawn and not young:
            return None
        return Shutdown(reason=f"{spec.executable} ended with exit code {event.returncode}{' right after its start' if young else ''}")

    node = Node(
        package="vlaser_ros",
        executable=spec.executable,
        namespace=spec.namespace,
        parameters=[spec.parameters],
        remappings=list(spec.remappings),
        output="screen",
        respawn=spec.respawn,
        respawn_delay=spec.respawn_delay,
        respawn_max_retries=MOST_RESPAWNS if spec.respawn else -1,
        on_exit=ended,
    )

    def started(_event, _context) -> None:
        begun[0] = time.monotonic()

    return [RegisterEventHandler(OnProcessStart(target_action=node, on_start=started)), node]
