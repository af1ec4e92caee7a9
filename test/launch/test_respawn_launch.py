"""What is killed under `ros2 launch` comes back: the controller with its stop still latched, the server serving again.

    launch_test test/launch/test_respawn_launch.py
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
import unittest
from pathlib import Path

import pytest

pytest.importorskip("launch_testing", reason="needs ROS 2's launch and launch_testing, which are not on PyPI")

import launch_testing.actions  # noqa: E402
import psutil  # noqa: E402
from launch import LaunchDescription  # noqa: E402
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_ros.client import NotReady, VlaserClient  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
DOMAIN = free_domain()


@pytest.mark.launch_test
def generate_test_description():
    arguments = {"sim": "true", "engine": "stand_in", "world": "stand_in", "seed": "4"}
    return LaunchDescription(
        [
            SetEnvironmentVariable("ROS_DOMAIN_ID", str(DOMAIN)),
            SetEnvironmentVariable("ROS_HOME", tempfile.mkdtemp(prefix="vlaser_launch_")),  # where a stop is remembered
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(LAUNCH / "widowx.launch.py")), launch_arguments=arguments.items()),
            launch_testing.actions.ReadyToTest(),
        ]
    )


def process(name: str) -> psutil.Process | None:
    """The running child of this launch with that node's name on its command line."""
    for child in psutil.Process().children(recursive=True):
        try:
            if any(Path(word).name == name for word in child.cmdline()):
                return child
        except psutil.Error:
            continue
    return None


class TestRespawn(unittest.TestCase):
    def kill(self, name: str) -> None:
        before = process(name)
        self.assertIsNotNone(before, f"{name} is not running")
        os.kill(before.pid, signal.SIGKILL)
        deadline = time.monotonic() + 60.0
        while (after := process(name)) is None or after.pid == before.pid:
            self.assertLess(time.monotonic(), deadline, f"{name} was not started again")
            time.sleep(0.1)

    def test_a_killed_server_serves_again_and_a_killed_controller_still_refuses_after_a_stop(self):
        with VlaserClient(domain_id=DOMAIN, timeout=10.0) as client:
            client.wait_ready(90.0, sim=True)
            self.kill("vlaser_server")
            result = self.execute_when_back(client)
            self.assertEqual(result.error_code, ResultCode.NONE, result.error_msg)
            client.estop()
            self.kill("chunk_controller")
            result = self.execute_when_back(client)
            self.assertEqual(result.error_code, ResultCode.GATE_ESTOP, "the stop was forgotten")
            client.reset()
            result = self.execute_when_back(client)
            self.assertEqual(result.error_code, ResultCode.NONE, result.error_msg)

    def execute_when_back(self, client: VlaserClient):
        """The result of a goal once the killed node takes part again. A killed one says no goodbye: until its lease ends (20 s)
        requests may still be meant for it; one that has just started may not have heard of the joints."""
        deadline = time.monotonic() + 90.0
        while True:
            try:
                client.wait_ready(90.0, sim=True)
                result = client.execute("go", max_chunks=1)
            except NotReady:
                self.assertLess(time.monotonic(), deadline, "nobody answers")
                continue
            if result.error_code not in (ResultCode.NO_CONTROLLER, ResultCode.NO_JOINT_STATES, ResultCode.SHUTDOWN) or time.monotonic() > deadline:
                return result
