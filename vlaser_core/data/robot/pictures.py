"""Pictures of training samples, read when they are needed: in this process, or ahead of time in others.

    with PictureReader(sets, samples, cameras=("image_0",), size=128) as reader:
        images = reader.read(rows)                  # RGB uint8 (n, cameras, S, S, 3), and which of them could be read (n,)

A picture that cannot be read is counted with its reason in `reader.damage`, and its row is told apart: no other takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import cv2
import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.episode import Episode, RobotData
from vlaser_core.data.robot.samples import Part, Samples, unit_of
from vlaser_core.data.source import Damage
from vlaser_core.errors import InputError, VlaserError
from vlaser_core.processing.pixels import square

Wanted = dict[str, list[int]]  # episode → its steps, ascending


class PictureReader:
    """size, resample: of the squares pictures are stretched to. workers: processes that read ahead; 0 reads in this one."""

    def __init__(
        self, sets: Sequence[RobotData], samples: Samples, cameras: Sequence[str], size: int, resample: str = "lanczos4", workers: int = 0
    ) -> None:
        self.sets, self.samples, self.cameras = list(sets), samples, tuple(cameras)
        self.size, self.resample = size, resample
        self.damage = Damage()
        self._first = np.array([part.first for part in samples.parts])
        self._pool = None
        if workers:
            setup = (self.sets, self.cameras, size, resample)
            self._pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_set_up, initargs=setup)

    def __enter__(self) -> PictureReader:
        return self

    def __exit__(self, *_) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def reads_ahead(self) -> bool:
        """Whether `begin` reads in other processes."""
        return self._pool is not None

    def begin(self, rows: np.ndarray) -> Reading:
        """Start reading `rows` (n,) in the workers; `.get()` waits. Without workers it reads only then."""
        needed: dict[tuple[int, str], Wanted] = {}
        unique = np.unique(rows)
        for row, place in zip(unique, np.searchsorted(self._first, unique, side="right") - 1, strict=True):
            part: Part = self.samples.parts[place]
            needed.setdefault((part.data, part.unit), {}).setdefault(part.episode, []).append(int(row - part.first))
        jobs = []
        for (data, unit), wanted in needed.items():
            jobs.append((data, unit, wanted, self._pool.submit(_read_in_worker, data, unit, wanted) if self._pool else None))
        return Reading(self, rows, jobs)

    def read(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pictures RGB uint8 (n, cameras, S, S, 3) of `rows` (n,), black where `present` (n,) is False."""
        return self.begin(rows).get()

    def result(self, data: int, unit: str, wanted: Wanted, future: Future | None) -> _Read:
        if future is None:
            return read_pictures(self.sets[data], unit, wanted, self.cameras, self.size, self.resample)
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise VlaserError(
                f"a process that reads pictures of {self.sets[data].name} died (killed, or out of memory?); fewer --workers or a smaller --pool "
                "need less memory. What was saved stays: the same command goes on"
            ) from error


class Reading:
    """Rows on their way."""

    def __init__(self, reader: PictureReader, rows: np.ndarray, jobs: list) -> None:
        self._reader, self._rows, self._jobs = reader, rows, jobs

    def get(self) -> tuple[np.ndarray, np.ndarray]:
        """As `PictureReader.read`."""
        reader = self._reader
        images = np.zeros((len(self._rows), len(reader.cameras), reader.size, reader.size, 3), np.uint8)
        present = np.zeros(len(self._rows), bool)
        places: dict[int, list[int]] = {}
        for place, row in enumerate(self._rows):
            places.setdefault(int(row), []).append(place)
        starts = {(part.data, part.unit, part.episode): part.first for part in reader.samples.parts}
        for data, unit, wanted, future in self._jobs:
            found = reader.result(data, unit, wanted, future)
            for (episode, step), views in found.images.items():
                for place in places[starts[data, unit, episode] + step]:
                    images[place], present[place] = views, True
            for item, reason in found.missing:
                reader.damage.skip(item, reason)
        return images, present


class _Read:
    """What one unit gave: views (cameras, S, S, 3) by (episode, step), and what could not be had, with its reason."""

    def __init__(self) -> None:
        self.images: dict[tuple[str, int], np.ndarray] = {}
        self.missing: list[tuple[str, str]] = []


def read_pictures(data: RobotData, unit: str, wanted: Wanted, cameras: Sequence[str], size: int, resample: str) -> _Read:
    """The pictures of some steps of a unit's episodes. Raises InputError when an episode is there no more."""
    found, left, damage = _Read(), dict(wanted), Damage()
    for episode in data.episodes(unit_of(data, unit), damage, wanted):
        steps = left.pop(episode.id, None)
        if steps is not None:
            _read_episode(episode, steps, cameras, size, resample, found)
        if not left:
            return found
    reasons = ", ".join(damage.counts) or "it is gone"
    raise InputError(
        f"{data.name} episode {next(iter(left))} of {unit} cannot be read any more ({reasons}); begin anew with another --out, or restore it"
    )


def _read_episode(episode: Episode, steps: list[int], cameras: Sequence[str], size: int, resample: str, found: _Read) -> None:
    views: dict[int, list[np.ndarray]] = {step: [] for step in steps}
    for camera in cameras:
        todo = list(steps)
        while todo:
            # One by one from the first that is left: behind a picture that cannot be had the next ones may be well.
            frames = episode.frames(camera, tuple(todo))
            try:
                for step in tuple(todo):
                    views[step].append(square(next(frames), size, resample))
                    todo.remove(step)
            except (InputError, StopIteration) as error:
                reason = error.reason if isinstance(error, Damaged) else "picture cannot be used"
                found.missing.append((f"{episode.data_set} episode {episode.id} step {todo[0]} of {camera!r}: {error}", reason))
                todo.pop(0)
    for step, pictures in views.items():
        if len(pictures) == len(cameras):
            found.images[episode.id, step] = np.stack(pictures)


_worker: tuple | None = None


def _set_up(sets: list[RobotData], cameras: tuple[str, ...], size: int, resample: str) -> None:
    global _worker
    cv2.setNumThreads(1)  # the processes are the parallelism
    _worker = (sets, cameras, size, resample)


def _read_in_worker(data: int, unit: str, wanted: Wanted) -> _Read:
    sets, cameras, size, resample = _worker
    return read_pictures(sets[data], unit, wanted, cameras, size, resample)
