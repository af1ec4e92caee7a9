"""How fast a set is made: by family on one core, end to end with one and two workers, and how much memory it takes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from vlaser_core.data.engine.build import build
from vlaser_core.data.engine.manifest import Part
from vlaser_core.data.families import FAMILIES, conversation
from vlaser_core.data.shards.writer import UnitReport
from vlaser_core.data.source import Source
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError


def family_rates(truths: Sequence[SceneTruth], seconds: float = 0.25) -> dict[str, float]:
    """Questions a second and core that each family writes about these truths, the reading of the truth included; a family
    that can be asked of none of them is left out.
    """
    if not truths:
        raise InputError("no truths to ask about: this source keeps none, so its families cannot be timed")
    rates: dict[str, float] = {}
    for name in FAMILIES:
        rng = np.random.default_rng(0)
        asked, began = 0, time.process_time()
        while time.process_time() - began < seconds:
            asked += sum(len(conversation(truth, rng, 1, [name])) for truth in truths)
        if asked:
            rates[name] = round(asked / (time.process_time() - began), 1)
    return rates


class PeakMemory:
    """The largest resident memory of a process and all below it (total) and of one worker, by looking every tenth of a second.

    Pages that processes share count in each, so the total is an upper bound.
    """

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._over = process, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.total = self.worker = 0

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            sizes = []
            for process in (self._process, *self._process.children(recursive=True)):
                try:
                    sizes.append((process.memory_info().rss, process.name()))
                except psutil.Error:  # ended since it was listed
                    continue
            self.total = max(self.total, sum(size for size, _ in sizes))
            self.worker = max([self.worker, *(size for size, name in sizes if name.startswith("ray::"))])


def end_to_end(source: Source, records: int, workers: int, folder: Path, settings: dict) -> dict[str, float]:
    """Build `records` of a source in a fresh folder. busy: from the first worker's start on a unit to the last unit's end,
    which leaves Ray's own start-up out; wall: all of it.
    """
    ends: list[float] = []
    first: list[float] = []
    began = time.perf_counter()
    work: Counter[str] = Counter()

    def note(report: UnitReport) -> None:
        ends.append(time.perf_counter())
        first.append(ends[-1] - report.seconds)
        work["seconds"] += report.seconds
        work["records"] += report.records

    with PeakMemory(psutil.Process()) as memory:
        report = build([Part(source, records, settings, shuffled=False)], folder, workers=workers, progress=note)
    busy = ends[-1] - min(first)
    return {
        "workers": workers,
        "records": report.records,
        "wall_seconds": round(time.perf_counter() - began, 2),
        "busy_seconds": round(busy, 2),
        "records_per_second": round(work["records"] / busy, 1),
        "peak_megabytes": round(memory.total / 2**20),
        "worker_peak_megabytes": round(memory.worker / 2**20),
        "megabytes_on_disk": round(report.bytes / 2**20, 1),
    }
