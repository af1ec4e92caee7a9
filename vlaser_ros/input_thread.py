"""A thread of its own for the messages that come often.

An executor builds its wait set anew for every message, of everything the node has, and wakes several times for each: with
the server's forty entities that costs more than the messages themselves. So a subscription in an `InputGroup` is left
out by every executor, and an `InputThread` waits for it and its like alone.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from contextlib import ExitStack

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import EventHandler
from rclpy.executors import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy  # as rclpy.wait_for_message does
from rclpy.node import Node
from rclpy.subscription import Subscription


class InputGroup(CallbackGroup):
    """Entities that no executor runs."""

    def can_execute(self, entity) -> bool:
        return False

    def beginning_execution(self, entity) -> bool:
        return False

    def ending_execution(self, entity) -> None:
        """Never begun."""


class InputThread:
    """Takes messages and events of the subscriptions it is given and calls their callbacks, one at a time.

    failed: called when a callback raised, after which the thread ends. Create subscriptions with `group`, then `add` them.
    """

    def __init__(self, node: Node, failed: Callable[[], None]) -> None:
        self.group = InputGroup()
        self._node, self._failed = node, failed
        self._subscriptions: list[Subscription] = []
        self._closing = False
        self._changed = GuardCondition(callback=None, callback_group=None, context=node.context)
        self._thread = threading.Thread(target=self._run, name="inputs", daemon=True)
        node.context.on_shutdown(self.wake)

    def add(self, subscription: Subscription) -> None:
        self._subscriptions = [*self._subscriptions, subscription]
        self.wake()

    def remove(self, subscription: Subscription) -> None:
        self._subscriptions = [one for one in self._subscriptions if one is not subscription]
        self.wake()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Let the thread look at what has changed."""
        if not self._closing:
            self._changed.trigger()

    def close(self) -> None:
        """End the thread; not to be called from its own callbacks."""
        if self._closing:
            return
        self._closing = True
        self._changed.trigger()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        self._changed.destroy()

    def _run(self) -> None:
        try:
            while not self._closing and self._node.context.ok():
                self._serve(self._subscriptions)
        except Exception:
            self._node.get_logger().fatal(f"taking the robot's messages failed:\n{traceback.format_exc()}")
            self._failed()

    def _serve(self, chosen: list[Subscription]) -> None:
        """Wait for these and call, until the list is another one or all is over. The wait set is made once."""
        context = self._node.context
        with ExitStack() as held:
            subscriptions = [one for one in chosen if _held(held, one.handle)]
            events = [event for one in subscriptions for event in one.event_handlers if _held(held, event)]
            held.enter_context(self._changed.handle)
            held.enter_context(context.handle)
            waiting = _rclpy.WaitSet(len(subscriptions), 1, 0, 0, 0, len(events), context.handle)
            while self._subscriptions is chosen and not self._closing and context.ok():
                waiting.clear_entities()
                for subscription in subscriptions:
                    waiting.add_subscription(subscription.handle)
                # Together with the messages: apart, each message would wake whoever waits for the events of its subscription.
                for event in events:
                    event.add_to_wait_set(waiting)
                waiting.add_guard_condition(self._changed.handle)
                waiting.wait(-1)
                arrived = waiting.get_ready_entities("subscription")
                for event in events:
                    if event.is_ready(waiting):
                        _handle(event)
                for subscription in subscriptions:
                    if subscription.handle.pointer in arrived:
                        _take(subscription)


def _held(held: ExitStack, handle) -> bool:
    """Keep a handle from being destroyed while it is waited for; False when it has been already."""
    try:
        held.enter_context(handle)
    except InvalidHandle:
        return False
    return True


def _handle(event: EventHandler) -> None:
    happened = event.take_data()
    if happened is not None:
        event.callback(happened)


def _take(subscription: Subscription) -> None:
    try:
        with subscription.handle:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
    except InvalidHandle:  # destroyed a moment ago
        return
    if taken is not None:
        subscription.callback(taken[0])
