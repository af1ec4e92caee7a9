"""Our end of a simulator process: start it, ask it, and give it up when it dies or hangs.

    with SimulatorLink(installation) as link:
        fields, arrays = link.ask("episode", env_id=..., build={}, reset={}, seed=0, camera=...)
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections import deque
from pathlib import Path

import numpy as np

from sim_bridge.simpler.installation import Installation
from sim_bridge.simpler.worker import wire
from vlaser_core.errors import VlaserError

WORKER = Path(__file__).parent / "worker"
START_TIMEOUT = 300.0  # s; importing the simulator and compiling its first shaders on a busy machine
EPISODE_TIMEOUT = 600.0  # s to load a scene: software Vulkan took 80 s on a busy machine the first time
ACT_TIMEOUT = 900.0  # s for one chunk; a ray-traced picture on a CPU takes half a minute
LINES_KEPT = 40
# Would let the worker load other assets or packages than those that were checked.
DROPPED = ("MS2_", "PYTHON")


class SimulatorLost(VlaserError):
    """The simulator's process died or hung; the episode can be begun anew in another."""


class SimulatorFault(VlaserError):
    """The simulator answered that it cannot do what was asked."""


class SimulatorLink:
    """One simulator process. Not for several threads at once. timeouts: of starting, of an episode's beginning, of a chunk; s.

    Raises SimulatorLost, or SimulatorFault with the simulator's words, when it does not start.
    """

    def __init__(self, installation: Installation, *, start: float = START_TIMEOUT, episode: float = EPISODE_TIMEOUT, act: float = ACT_TIMEOUT) -> None:
        self._timeouts = {"episode": episode, "act": act, "truth": act}
        ours, theirs = socket.socketpair()
        self._connection, self._lines = ours, deque(maxlen=LINES_KEPT)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
        with theirs:
            # -I: neither PYTHONPATH nor the user's own packages reach the simulator's environment.
            self._process = subprocess.Popen(
                [str(installation.python), "-I", str(WORKER), str(theirs.fileno()), str(installation.checkout)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        self._reader = threading.Thread(target=self._read, name="simulator's output", daemon=True)
        self._reader.start()
        try:
            hello, _ = self._receive("starting", start)
        except BaseException:
            self.close()
            raise
        self.versions: dict[str, str] = hello["versions"]
        self.renderer: str = hello["renderer"]

    def __enter__(self) -> SimulatorLink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, kind: str, arrays: dict[str, np.ndarray] | None = None, **fields: object) -> tuple[dict, dict[str, np.ndarray]]:
        """The answer to a request of `worker/simulator.py`. Raises SimulatorLost (and the process is gone) or SimulatorFault."""
        try:
            wire.send(self._connection, kind, fields, arrays)
        except wire.Closed as error:
            raise self._lost(kind, str(error)) from error
        return self._receive(kind, self._timeouts[kind])

    def last_words(self) -> str:
        """The end of what the process printed."""
        return "\n".join(self._lines)

    def close(self) -> None:
        """End the process; safe to call again, and from another thread than the one that waits for an answer."""
        if self._process.poll() is None:
            try:
                # A simulator in the middle of a step, or hanging in a driver, hears nothing gentler. It has a session of its own.
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.wait()
        self._reader.join(timeout=5.0)
        self._connection.close()

    def _receive(self, kind: str, timeout: float) -> tuple[dict, dict[str, np.ndarray]]:
        try:
            fields, arrays = wire.receive(self._connection, timeout)
        except wire.Late as error:
            raise self._lost(kind, f"no answer within {timeout:.0f} s ({error})") from error
        except wire.WireError as error:
            raise self._lost(kind, str(error)) from error
        if fields.pop("kind") == "error":
            raise SimulatorFault(f"SimplerEnv, {kind}: {fields['error']}\n{fields['traceback'].rstrip()}")
        return fields, arrays

    def _lost(self, kind: str, why: str) -> SimulatorLost:
        self.close()
        code = self._process.returncode
        ended = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        words = self.last_words()
        return SimulatorLost(f"the simulator was lost ({kind}): {why}; {ended}; " + (f"its last words:\n{words}" if words else "it said nothing"))

    def _read(self) -> None:
        with self._process.stdout as stream:
            for line in stream:
                self._lines.append(line.decode(errors="replace").rstrip()[:500])
