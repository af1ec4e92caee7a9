"""The most memory a process has used, and work done in a process of its own, so that nothing else is counted."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes; pages of mapped files count as long as they are mapped."""
    if _STATUS.is_file():
        # getrusage of a process just started still tells the size of the one that started it.
        line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    # Kilobytes on Linux, bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@dataclass(frozen=True)
class Spent:
    """baseline_bytes: the process with its libraries, before the work; peak_bytes: the most it used during the work."""

    seconds: float
    baseline_bytes: int
    peak_bytes: int

    def over(self, size: int) -> float:
        """Memory beyond the empty process, as a multiple of `size` bytes."""
        return (self.peak_bytes - self.baseline_bytes) / size


def _run(work: Callable[..., object], arguments: tuple) -> Spent:
    baseline, started = peak_memory(), time.perf_counter()
    work(*arguments)
    return Spent(round(time.perf_counter() - started, 2), baseline, peak_memory())


def apart(work: Callable[..., object], *arguments) -> Spent:
    """Do `work(*arguments)` in a fresh process. work: a function of a module, whose imports are the baseline. Raises what it raises."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run, work, arguments).result()
