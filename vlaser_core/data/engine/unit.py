"""One unit through the pipeline: what a worker does. Streams, so memory does not grow with the unit."""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlaser_core.data.shards.writer import UnitReport, UnitWriter
from vlaser_core.data.source import Damage, Sample, Source, Unit
from vlaser_core.data.stage import Census, Stage
from vlaser_core.errors import InputError

ATTEMPTS = 3  # a unit that took its worker down this often is told, not tried again
PARTIAL = ".partial"


@dataclass(frozen=True)
class Pipeline:
    """What every worker knows."""

    folder: Path
    sources: tuple[Source, ...]
    stages: tuple[Stage, ...]
    censuses: tuple[Census, ...]
    seed: int


@dataclass(frozen=True)
class Outcome:
    """A unit written (report), or why it could not be (fault, for a person). attempts: times a worker began it."""

    report: UnitReport | None
    fault: str = ""
    attempts: int = 1


class _Counted:
    """Passes samples on and counts them."""

    def __init__(self, samples: Iterator[Sample]) -> None:
        self._samples, self.count = samples, 0

    def __iter__(self) -> Iterator[Sample]:
        for sample in self._samples:
            self.count += 1
            yield sample


def run_unit(pipeline: Pipeline, unit: Unit) -> Outcome:
    """Read, pass through the stages, and write one unit. What the data or the disk is to blame for comes back as a
    fault; so does an exception of a source or stage, with its place in the code.
    """
    attempt, marker = _begin(pipeline.folder, unit)
    if attempt > ATTEMPTS:
        return Outcome(
            None,
            f"unit {unit.source}/{unit.key} took its worker down {ATTEMPTS} times (out of memory, or a crash); its log is Ray's",
            attempt,
        )
    try:
        return Outcome(_write(pipeline, unit, marker), attempts=attempt)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return Outcome(None, f"unit {unit.source}/{unit.key}: {type(error).__name__}: {error}{_place(error)}", attempt)
        return Outcome(
            None,
            f"no space left below {pipeline.folder} while writing unit {unit.source}/{unit.key}: free some and run the same command again, it continues",
            attempt,
        )
    except InputError as error:
        return Outcome(None, f"unit {unit.source}/{unit.key}: {error}", attempt)
    except Exception as error:  # told to the driver with its place: a pickled traceback would lose it
        return Outcome(None, f"unit {unit.source}/{unit.key}: {type(error).__name__}: {error}{_place(error)}", attempt)
    finally:
        marker.unlink(missing_ok=True)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name})" if frames else ""


def _begin(folder: Path, unit: Unit) -> tuple[int, Path]:
    """How often this unit was begun in this run without an end, this time included; the marker left for that."""
    partial = folder / PARTIAL
    partial.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, ATTEMPTS + 2):
        marker = partial / f"{unit.source}~{unit.key}~{attempt}"
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            continue
        return attempt, marker
    return ATTEMPTS + 1, marker


def _write(pipeline: Pipeline, unit: Unit, marker: Path) -> UnitReport:
    began = time.perf_counter()
    source = next(source for source in pipeline.sources if source.name == unit.source)
    damage = [Damage() for _ in range(1 + len(pipeline.stages))]
    read = _Counted(source.read(unit, damage[0], pipeline.seed))
    samples: Iterator[Sample] = iter(read)
    for stage, dropped in zip(pipeline.stages, damage[1:], strict=True):
        samples = stage.apply(unit, samples, dropped, pipeline.seed)
    with UnitWriter(pipeline.folder, unit, marker) as writer:
        for sample in samples:
            writer.add(sample, _keys(pipeline.censuses, sample))
        report = UnitReport(unit, read=read.count)
        for name, found in zip((source.name, *(stage.name for stage in pipeline.stages)), damage, strict=True):
            if found.counts:
                report.left_out[name], report.examples[name] = found.counts, found.examples
        report.seconds = round(time.perf_counter() - began, 3)
        return writer.finish(report)


def _keys(censuses: Sequence[Census], sample: Sample) -> dict[str, bytes]:
    keys = {census.name: census.key(sample) for census in censuses}
    return {name: key for name, key in keys.items() if key}
