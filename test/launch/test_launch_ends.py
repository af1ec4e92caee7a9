"""A node that cannot start ends the launch with its reason, instead of being started again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="needs ROS 2's launch and launch_ros, which are not on PyPI")

from launch import LaunchDescription, LaunchService  # noqa: E402
from launch.actions import IncludeLaunchDescription, RegisterEventHandler, SetEnvironmentVariable  # noqa: E402
from launch.event_handlers import OnShutdown  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402

from vlaser_ros.domains import free_domain  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / "launch"


@pytest.mark.parametrize(
    ("file", "arguments", "reason"),
    [
        ("replay", {"engine": "stand_in"}, "replay ended with exit code 1"),  # no bag; this one is never started again
        ("tabletop", {"engine": "stand_in", "world": "moon"}, "sim_driver ended with exit code 1 right after its start"),
    ],
)
def test_a_node_that_cannot_start_ends_the_launch_with_its_reason(file, arguments, reason):
    reasons = []
    service = LaunchService(argv=[])
    service.include_launch_description(
        LaunchDescription(
            [
                SetEnvironmentVariable("ROS_DOMAIN_ID", str(free_domain())),
                RegisterEventHandler(OnShutdown(on_shutdown=lambda event, _context: reasons.append(event.reason))),
                IncludeLaunchDescription(PythonLaunchDescriptionSource(str(LAUNCH / f"{file}.launch.py")), launch_arguments=arguments.items()),
            ]
        )
    )
    service.run()
    assert reasons and reason in reasons[0]
