"""A stop that outlives the process: a small file, written whole or not at all, removed by a reset alone. No ROS.

What cannot be read counts as stopped. A controller that could not remember a stop does not start: `StopLatch` raises.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

from vlaser_core.errors import ConfigError


def default_directory() -> Path:
    """Where ROS keeps its state: $ROS_HOME, by default ~/.ros."""
    return Path(os.environ.get("ROS_HOME") or Path.home() / ".ros") / "vlaser"


class StopLatch:
    """The stop of one robot. directory: None keeps it in memory alone. robot: what sets it apart, e.g. domain and namespace."""

    def __init__(self, directory: Path | None, robot: str) -> None:
        self.path = None if directory is None else directory / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', robot).strip('_') or 'robot'}.stop"
        self.reason = ""
        self.stopped = False
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(self.path.with_suffix(".probe"), "{}")
            self.path.with_suffix(".probe").unlink()
        except OSError as error:
            raise ConfigError(
                f"a stop could not be remembered in {self.path.parent}: {error}; give a folder that can be written as state_directory, "
                "or an empty one to forget stops when the controller ends"
            ) from error
        if self.path.exists():
            self.stopped, self.reason = True, self._read()

    def latch(self, reason: str) -> None:
        """Stop. In this process that always holds; raises OSError when it could not be written down."""
        if not self.stopped:
            self.stopped, self.reason = True, reason
        if self.path is not None and not self.path.exists():
            self._write(self.path, json.dumps({"reason": self.reason, "since": time.strftime("%Y-%m-%dT%H:%M:%S%z")}))

    def release(self) -> None:
        """End the stop. Raises OSError, and stays stopped, when the file cannot be removed: the stop would come back."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self._settle()
        self.stopped, self.reason = False, ""

    def _read(self) -> str:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return f"{content['reason']}, since {content['since']}"
        except (OSError, ValueError, TypeError, KeyError) as error:
            return f"{self.path} cannot be read: {error}"

    def _write(self, path: Path, text: str) -> None:
        part = path.with_suffix(path.suffix + ".part")
        with open(part, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
        self._settle()

    def _settle(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
