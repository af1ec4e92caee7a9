"""Our end of a worker in RoboTwin's environment: start it, read what it says, give it up when it dies or falls silent."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from vlaser_core.errors import VlaserError

WORKER = Path(__file__).parent / "worker.py"
START = 600.0  # s at least, for the simulator and its planners to be imported


class WorkerLost(VlaserError):
    """The process died or fell silent; the episode can be begun anew in another."""


class WorkerFault(VlaserError):
    """The process said that it cannot do what was asked; another would say the same."""


class Worker:
    """One process. python: of RoboTwin's environment. log: what it and RoboTwin print. patience: seconds it may say nothing
    once it has come up."""

    def __init__(self, python: Path, options: dict, log: Path, patience: float) -> None:
        self._log, self._patience = log, patience
        read, write = os.pipe()
        os.set_blocking(read, False)
        self._events, self._rest = read, b""
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                # -I: neither PYTHONPATH nor the user's own packages reach the simulator's environment.
                [str(python), "-I", "-u", str(WORKER), json.dumps(options), str(write)],
                pass_fds=[write],
                cwd=options["checkout"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        os.close(write)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def events(self) -> Iterator[dict]:
        """What it says, until it is done. Raises WorkerLost, or WorkerFault with its own words."""
        patience = max(self._patience, START)
        while True:
            line, patience = self._line(patience), self._patience
            try:
                event = json.loads(line)
                kind = event["event"]
            except (ValueError, KeyError, TypeError) as error:
                raise self._lost(f"it said {line[:200]!r}") from error
            if kind == "done":
                return
            if kind == "error":
                raise WorkerFault(f"RoboTwin's worker: {event['error']} ({self._log} has more)\n{event['traceback'].rstrip()}")
            yield event

    def kill(self) -> None:
        """End the process and all it started; its events then end with WorkerLost. From any thread."""
        if self._process.poll() is None:
            try:
                # A simulator in the middle of a step hears nothing gentler. It has a session of its own.
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def close(self) -> None:
        """End the process; for the thread that reads its events, and safe to call again."""
        self.kill()
        self._process.wait()
        if self._events >= 0:
            os.close(self._events)
            self._events = -1

    def _line(self, patience: float) -> bytes:
        end = time.monotonic() + patience
        with selectors.DefaultSelector() as selector:
            selector.register(self._events, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                left = end - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise self._lost(f"it said nothing for {patience:g} s")
                piece = os.read(self._events, 65536)
                if not piece:
                    raise self._lost("it ended")
                self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _lost(self, why: str) -> WorkerLost:
        self.close()
        code = self._process.returncode
        ended = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        return WorkerLost(f"RoboTwin's worker was lost: {why}; {ended}; {self._log} has what it printed")
