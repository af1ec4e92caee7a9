"""One model and many clients: requests wait in one line, in the order they came, and one is computed at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from vlaser_core.embodiment import Embodiment
from vlaser_core.serve.keys import Request
from vlaser_core.types import ActionChunk, Observation


class Policy(Protocol):
    """What is served; `vlaser_core.engine.Engine` is one."""

    @property
    def embodiment(self) -> Embodiment: ...

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the contract's cameras that it looks through."""

    def predict(self, observation: Observation, instruction: str, *, seed: int | None = None) -> ActionChunk: ...


@dataclass(frozen=True)
class Computed:
    """A chunk, how long the request waited for the model and how long the model took, in seconds."""

    chunk: ActionChunk
    waited_s: float
    inference_s: float


class Worker:
    """The model's own thread. A connection has at most one request in line, so the line is as short as the connections are few."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")

    async def run(self, request: Request, seed: int | None, gone: Callable[[], bool]) -> Computed:
        """The chunk for a request. seed: of its noise. gone: whether nobody waits for it any more, asked when its turn comes; then it is not computed
        and ConnectionAbortedError is raised. Raises what the policy raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._compute, request, seed, gone, time.perf_counter())

    def _compute(self, request: Request, seed: int | None, gone: Callable[[], bool], since: float) -> Computed:
        if gone():
            raise ConnectionAbortedError("the client left before its turn")
        started = time.perf_counter()
        chunk = self.policy.predict(request.observation, request.instruction, seed=seed)
        return Computed(chunk, started - since, time.perf_counter() - started)

    def close(self) -> None:
        """Take no more requests. What is being computed is finished, what waits is not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)
