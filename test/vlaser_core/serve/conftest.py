"""A server in a thread of its own, with a policy that is quick, exact and can be held up."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from websockets.sync.client import connect

from vlaser_core.embodiment import load_embodiment
from vlaser_core.serve.arrays import pack, unpack
from vlaser_core.serve.background import Background, in_background
from vlaser_core.serve.keys import Keys, default_keys
from vlaser_core.serve.settings import Settings
from vlaser_core.serve.worker import Worker
from vlaser_core.types import ActionChunk

QUICK = 20.0  # seconds that a busy machine may take for what takes milliseconds


class Counting:
    """A policy whose every action is its seed, or −1 where none is asked for; `held` makes it wait for `release`."""

    def __init__(self, robot: str = "widowx", views: int = 1) -> None:
        self.embodiment = load_embodiment(robot)
        self.cameras = tuple(camera.name for camera in self.embodiment.cameras[:views])
        self.asked: list[tuple[str, int | None]] = []
        self.observations = []
        self.release, self.entered = threading.Event(), threading.Event()
        self.release.set()
        self.failure: Exception | None = None

    def predict(self, observation, instruction, *, seed=None) -> ActionChunk:
        self.asked.append((instruction, seed))
        self.observations.append(observation)
        self.entered.set()
        assert self.release.wait(QUICK)
        if self.failure is not None:
            raise self.failure
        action = self.embodiment.action
        steps = np.arange(action.horizon)[:, None] / 10 + (-1 if seed is None else seed)
        return ActionChunk(np.repeat(steps, len(action.names), axis=1), observation.stamp, action.dt, 0.001)


class Watched(Worker):
    """The server's worker, that counts the requests that ever came into its line."""

    in_line = 0

    def run(self, *request):
        # A request is in line before its coroutine is given up for the first time.
        async def counted():
            done = asyncio.ensure_future(super(Watched, self).run(*request))
            await asyncio.sleep(0)
            self.in_line += 1
            return await done

        return counted()


@dataclass
class Running:
    """A server that runs. log: what it said of its clients."""

    worker: Watched | None = None
    log: list[str] = field(default_factory=list)
    server: Background | None = None

    @property
    def port(self) -> int:
        return self.server.port

    def stop(self) -> None:
        self.server.stop()

    def connect(self, path: str = "/", **options):
        return connect(f"ws://127.0.0.1:{self.port}{path}", compression=None, open_timeout=QUICK, close_timeout=QUICK, **options)


def until(condition, seconds: float = QUICK) -> None:
    """Wait for what another thread brings about."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def ask(connection, message) -> object:
    """The decoded answer; a text frame as the text it is."""
    connection.send(pack(message))
    answer = connection.recv(QUICK)
    return answer if isinstance(answer, str) else unpack(answer)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def serving(monkeypatch):
    @contextmanager
    def start(policy, keys: Keys | None = None, *, adapters=None, executed_steps=None, **settings) -> Iterator[Running]:
        running = Running()

        def watched(policy) -> Watched:
            running.worker = Watched(policy)
            return running.worker

        monkeypatch.setattr("vlaser_core.serve.server.Worker", watched)
        handler = logging.Handler()
        handler.emit = lambda record: running.log.append(record.getMessage())
        logger = logging.getLogger("vlaser.serve")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        options = {"checkpoint": "test", "adapters": adapters, "executed_steps": executed_steps}
        try:
            with in_background(policy, keys or default_keys(policy.embodiment), Settings(port=0, **settings), **options) as running.server:
                try:
                    yield running
                finally:
                    if isinstance(policy, Counting):
                        policy.release.set()
        finally:
            logger.removeHandler(handler)

    return start


@pytest.fixture
def view() -> dict:
    """What a client of the widowx policy sends."""
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return {"observation/image": picture, "observation/state": np.arange(7, dtype=np.float32), "prompt": "put carrot on plate"}
