"""What a protocol is to the server: a greeting, and an answer to each message. One object a connection."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from typing import Protocol

MILLISECONDS = 1000.0


class Session(Protocol):
    """A connection's protocol. Messages are decoded ones; `gone` tells whether the client has left."""

    protocol: str
    tally: Tally

    def greeting(self) -> bytes | None:
        """What is said before the client says anything."""

    async def answer(self, message: object, gone: Callable[[], bool]) -> bytes | None:
        """The answer, None where none is due. Raises InputError for a message that cannot be answered."""

    def refusal(self, reason: str, message: object = None) -> bytes | str:
        """How this protocol says no. message: None when it could not be decoded."""

    def sent(self) -> None:
        """Called when an answer is on its way."""


class Tally:
    """What one client did, in a few words."""

    def __init__(self) -> None:
        self.chunks = self.refused = 0
        self._inference_s: deque[float] = deque(maxlen=4096)

    def computed(self, seconds: float) -> None:
        self.chunks += 1
        self._inference_s.append(seconds)

    def __str__(self) -> str:
        typical = f" of {statistics.median(self._inference_s) * MILLISECONDS:.0f} ms (median)" if self._inference_s else ""
        return f"{self.chunks} chunks{typical}, {self.refused} refused"


class Seeds:
    """The seeds of a connection's chunks: what a request asks for, else counted on from the first; None draws freely."""

    def __init__(self, first: int | None) -> None:
        self._first = self._next = first

    def take(self, asked: int | None) -> int | None:
        if asked is not None or self._next is None:
            return asked
        self._next += 1
        return self._next - 1

    def reset(self, first: int | None = None) -> None:
        self._next = self._first if first is None else first
