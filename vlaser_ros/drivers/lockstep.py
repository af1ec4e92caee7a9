"""The thread that owns a world which waits: physics moves by whole chunks and rests while the policy thinks. No ROS.

While it rests, time goes on with the wall's, so that whoever asks for a view gets one that is newer than the question; the
view shows the same scene. A chunk moves physics and time by its steps at once, however long that takes to compute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from vlaser_core.errors import VlaserError
from vlaser_core.types import ActionChunk, Observation

TICK = 0.02  # s of time and of wall clock between two words about a world at rest
PICTURE_PERIOD = 0.1  # s between two pictures of a world at rest
LOSSES = 3  # simulators in a row that may be lost before the driver gives up


class WaitingWorld(Protocol):
    """See `sim_bridge.simpler.world.SimplerWorld`."""

    tasks: tuple[str, ...]
    task: str
    seed: int
    instruction: str
    success: bool
    steps: int
    max_steps: int
    renderer: str
    over: bool

    def reset(self, task: str, seed: int) -> None: ...

    def observe(self, stamp: float) -> Observation: ...

    def act(self, chunk: ActionChunk, steps: int) -> int: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Ask:
    """A chunk to be executed. steps: of it; goal: whose it is; answer(end, why): called once, with the time of the last step or a reason."""

    chunk: ActionChunk
    steps: int
    goal: str
    answer: Callable[[float, str], None]


class Listener(Protocol):
    """Called from the world's thread, `on_time` before everything that carries that time (s)."""

    def on_time(self, now: float) -> None: ...

    def on_view(self, observation: Observation, pictures: bool) -> None: ...

    def on_status(self, now: float) -> None: ...

    def on_loss(self, error: Exception) -> None: ...

    def on_failure(self, error: Exception) -> None: ...


class LockStep(threading.Thread):
    """Runs a world for a listener. lost: what the world raises when its simulator has to be begun anew. start: s, the first time."""

    def __init__(self, make: Callable[[], WaitingWorld], listener: Listener, *, task: str, seed: int, dt: float, lost: tuple[type[Exception], ...], start: float) -> None:
        super().__init__(name="world", daemon=True)
        self._make, self._listener, self._first, self._dt, self._lost = make, listener, (task, seed), dt, lost
        self._requests: SimpleQueue[tuple[str, int, Future] | Ask] = SimpleQueue()
        self._stopping = threading.Event()
        self._barred, self._goal, self._losses = "", "", 0
        self.now, self.changed, self.slowest, self.restarts = start, start, 0.0, 0
        self.world: WaitingWorld | None = None

    def reset(self, task: str, seed: int) -> Future:
        """Ask for a fresh episode; the future's result is (instruction, time) or the error."""
        future: Future = Future()
        self._requests.put((task, seed, future))
        return future

    def play(self, ask: Ask) -> None:
        self._requests.put(ask)

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        try:
            self.world = self._make()
            self._begin(*self._first)
            pictured = 0.0
            while not self._stopping.is_set():
                began = time.monotonic()
                try:
                    request = self._requests.get(timeout=TICK)
                except Empty:
                    request = None
                # However late this thread was called: the world rested meanwhile, and time with it.
                self._advance(min(time.monotonic() - began, TICK))
                if isinstance(request, Ask):
                    self._play(request)
                elif request is not None:
                    self._serve(*request)
                pictures = request is not None or self.now - pictured >= PICTURE_PERIOD
                pictured = self.now if pictures else pictured
                self._listener.on_view(self.world.observe(self.now), pictures)
                if pictures:
                    self._listener.on_status(self.now)
        except Exception as error:
            self._listener.on_failure(error)
        finally:
            if self.world is not None:
                self.world.close()

    def _advance(self, seconds: float) -> None:
        self.now += seconds
        self._listener.on_time(self.now)

    def _begin(self, task: str, seed: int) -> None:
        world = self.world
        for attempt in range(LOSSES):
            try:
                world.reset(task or world.task or world.tasks[0], seed)
                break
            except self._lost as error:
                self._listener.on_loss(error)
                self.restarts += 1
                if attempt == LOSSES - 1:
                    raise
        self._advance(self._dt)
        self.changed = self.now

    def _serve(self, task: str, seed: int, future: Future) -> None:
        try:
            self._begin(task, seed)
            self._barred = self._goal
            future.set_result((self.world.instruction, self.now))
        except VlaserError as error:
            future.set_exception(error)
            if self.world.task == "":
                raise

    def _play(self, ask: Ask) -> None:
        why = self._refusal(ask)
        if why:
            ask.answer(0.0, why)
            return
        self._goal = ask.goal
        steps = min(ask.steps, self.world.max_steps - self.world.steps)
        ask.answer(self.now + steps * self._dt, "")
        began = time.monotonic()
        try:
            taken = self.world.act(ask.chunk, steps)
        except self._lost as error:
            self._listener.on_loss(error)
            self.restarts, self._barred = self.restarts + 1, ask.goal
            self._begin(self.world.task, self.world.seed)
            return
        self.slowest = max(self.slowest, time.monotonic() - began)
        self._advance(taken * self._dt)
        self.changed = self.now

    def _refusal(self, ask: Ask) -> str:
        if ask.goal and ask.goal == self._barred:
            return "the scene was begun anew since this goal started; send another goal"
        if ask.chunk.stamp < self.changed - 1e-6:
            return f"the chunk is of a view {self.changed - ask.chunk.stamp:.3f} s before the scene last changed"
        if self.world.over:
            return f"the episode is over after {self.world.steps} steps; begin another with sim_driver/reset"
        return ""
