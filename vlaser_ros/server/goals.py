"""Whose turn it is: one arm, one goal. A goal is known from its first cancel or its start on, whichever comes first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from vlaser_msgs.msg import ResultCode

from vlaser_ros.faults import Fault
from vlaser_ros.server.interrupt import CANCELED, Interrupt, Interrupted, Reason, preempted
from vlaser_ros.server.settings import PREEMPT


class Goals:
    """Lets one goal run at a time. wake: called when a goal was given a reason to end, so that its waits notice at once.

    Thread-safe. Each goal has an interrupt of its own: a cancel that comes between acceptance and execution is kept for
    it, and one that comes after its end touches no other goal.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._changed = Condition()
        self._interrupts: dict[str, Interrupt] = {}
        self._running = self._waiting = ""
        self._closed = "the server has not been activated yet"

    @property
    def running(self) -> str:
        """Id of the goal that runs; empty when none does."""
        return self._running

    @property
    def closed(self) -> str:
        """Why no goal is taken; empty when one is."""
        return self._closed

    def cancel(self, goal: str) -> None:
        """Remember that a goal, begun or not, shall end."""
        self._give(goal, CANCELED, create=True)

    def interrupt(self, reason: Reason) -> None:
        """End every goal that runs or waits."""
        for goal in list(self._interrupts):
            self._give(goal, reason)

    def open(self) -> None:
        with self._changed:
            self._closed = ""

    def close(self, why: str, reason: Reason, patience: float) -> bool:
        """Refuse new goals with `why`, end the present ones with `reason`; whether they had ended within `patience` s."""
        with self._changed:
            self._closed = why
        self.interrupt(reason)
        with self._changed:
            return self._changed.wait_for(lambda: not self._running and not self._waiting, patience)

    @contextmanager
    def turn(self, goal: str, policy: str, busy: Callable[[], str | None] = lambda: None) -> Iterator[Interrupt]:
        """Run the body as the only goal. busy: why no goal at all can run, or None.

        Raises Fault MODEL_NOT_READY when closed or busy, Fault BUSY when another goal runs and the policy is to reject,
        and Interrupted when this goal was ended while it waited for its turn.
        """
        interrupt = self._enter(goal, policy, busy)
        try:
            yield interrupt
        finally:
            with self._changed:
                self._running = ""
                self._interrupts.pop(goal, None)
                self._changed.notify_all()

    def why(self, goal: str) -> Reason | None:
        """The reason a goal was given to end."""
        interrupt = self._interrupts.get(goal)
        return None if interrupt is None else interrupt.reason

    def forget(self, goal: str) -> None:
        """A goal that never had its turn has been answered."""
        with self._changed:
            self._interrupts.pop(goal, None)

    def _enter(self, goal: str, policy: str, busy: Callable[[], str | None]) -> Interrupt:
        with self._changed:
            interrupt = self._interrupts.setdefault(goal, Interrupt())
            refusal = self._closed or busy()
            if refusal:
                raise Fault(ResultCode.MODEL_NOT_READY, refusal)
            if interrupt.reason is not None:
                raise Interrupted
            if (self._running or self._waiting) and policy != PREEMPT:
                raise Fault(ResultCode.BUSY, f"goal {self._running or self._waiting} is running; cancel it first, or set goal_policy to preempt")
            earlier = [other for other in (self._running, self._waiting) if other]
            self._waiting = goal
        for other in earlier:
            self._give(other, preempted(goal))
        with self._changed:
            self._changed.notify_all()
            # A third goal may displace this one while it waits: only the newest ever gets the turn.
            self._changed.wait_for(lambda: interrupt.reason is not None or not self._running)
            if self._waiting == goal:
                self._waiting = ""
                self._changed.notify_all()
            if interrupt.reason is not None:
                raise Interrupted
            self._running = goal
            return interrupt

    def _give(self, goal: str, reason: Reason, *, create: bool = False) -> None:
        with self._changed:
            interrupt = self._interrupts.setdefault(goal, Interrupt()) if create else self._interrupts.get(goal)
            if interrupt is None:
                return
            interrupt.give(reason)
            self._changed.notify_all()
        self._wake()
