"""Service calls asked one after the other from a timer, so that a node with one thread goes on living meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Question:
    """One service call; judge turns its response into faults (sentences; none: well)."""

    client: Any
    request: Any
    judge: Callable[[Any], list[str]]


@dataclass
class Inquiry:
    """Asks its questions in order. timeout: s an answer may take once the service is there."""

    questions: Sequence[Question]
    timeout: float = 2.0
    faults: list[str] = field(default_factory=list)
    waiting_for: str = ""
    _next: int = 0
    _future: Any = None
    _asked: float = 0.0

    def poll(self, now: float) -> list[str] | None:
        """All faults once every question is answered, else None; `waiting_for` then names the service that is not there."""
        while self._next < len(self.questions):
            question = self.questions[self._next]
            if self._future is None:
                if not question.client.service_is_ready():
                    self.waiting_for = question.client.srv_name
                    return None
                self.waiting_for, self._future, self._asked = "", question.client.call_async(question.request), now
            if self._future.done():
                self.faults += self._judge(question)
            elif now - self._asked > self.timeout:
                question.client.remove_pending_request(self._future)
                self.faults.append(f"service {question.client.srv_name} did not answer within {self.timeout:.1f} s")
            else:
                return None
            self._next, self._future = self._next + 1, None
        return self.faults

    def _judge(self, question: Question) -> list[str]:
        if (error := self._future.exception()) is not None:
            return [f"service {question.client.srv_name} failed: {error}"]
        return question.judge(self._future.result())
