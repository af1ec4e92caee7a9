"""The one place where chunks leave, so that nothing of a goal follows its hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from threading import Lock

from vlaser_msgs.msg import ActionChunk

from vlaser_core.embodiment import Embodiment
from vlaser_ros.messages import hold_message
from vlaser_ros.server.interrupt import Interrupt, Interrupted


class Outlet:
    """Numbers and publishes chunks. publish: of the topic. Thread-safe."""

    def __init__(self, publish: Callable[[ActionChunk], None]) -> None:
        self._publish = publish
        self._lock = Lock()
        # Starting from the clock keeps the controller from taking a restarted server's chunks for old ones.
        self._numbers = count(int(time.time() * 1000))

    def number(self) -> int:
        with self._lock:
            return next(self._numbers)

    def send(self, message: ActionChunk, interrupt: Interrupt) -> None:
        """Publish a chunk unless its goal is to end. Raises Interrupted."""
        with self._lock:
            if interrupt.reason is not None:
                raise Interrupted
            self._publish(message)

    def hold(self, embodiment: Embodiment, stamp: float, goal_id: str) -> int:
        """Ask the controller to hold; returns the request's number."""
        with self._lock:
            number = next(self._numbers)
            self._publish(hold_message(embodiment, stamp=stamp, sequence=number, goal_id=goal_id))
            return number
