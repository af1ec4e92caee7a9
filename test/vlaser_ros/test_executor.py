"""Threads that are busy are not asked again and again."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.callback_groups import ReentrantCallbackGroup  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import MultiThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from std_msgs.msg import Empty  # noqa: E402

import vlaser_ros.executor  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402
from vlaser_ros.executor import PAUSE, PooledExecutor  # noqa: E402

pytestmark = pytest.mark.ros
PATIENCE = 60.0


def test_a_callback_that_waits_for_a_thread_is_looked_at_once_a_pause_and_runs_when_there_is_one(monkeypatch):
    context = Context()
    rclpy.init(context=context, domain_id=free_domain())
    node, executor = Node("busy", context=context), PooledExecutor(1, context=context)
    entered, leave, ran = threading.Event(), threading.Event(), threading.Event()
    looks, pauses = [], []

    def block() -> None:
        entered.set()
        leave.wait(PATIENCE)

    guard = node.create_guard_condition(block, ReentrantCallbackGroup())
    topic = node.create_subscription(Empty, "there", lambda _: ran.set(), 10, callback_group=ReentrantCallbackGroup())
    here = node.create_publisher(Empty, "there", 10)
    plain = MultiThreadedExecutor.wait_for_ready_callbacks
    monkeypatch.setattr(MultiThreadedExecutor, "wait_for_ready_callbacks", lambda *what, **how: looks.append(0) or plain(*what, **how))
    monkeypatch.setattr(vlaser_ros.executor, "time", SimpleNamespace(sleep=lambda seconds: pauses.append(seconds) or time.sleep(seconds)))
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not topic.get_publisher_count() or not here.get_subscription_count():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        guard.trigger()
        assert entered.wait(PATIENCE)
        before = len(looks)
        here.publish(Empty())
        while len(looks) - before < 10:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        taken, paused = len(looks) - before, len(pauses)
        # The wait for the guard's end and the message itself are looks of their own; every further one comes after a pause.
        assert paused >= taken - 4 and set(pauses) == {PAUSE}
        assert not ran.is_set()
        leave.set()
        assert ran.wait(PATIENCE)
    finally:
        leave.set()
        executor.shutdown(timeout_sec=5.0)
        spinning.join(PATIENCE)
        context.try_shutdown()
