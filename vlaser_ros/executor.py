"""rclpy's executor of several threads, without its haste.

A subscription whose callback waits for a thread is no longer waited for; its events are, and in Fast DDS its message
wakes them as well. So rclpy hands the callback over again and again, in a loop that leaves the threads hardly a moment to
begin it: 45 times a message, and for up to 150 ms, in which nothing else of the process ran.
"""

from __future__ import annotations

import time
from weakref import WeakSet

from rclpy.executors import MultiThreadedExecutor

PAUSE = 0.001  # s in which a thread can begin what it was given


class PooledExecutor(MultiThreadedExecutor):
    """As rclpy's; pauses before a callback is handed over once more."""

    def __init__(self, num_threads: int, **options) -> None:
        super().__init__(num_threads, **options)
        self._handed_over = WeakSet()

    def wait_for_ready_callbacks(self, *arguments, **options):
        found = super().wait_for_ready_callbacks(*arguments, **options)
        if found[0] in self._handed_over:
            time.sleep(PAUSE)
        self._handed_over.add(found[0])
        return found
