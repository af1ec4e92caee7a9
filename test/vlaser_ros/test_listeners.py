"""Who publishes first knows that it is heard, also where others listen who are not meant."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

import rclpy  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from vlaser_msgs.msg import ChunkVerdict  # noqa: E402

from vlaser_ros.domains import free_domain  # noqa: E402
from vlaser_ros.listeners import NAMELESS, VERDICTS, is_answered  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.fixture
def nodes():
    context = Context()
    rclpy.init(context=context, domain_id=free_domain())
    made = {name: Node(name, context=context, use_global_arguments=False) for name in ("server", "controller", "recorder")}
    yield made
    for node in made.values():
        node.destroy_node()
    context.try_shutdown()


def soon(condition) -> bool:
    deadline = time.monotonic() + 20.0
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_recorder_is_no_controller(nodes):
    server, recorder = nodes["server"], nodes["recorder"]
    chunks = server.create_publisher(String, "chunks", 10)
    recorder.create_subscription(String, "chunks", lambda _: None, 10)
    recorder.create_subscription(ChunkVerdict, "verdicts", lambda _: None, 10)
    assert soon(lambda: chunks.get_subscription_count() == 1)
    assert not is_answered(server, chunks, "verdicts")
    nodes["controller"].create_publisher(ChunkVerdict, "verdicts", VERDICTS)
    assert soon(lambda: server.count_publishers("verdicts") == 1)
    assert not is_answered(server, chunks, "verdicts"), "who answers takes no chunks"
    nodes["controller"].create_subscription(String, "chunks", lambda _: None, 10)
    assert soon(lambda: is_answered(server, chunks, "verdicts"))


def test_who_asks_for_what_is_not_offered_is_not_waited_for(nodes):
    server, controller = nodes["server"], nodes["controller"]
    chunks = server.create_publisher(String, "chunks", 10)
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    nodes["recorder"].create_subscription(String, "chunks", lambda _: None, kept)
    controller.create_publisher(ChunkVerdict, "verdicts", VERDICTS)
    controller.create_subscription(String, "chunks", lambda _: None, 10)
    assert soon(lambda: is_answered(server, chunks, "verdicts"))
    assert chunks.get_subscription_count() == 1


def test_not_everybody_announced_is_connected(nodes):
    server, controller = nodes["server"], nodes["controller"]
    controller.create_publisher(ChunkVerdict, "verdicts", VERDICTS)
    controller.create_subscription(String, "chunks", lambda _: None, 10)
    chunks = server.create_publisher(String, "chunks", 10)
    assert soon(lambda: is_answered(server, chunks, "verdicts"))

    class Lonely:
        topic_name, qos_profile = chunks.topic_name, chunks.qos_profile

        def get_subscription_count(self) -> int:
            return 0

    assert not is_answered(server, Lonely(), "verdicts")


def test_two_nodes_without_a_name_yet_are_not_taken_for_one():
    class Early:
        """A node that knows of a recorder and a controller by their topics alone."""

        def get_subscriptions_info_by_topic(self, topic):
            return [SimpleNamespace(node_namespace=NAMELESS[0], node_name=NAMELESS[1], qos_profile=VERDICTS)]

        get_publishers_info_by_topic = get_subscriptions_info_by_topic

        def resolve_topic_name(self, topic):
            return topic

    chunks = SimpleNamespace(topic_name="chunks", qos_profile=VERDICTS, get_subscription_count=lambda: 1)
    assert not is_answered(Early(), chunks, "verdicts")


def test_a_verdict_reaches_who_is_connected_after_it_was_given(nodes):
    given = nodes["controller"].create_publisher(ChunkVerdict, "verdicts", VERDICTS)
    given.publish(ChunkVerdict(sequence=7))
    heard: list[int] = []
    nodes["server"].create_subscription(ChunkVerdict, "verdicts", lambda verdict: heard.append(verdict.sequence), VERDICTS)

    executor = SingleThreadedExecutor(context=nodes["server"].context)
    executor.add_node(nodes["server"])

    def listen() -> bool:
        executor.spin_once(timeout_sec=0.05)
        return heard == [7]

    assert soon(listen)
