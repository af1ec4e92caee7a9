"""A latched stop survives what a robot's processes go through: the server's end, the controller's end, even by force."""

from __future__ import annotations

import signal
import threading

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from std_msgs.msg import Bool  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]


class Stopped:
    """What `vlaser/stopped` said last to one who came late."""

    def __init__(self, node) -> None:
        self.node, self.heard, self.values = node, threading.Event(), []
        self.subscription = node.create_subscription(
            Bool, "vlaser/stopped", self.take, QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        )

    def take(self, message: Bool) -> None:
        self.values.append(message.data)
        self.heard.set()


def stopped(robot) -> bool:
    """Asked anew: a late subscriber is told the present state at once."""
    listener = Stopped(robot.client.node)
    try:
        assert listener.heard.wait(20.0), "nothing on vlaser/stopped"
        return listener.values[-1]
    finally:
        robot.client.node.destroy_subscription(listener.subscription)


def restart(robot, name: str, number: signal.Signals) -> None:
    robot.process(name).send_signal(number)
    robot.stack.processes[name].wait(20.0)
    robot.stack.start(next(spec for spec in robot.stack.specs if spec.executable == name))
    robot.client.wait_ready(60.0, sim=True)


def answered(robot, **options):
    """The result of a goal when all have found each other: a new controller meets client, server and driver one by one."""
    for _ in range(5):
        result = robot.client.execute("go", timeout=30.0, **options)
        if result.error_code not in (ResultCode.NO_CONTROLLER, ResultCode.NO_JOINT_STATES):
            break
    return result


def test_a_stop_outlives_server_and_controller_and_ends_by_reset_alone(running, tmp_path):
    with running(parameters={"chunk_controller": {"state_directory": str(tmp_path / "state")}}) as robot:
        assert stopped(robot) is False
        robot.client.estop()
        # The server in order, as a peer that vanishes is told from a busy one only after 20 s; the controller by force.
        for name, number in (("vlaser_server", signal.SIGINT), ("chunk_controller", signal.SIGKILL)):
            restart(robot, name, number)
            assert stopped(robot) is True
            result = answered(robot)
            assert result.error_code == ResultCode.GATE_ESTOP and "vlaser/estop was called" in result.error_msg, f"{name}: {result.error_msg}"
            assert result.chunks_accepted == 0
        assert len(list((tmp_path / "state").glob("*.stop"))) == 1
        robot.client.reset()
        again = answered(robot, max_chunks=1)
        assert again.error_code == ResultCode.NONE, again.error_msg
        assert stopped(robot) is False and not list((tmp_path / "state").glob("*.stop"))


def test_a_controller_that_could_not_remember_a_stop_does_not_start(tmp_path):
    from vlaser_ros.bringup import compose
    from vlaser_ros.up import Stack

    (tmp_path / "file").write_text("")
    spec = next(spec for spec in compose("tabletop") if spec.executable == "chunk_controller")
    spec.parameters["state_directory"] = str(tmp_path / "file" / "state")
    with Stack([spec], logs=tmp_path, environment={"ROS_DOMAIN_ID": "104"}) as stack:
        assert stack.processes["chunk_controller"].wait(60.0) == 1
        words = stack.last_words("chunk_controller", 1000)
        assert "state_directory" in words and "Traceback" not in words
