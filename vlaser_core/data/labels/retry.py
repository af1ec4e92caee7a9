"""Asking again: what is unavailable now is asked later, each time after a longer wait."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from vlaser_core.data.labels.chat import Reply, Request, Unavailable, Writer


@dataclass(frozen=True)
class Patience:
    """attempts: of one request. first, longest: seconds between two of them; the wait doubles from one to the other, and is
    between half and the whole of that, so that many workers do not come back at once. A server's Retry-After is kept to, up to `longest`.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0

    def wait(self, attempt: int, after: float | None) -> float:
        """Seconds to wait after the attempt-th failure, counted from 0."""
        own = min(self.longest, self.first * 2.0**attempt) * random.uniform(0.5, 1.0)
        return own if after is None else min(self.longest, max(own, after))


class Retrying:
    """A writer that is patient with another. Raises the last Unavailable when all attempts are used up."""

    def __init__(self, writer: Writer, patience: Patience, sleep: Callable[[float], None] = time.sleep) -> None:
        self.model = writer.model
        self._writer, self._patience, self._sleep = writer, patience, sleep

    def write(self, request: Request) -> Reply:
        for attempt in range(self._patience.attempts):
            try:
                return self._writer.write(request)
            except Unavailable as error:
                if attempt + 1 == self._patience.attempts:
                    raise Unavailable(
                        f"{error} ({attempt + 1} attempts); run the same command again when it is back, it continues", error.after
                    ) from error
                self._sleep(self._patience.wait(attempt, error.after))
        raise AssertionError("unreachable: attempts is at least 1")
