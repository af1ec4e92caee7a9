"""A simulator in a process of its own, asked in JSON lines. A worker that dies or does not answer in time is a `WorkerLost`."""

from __future__ import annotations

import base64
import binascii
import json
import queue
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Picture
from vlaser_core.data.sources.pictures import sized
from vlaser_core.errors import InputError

WORKER = Path(__file__).with_name("worker.py")
LONGEST_LINE = 64 * 2**20  # characters; a picture of 500 × 500 has less than one million
_LAST_WORDS = 300


class WorkerLost(InputError):
    """The worker ended, hung, or answered what is no answer. The episode can be tried again with a new one."""


@dataclass(frozen=True)
class Scene:
    """The beginning of an episode. actions: by their id."""

    instruction: str
    actions: tuple[str, ...]
    picture: Picture


@dataclass(frozen=True)
class Outcome:
    """After one action. success, progress: 0…1, of the task. valid: whether the action was possible. done: the episode is over."""

    picture: Picture
    success: float
    progress: float
    valid: bool
    done: bool
    feedback: str


class Environment(Protocol):
    """One set of episodes of a simulator."""

    episodes: int

    def reset(self, episode: int) -> Scene: ...

    def step(self, action: int) -> Outcome: ...

    def close(self) -> None: ...


class EnvironmentProcess:
    """command: of the worker. timeout: seconds for one answer. Raises WorkerLost where the simulator does not start."""

    def __init__(self, command: Sequence[str], environment: str, eval_set: str, resolution: int = 500, timeout: float = 300.0) -> None:
        self._timeout = timeout
        try:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
            )
        except OSError as error:
            raise WorkerLost(f"cannot start the simulator's worker {command[0]!r}: {error}") from error
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: list[str] = []
        for stream, keep in ((self._process.stdout, self._keep_answers), (self._process.stderr, self._keep_words)):
            threading.Thread(target=keep, args=(stream,), daemon=True).start()
        try:
            found = self._ask({"do": "open", "environment": environment, "eval_set": eval_set, "resolution": resolution})
            self.episodes = int(found["episodes"])
        except (KeyError, TypeError, ValueError) as error:
            self.close()
            raise WorkerLost(f"the worker does not say how many episodes there are: {error!r}") from error
        except WorkerLost:
            self.close()
            raise

    def reset(self, episode: int) -> Scene:
        found = self._ask({"do": "reset", "episode": episode})
        try:
            actions = tuple(map(str, found["actions"]))
            if not actions:
                raise ValueError("no actions")
            return Scene(str(found["instruction"]), actions, self._picture(found, f"episode {episode}"))
        except (KeyError, TypeError, ValueError) as error:
            raise WorkerLost(f"the worker's scene is incomplete: {error!r}") from error

    def step(self, action: int) -> Outcome:
        found = self._ask({"do": "step", "action": action})
        try:
            numbers = [float(found[name]) for name in ("success", "progress")]
            if not all(0 <= number <= 1 for number in numbers):
                raise ValueError(f"success and progress are {numbers}")
            flags = [found[name] for name in ("valid", "done")]
            return Outcome(self._picture(found, "step"), *numbers, bool(flags[0]), bool(flags[1]), str(found["feedback"]))
        except (KeyError, TypeError, ValueError) as error:
            raise WorkerLost(f"the worker's outcome is incomplete: {error!r}") from error

    def close(self) -> None:
        """End the worker: it is asked to, and killed when it does not."""
        if self._process.poll() is None:
            try:
                self._process.stdin.write('{"do": "close"}\n')
                self._process.stdin.close()
                self._process.wait(timeout=5)
            except (OSError, ValueError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()

    def _ask(self, request: dict) -> dict:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=self._timeout)
        except queue.Empty as error:
            self._process.kill()
            raise WorkerLost(f"the worker did not answer {request['do']!r} within {self._timeout:g} s") from error
        except OSError:
            line = None
        if line is None:
            self._process.wait()
            words = " ".join(" ".join(self._said).split())[-_LAST_WORDS:]
            raise WorkerLost(f"the worker ended with code {self._process.returncode}: {words or 'it said nothing'}")
        try:
            found = json.loads(line)
            if not isinstance(found, dict):
                raise ValueError("no object")
        except ValueError as error:
            raise WorkerLost(f"the worker answers what is no JSON object: {line[:80]!r}") from error
        if found.get("ok") is not True:
            raise WorkerLost(f"the simulator failed at {request['do']!r}: {str(found.get('error'))[:_LAST_WORDS]}")
        return found

    @staticmethod
    def _picture(found: dict, name: str) -> Picture:
        try:
            return sized(base64.b64decode(found["picture"], validate=True), name).picture
        except (binascii.Error, Damaged) as error:
            raise ValueError(f"a picture is none: {error}") from error

    def _keep_answers(self, stream) -> None:
        with stream:
            while line := stream.readline(LONGEST_LINE):
                self._lines.put(line)
        self._lines.put(None)

    def _keep_words(self, stream) -> None:
        with stream:
            for line in stream:
                self._said = [*self._said[-20:], line]
