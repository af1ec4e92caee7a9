"""The controller's verdicts, waited for by goal and sequence number."""

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
        self._kept: dict[tuple[str, int], ChunkVerdict] = {}

    def put(self, verdict: ChunkVerdict) -> None:
        with self._changed:
            self._kept[verdict.goal_id, verdict.sequence] = verdict
            while len(self._kept) > KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._changed.notify_all()

    def wake(self) -> None:
        """Let waiting callers look at their `interrupted` again."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, goal_id: str, sequence: int, timeout: float, interrupted: Callable[[], bool]) -> ChunkVerdict | None:
        """The verdict on a goal's chunk; None after `timeout` s of wall clock or when interrupted.

        By the goal too: where a computer's clock was set back, a restarted server counts again over numbers whose verdicts the controller
        still keeps for who comes late.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while (goal_id, sequence) not in self._kept:
                left = deadline - time.monotonic()
                if left <= 0 or interrupted():
                    return None
                self._changed.wait(min(left, 0.05))
            return self._kept.pop((goal_id, sequence))
