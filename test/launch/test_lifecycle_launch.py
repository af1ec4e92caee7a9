"""`autostart:=false` leaves the server to a lifecycle manager: it waits unconfigured, and serves when it is activated.

    launch_test test/launch/test_lifecycle_launch.py
"""

from __future__ import annotations

import time
import unittest
from pathlib import Path

import pytest

pytest.importorskip("launch_testing", reason="needs ROS 2's launch and launch_testing, which are not on PyPI")

import launch_testing.actions  # noqa: E402
import rclpy  # noqa: E402
from launch import LaunchDescription  # noqa: E402
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from lifecycle_msgs.msg import State, Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

from vlaser_ros.domains import free_domain  # noqa: E402

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
DOMAIN = free_domain()


@pytest.mark.launch_test
def generate_test_description():
    arguments = {"engine": "stand_in", "world": "stand_in", "autostart": "false"}
    return LaunchDescription(
        [
            SetEnvironmentVariable("ROS_DOMAIN_ID", str(DOMAIN)),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(LAUNCH / "tabletop.launch.py")), launch_arguments=arguments.items()),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestManaged(unittest.TestCase):
    def setUp(self):
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=DOMAIN)
        self.node = rclpy.create_node("manager", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def tearDown(self):
        self.node.destroy_node()
        self.context.try_shutdown()

    def call(self, kind, name: str, request):
        client = self.node.create_client(kind, f"/vlaser_server/{name}")
        self.assertTrue(client.wait_for_service(timeout_sec=60.0), f"no service {name}")
        future = client.call_async(request)
        self.executor.spin_until_future_complete(future, timeout_sec=60.0)
        return future.result()

    def state(self) -> int:
        return self.call(GetState, "get_state", GetState.Request()).current_state.id

    def change(self, transition: int) -> bool:
        return self.call(ChangeState, "change_state", ChangeState.Request(transition=Transition(id=transition))).success

    def offers_the_action(self) -> bool:
        return any(name == "/vlaser/execute/_action/send_goal" for name, _ in self.node.get_service_names_and_types())

    def test_the_server_waits_and_is_brought_up_and_down(self):
        self.assertEqual(self.state(), State.PRIMARY_STATE_UNCONFIGURED)
        time.sleep(1.0)
        self.assertEqual(self.state(), State.PRIMARY_STATE_UNCONFIGURED, "nobody asked it to configure")
        self.assertTrue(self.change(Transition.TRANSITION_CONFIGURE))
        self.assertTrue(self.change(Transition.TRANSITION_ACTIVATE))
        self.assertEqual(self.state(), State.PRIMARY_STATE_ACTIVE)
        deadline = time.monotonic() + 30.0
        while not self.offers_the_action():
            self.assertLess(time.monotonic(), deadline, "an active server offers its action")
            time.sleep(0.2)
        self.assertTrue(self.change(Transition.TRANSITION_DEACTIVATE))
        self.assertEqual(self.state(), State.PRIMARY_STATE_INACTIVE)
