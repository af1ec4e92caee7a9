"""Start a robot's processes without ROS's launch, and stop them so that none is left behind.

    from vlaser_ros.up import Stack, up
    up("tabletop", {"task": "carrot_on_plate"})                  # until Ctrl-C
    with Stack(compose("tabletop", {"engine": "stand_in"})) as stack: ...
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vlaser_core.errors import VlaserError
from vlaser_ros.bringup import YOUTH, ProcessSpec, compose, dds_profile, load_bringup

PATIENCE = ((signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0))  # s to wait after each
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ProcessDied(VlaserError):
    """A process of the stack ended on its own; the message has its last words."""


def _die_with_parent() -> None:
    # Runs between fork and exec: only a system call, so it is safe beside other threads.
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Stack:
    """Processes of one robot as a context manager. Enter it in a thread that outlives it: Linux ends children with
    the thread that started them, which is what keeps them from being orphaned when this process is killed.

    logs: folder for one <executable>.log each; None lets them write to this terminal. environment: added variables,
    e.g. ROS_DOMAIN_ID.
    """

    def __init__(self, specs: Sequence[ProcessSpec], *, logs: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.specs = list(specs)
        self.processes: dict[str, subprocess.Popen] = {}
        self._logs = logs
        self._environment = dict(environment or {})

    def __enter__(self) -> Stack:
        try:
            for spec in self.specs:
                self.start(spec)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, spec: ProcessSpec) -> subprocess.Popen:
        """Start one process; a second start of the same executable replaces an ended one."""
        environment = {**os.environ, "FASTDDS_DEFAULT_PROFILES_FILE": str(dds_profile()), "PYTHONUNBUFFERED": "1", **self._environment}
        # `python -m` finds this package also where it runs from a checkout that is not installed.
        root = str(Path(__file__).resolve().parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [environment.get("PYTHONPATH")])])
        log = None
        if self._logs is not None:
            self._logs.mkdir(parents=True, exist_ok=True)
            log = (self._logs / f"{spec.executable}.log").open("ab")
        try:
            process = subprocess.Popen(
                spec.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT if log else None,
                env=environment,
                start_new_session=True,  # its own group: a terminal's Ctrl-C reaches it once, through us and in order
                preexec_fn=_die_with_parent,
            )
        finally:
            if log is not None:
                log.close()
        self.processes[spec.executable] = process
        return process

    def check(self) -> None:
        """Raise ProcessDied if a process has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise ProcessDied(f"{name} ended with code {process.returncode}{self.last_words(name)}")

    def last_words(self, name: str, lines: int = 15) -> str:
        """The end of a process's log, for error messages; empty when it writes to the terminal."""
        path = None if self._logs is None else self._logs / f"{name}.log"
        if path is None or not path.is_file():
            return ""
        return ":\n" + "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def stop(self) -> dict[str, int | None]:
        """End every process, server before controller before driver, with SIGINT, then SIGTERM, then SIGKILL.

        Returns the exit codes by name. What a process itself started goes with its group.
        """
        for process in reversed(list(self.processes.values())):
            for number, patience in PATIENCE:
                if process.poll() is not None:
                    break
                _signal_group(process, number)
                try:
                    process.wait(patience)
                except subprocess.TimeoutExpired:
                    continue
            _signal_group(process, signal.SIGKILL)
        return {name: process.returncode for name, process in self.processes.items()}


def _signal_group(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return  # the group is gone


class Keeper:
    """Keeps a stack running: starts again what has died, unless it died young or was not meant to be.

    A process that ends within `youth` seconds of its start has a fault that starting it again does not mend.
    """

    def __init__(self, stack: Stack, *, youth: float = YOUTH, clock: Callable[[], float] = time.monotonic) -> None:
        self._stack, self._youth, self._clock = stack, youth, clock
        self._begun = {spec.executable: clock() for spec in stack.specs}
        self._again: dict[str, float] = {}

    def look(self) -> bool:
        """Once in a while; False when all is over. Raises ProcessDied when a process ended and is not started again."""
        now = self._clock()
        for spec in self._stack.specs:
            name, process = spec.executable, self._stack.processes[spec.executable]
            if process.poll() is None:
                continue
            if spec.ends and process.returncode == 0:
                return False
            if not spec.respawn or now - self._begun[name] < self._youth:
                self._stack.check()
            if name not in self._again:
                print(f"{name} ended with code {process.returncode}; starting it again in {spec.respawn_delay:.0f} s", file=sys.stderr)
                self._again[name] = now + spec.respawn_delay
            elif now >= self._again[name]:
                del self._again[name]
                self._stack.start(spec)
                self._begun[name] = now
        return True


def up(config: str, overrides: Mapping[str, object] | None = None, *, sim: bool = False) -> None:
    """Run a robot's processes until Ctrl-C or SIGTERM, or until the bag is played.

    Raises ConfigError, or ProcessDied when one ends on its own and is not started again.
    """
    bringup = load_bringup(config)
    specs = compose(config, overrides, sim=sim)
    if bringup.robot_notice and not any(spec.executable == "sim_driver" for spec in specs):
        print(f"{config}: {bringup.robot_notice}", file=sys.stderr)
    wanted = threading.Event()
    before = {number: signal.signal(number, lambda *_: wanted.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Stack(specs) as stack:
            keeper = Keeper(stack)
            while not wanted.wait(0.3) and keeper.look():
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
