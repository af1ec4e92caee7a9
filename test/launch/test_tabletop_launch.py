"""`ros2 launch vlaser_ros tabletop.launch.py` in a namespace: a goal runs, and everything ends in order.

    launch_test test/launch/test_tabletop_launch.py      # needs ROS 2's launch_testing; skipped where it is missing
"""

from __future__ import annotations

import unittest
from pathlib import Path

import pytest

pytest.importorskip("launch_testing", reason="needs ROS 2's launch and launch_testing, which are not on PyPI")

import launch_testing.actions  # noqa: E402
import launch_testing.asserts  # noqa: E402
from launch import LaunchDescription  # noqa: E402
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_ros.client import VlaserClient  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
DOMAIN = free_domain()
NODES = ("sim_driver", "chunk_controller", "vlaser_server")


@pytest.mark.launch_test
def generate_test_description():
    arguments = {"engine": "stand_in", "world": "stand_in", "seed": "4", "namespace": "desk"}
    return LaunchDescription(
        [
            SetEnvironmentVariable("ROS_DOMAIN_ID", str(DOMAIN)),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(LAUNCH / "tabletop.launch.py")), launch_arguments=arguments.items()),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestAGoal(unittest.TestCase):
    def test_a_goal_runs_in_the_namespace_that_was_asked_for(self):
        with VlaserClient(domain_id=DOMAIN, namespace="desk", timeout=30.0) as client:
            client.wait_ready(90.0, sim=True)
            result = client.execute("go to the middle", max_chunks=2)
            self.assertEqual((result.error_code, result.chunks_accepted), (ResultCode.NONE, 2), result.error_msg)
            names = {f"{space.rstrip('/')}/{name}" for name, space in client.node.get_node_names_and_namespaces()}
            self.assertLessEqual({f"/desk/{name}" for name in NODES}, names)


@launch_testing.post_shutdown_test()
class TestTheEnd(unittest.TestCase):
    def test_every_process_ended_with_code_0(self, proc_info):
        launch_testing.asserts.assertExitCodes(proc_info)
        self.assertEqual(len(proc_info.process_names()), len(NODES))

    def test_nothing_ended_with_a_traceback(self, proc_output):
        self.assertFalse([text for output in proc_output for text in [output.text.decode(errors="replace")] if "Traceback" in text])
