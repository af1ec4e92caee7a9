"""Why a goal shall end before its time. No ROS beyond the result's constants."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from vlaser_msgs.action import Execute
from vlaser_msgs.msg import ResultCode


@dataclass(frozen=True)
class Reason:
    """outcome: of Execute.Result; code: of ResultCode; message: for a person."""

    outcome: int
    code: int
    message: str


CANCELED = Reason(Execute.Result.STOPPED, ResultCode.CANCELED, "cancelled; the arm holds")
SHUTDOWN = Reason(Execute.Result.FAILED, ResultCode.SHUTDOWN, "the server is shutting down; the arm holds")
DEACTIVATED = Reason(Execute.Result.FAILED, ResultCode.SHUTDOWN, "the server was deactivated; the arm holds")


def preempted(by: str) -> Reason:
    return Reason(Execute.Result.STOPPED, ResultCode.PREEMPTED, f"goal {by} took its place; the arm holds in between")


def clock_jumped(delta: float) -> Reason:
    text = f"the clock jumped by {delta:+.2f} s: what was seen before tells nothing about now; the arm holds, send the goal again"
    return Reason(Execute.Result.FAILED, ResultCode.STALE_OBSERVATION, text)


class Interrupted(Exception):
    """A wait ended because its caller was asked to stop."""


class Interrupt:
    """One goal's reason to end; the first one given stays. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._reason: Reason | None = None

    def give(self, reason: Reason) -> None:
        with self._lock:
            self._reason = self._reason or reason

    @property
    def reason(self) -> Reason | None:
        return self._reason
