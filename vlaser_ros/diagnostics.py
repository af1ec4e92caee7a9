"""Rates and ages for /diagnostics, with thresholds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK, WARN, ERROR, STALE = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE


class Meter:
    """Events per second over the last `window` seconds, and the time since the last. Thread-safe. clock: s, never set; simulated time may be."""

    def __init__(self, window: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._window, self._times, self._lock, self.total, self._clock = window, deque(), Lock(), 0, clock

    def clear(self) -> None:
        """Forget when the events were, not how many: after the clock jumped."""
        with self._lock:
            self._times.clear()

    def tick(self) -> None:
        with self._lock:
            self._times.append(self._clock())
            self.total += 1
            while self._times[-1] - self._times[0] > self._window:
                self._times.popleft()

    def rate(self) -> float:
        """Hz; 0 with fewer than two events in the window."""
        now = self._clock()
        with self._lock:
            recent = [moment for moment in self._times if now - moment <= self._window]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 and recent[-1] > recent[0] else 0.0

    def age(self) -> float:
        """Seconds since the last event; infinite before the first."""
        with self._lock:
            return self._clock() - self._times[-1] if self._times else float("inf")


def level(value: float, warn: float, error: float) -> bytes:
    """OK below `warn`, WARN from there, ERROR from `error`."""
    return ERROR if value >= error else WARN if value >= warn else OK


def full_name(node) -> str:
    """A node's name with its namespace, so that two robots are told apart: `left/vlaser_server`, in the root `vlaser_server`."""
    return node.get_fully_qualified_name().lstrip("/")


def hardware(node, robot: str) -> str:
    """Which robot a status is about: its contract's name behind the node's namespace, `left/widowx`."""
    return "/".join(filter(None, [node.get_namespace().strip("/"), robot]))


def status(name: str, level: bytes, message: str, *, hardware_id: str = "vlaser", **values: object) -> DiagnosticStatus:
    shown = [KeyValue(key=key, value=f"{value:.4g}" if isinstance(value, float) else str(value)) for key, value in values.items()]
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id=hardware_id, values=shown)


def report(stamp, *statuses: DiagnosticStatus) -> DiagnosticArray:
    message = DiagnosticArray(status=list(statuses))
    message.header.stamp = stamp
    return message
