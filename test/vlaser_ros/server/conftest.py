"""A server in this process, with cameras, joints and a controller that this process plays, on a ROS domain of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment

PATIENCE = 60.0  # s for what takes milliseconds on an idle machine; a loaded one is no failure
ROBOT = load_embodiment("widowx")
BLUE = np.zeros((240, 320, 3), np.uint8)
BLUE[..., 2] = 220
DEFAULTS = {
    "engine": "stand_in",
    "stand_in_delay": 0.0,
    "image_topics": ["front"],
    "max_observation_age": 30.0,
    "joint_states_tolerance": 1.0,
    "observation_timeout": 10.0,
    "controller_timeout": 20.0,
    "verdict_timeout": 10.0,
    "image_reliability": "reliable",
}


def until(condition: Callable, what: str, patience: float = PATIENCE):
    """The condition's value once it is true."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {patience} s"
        time.sleep(0.02)
    return value


class Robot:
    """Publishes a picture a camera and joint states at 25 Hz, and judges chunks as `judge` says: a ResultCode, or None for silence.

    wire: everything that was sent to the controller. Compressed pictures go to topics that end so.
    """

    def __init__(self, node, topics: tuple[str, ...]) -> None:
        from sensor_msgs.msg import CompressedImage, Image, JointState
        from vlaser_msgs.msg import ActionChunk, ChunkVerdict

        from vlaser_ros.listeners import VERDICTS

        self.node, self.wire, self.judge, self.execution = node, [], lambda chunk: 0, 0.05
        self.muted: set[str] = set()
        self.lags: dict[str, float] = {}
        self.clock = lambda: node.get_clock().now().nanoseconds * 1e-9
        self.cameras = {topic: node.create_publisher(CompressedImage if topic.endswith("/compressed") else Image, topic, 1) for topic in topics}
        self.joints = node.create_publisher(JointState, "joint_states", 10)
        self.verdicts = node.create_publisher(ChunkVerdict, "vlaser/chunk_verdict", VERDICTS)
        self.listener = node.create_subscription(ActionChunk, "vlaser/action_chunk", self._on_chunk, 50)
        self.timer = node.create_timer(0.04, self.publish)

    def publish(self) -> None:
        from sensor_msgs.msg import JointState

        from vlaser_ros.images import to_compressed, to_message
        from vlaser_ros.messages import to_time

        now = self.clock()
        for topic, publisher in self.cameras.items():
            if topic not in self.muted:
                message = to_compressed(BLUE) if topic.endswith("/compressed") else to_message(BLUE)
                message.header.stamp = to_time(max(0.0, now - self.lags.get(topic, 0.0)))
                publisher.publish(message)
        if "joint_states" not in self.muted:
            joints = JointState(name=[*ROBOT.joint_names, "left_finger"], position=[*ROBOT.arms[0].home, 0.03])
            joints.header.stamp = to_time(now)
            self.joints.publish(joints)

    def _on_chunk(self, chunk) -> None:
        from vlaser_msgs.msg import ChunkVerdict

        from vlaser_ros.messages import to_seconds, to_time

        self.wire.append(chunk)
        code = self.judge(chunk)
        if code is None:
            return
        verdict = ChunkVerdict(sequence=chunk.sequence, goal_id=chunk.goal_id, accepted=code == 0, code=code, reason="scripted" if code else "")
        # Shorter than the real execution: these tests are about the server, not about waiting for an arm.
        verdict.end = to_time(to_seconds(chunk.header.stamp) + self.execution)
        self.verdicts.publish(verdict)


class Site:
    """A server, a client and the robot between them."""

    def __init__(self, server, client, robot: Robot, domain: int) -> None:
        from diagnostic_msgs.msg import DiagnosticArray

        self.server, self.client, self.robot, self.domain, self.reports = server, client, robot, domain, []
        client.node.create_subscription(DiagnosticArray, "/diagnostics", self.reports.append, 10)

    @property
    def engine(self):
        return self.server.loaded.engine

    def status(self, name: str, message: str | None = None):
        """The newest diagnostic status whose name holds `name`, with that message; None when there is none."""
        for report in reversed(self.reports):
            for status in report.status:
                if name in status.name and (message is None or message in status.message):
                    return status
        return None

    def call(self, kind: type, name: str, request, patience: float = PATIENCE):
        """One call of any service."""
        service = self.client.node.create_client(kind, name)
        try:
            until(service.service_is_ready, f"discovery of {name}")
            # Both ways: the answer to a client that the server has not met yet is lost.
            until(lambda: self.server.count_clients(service.service_name) > 0, f"discovery of the client of {name}")
            future = service.call_async(request)
            until(future.done, f"an answer of {name}", patience)
            return future.result()
        finally:
            self.client.node.destroy_client(service)

    def state(self) -> str:
        from lifecycle_msgs.srv import GetState

        return self.call(GetState, "vlaser_server/get_state", GetState.Request()).current_state.label

    def change(self, label: str) -> bool:
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        return self.call(ChangeState, "vlaser_server/change_state", ChangeState.Request(transition=Transition(label=label))).success

    def set(self, name: str, value) -> str:
        """Set a parameter by its service; the reason of a refusal, empty when it was taken."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        result = self.call(SetParameters, "vlaser_server/set_parameters", request).results[0]
        return "" if result.successful else result.reason or "no reason given"


@pytest.fixture(scope="module")
def serving():
    """`with serving(parameter=value, …) as site:` runs a server; `topics` names the cameras the robot plays."""
    pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import ExternalShutdownException
    from rclpy.parameter import Parameter
    from rclpy.signals import SignalHandlerOptions

    from vlaser_ros.client import VlaserClient
    from vlaser_ros.domains import free_domain
    from vlaser_ros.executor import PooledExecutor
    from vlaser_ros.server.node import THREADS, VlaserServer

    @contextmanager
    def serve(*, topics: tuple[str, ...] = ("front",), ready: bool = True, namespace: str = "", domain: int | None = None, **parameters) -> Iterator[Site]:
        domain = free_domain() if domain is None else domain
        context = Context()
        rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        values = {**DEFAULTS, "image_topics": list(topics), **parameters}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        server = VlaserServer(context=context, namespace=namespace or None, parameter_overrides=overrides)
        executor = PooledExecutor(THREADS, context=context)
        executor.add_node(server)

        def spin() -> None:
            try:
                executor.spin()
            except ExternalShutdownException:
                return

        thread = threading.Thread(target=spin, daemon=True)
        thread.start()
        try:
            with VlaserClient(domain_id=domain, namespace=namespace, timeout=PATIENCE) as client:
                robot = Robot(client.node, topics)
                site = Site(server, client, robot, domain)
                server.begin()
                if ready:
                    client.wait_ready(PATIENCE, controller=False)
                    until(server.chunks.get_subscription_count, "discovery of the controller")
                if ready and topics:  # this robot's own cameras
                    until(lambda: all(server.loaded.views.lag(camera.name) < float("inf") for camera in server.loaded.engine.embodiment.cameras), "a picture of each camera")
                yield site
                client.node.destroy_timer(robot.timer)
        finally:
            server.goodbye()
            executor.shutdown(timeout_sec=5.0)
            thread.join(timeout=5.0)
            if server.action is not None:
                server.action.destroy()
            server.destroy_node()
            context.try_shutdown()

    return serve
