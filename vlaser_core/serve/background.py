"""A server beside the program's own work: an evaluation, a benchmark or a test that has clients of its own.

    with in_background(engine, default_keys(engine.embodiment), Settings(port=0), checkpoint="nano") as server:
        client = connect(server.url)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vlaser_core.serve.keys import Keys
from vlaser_core.serve.server import serve
from vlaser_core.serve.settings import Settings
from vlaser_core.serve.worker import Policy


@dataclass(frozen=True)
class Background:
    """A server that runs in a thread of its own."""

    url: str
    port: int
    _loop: asyncio.AbstractEventLoop
    _stop: asyncio.Event

    def stop(self) -> None:
        """Say goodbye to the clients; leaving the block does so too, and waits for it."""
        self._loop.call_soon_threadsafe(self._stop.set)


@contextmanager
def in_background(policy: Policy, keys: Keys, settings: Settings, *, checkpoint: str, **options) -> Iterator[Background]:
    """Listen until the block is left. options: as of `serve`. Raises what `serve` raises before anyone can connect."""
    loop, stop, came = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    ports: list[int] = []
    failures: list[BaseException] = []

    def ready(port: int) -> None:
        ports.append(port)
        came.set()

    def run() -> None:
        try:
            loop.run_until_complete(serve(policy, keys, settings, checkpoint=checkpoint, ready=ready, stop=stop, **options))
        except BaseException as error:
            failures.append(error)
        finally:
            came.set()

    thread = threading.Thread(target=run, name="policy server", daemon=True)
    thread.start()
    came.wait()
    try:
        if failures:
            raise failures[0]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        yield Background(f"ws://{host}:{ports[0]}", ports[0], loop, stop)
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
