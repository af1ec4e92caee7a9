"""The controller's verdicts, waited for by sequence number."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition

from vlaser_msgs.msg import ChunkVerdict

KEPT = 64


class Verdicts:
    """A mailbox of the last verdicts. Thread-safe."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._kept: dict[int, ChunkVerdict] = {}

    def put(self, verdict: ChunkVerdict) -> None:
        with self._changed:
            self._kept[verdict.sequence] = verdict
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._changed.notify_all()

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait(self, sequence: int, timeout: float, interrupted: Callable[[], bool]) -> ChunkVerdict | None:
        """The verdict on a chunk; None after `timeout` s or when interrupted."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while sequence not in self._kept:
                left = deadline - time.monotonic()
                if left <= 0 or interrupted():
                    return None
                self._changed.wait(min(left, 0.05))
            return self._kept.pop(sequence)
