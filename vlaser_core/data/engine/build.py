"""Build a set: do the units that are not done, then decide what makes up the set and write its index."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlaser_core.data.engine.manifest import Part, agree, check_units, describe
from vlaser_core.data.engine.select import Place, beyond, dropped_by, in_order, next_wave, prefix
from vlaser_core.data.engine.unit import PARTIAL, Outcome, Pipeline
from vlaser_core.data.engine.workers import by_ray, in_this_process, ray_started
from vlaser_core.data.shards.index import INDEX_NAME, Index, IndexedUnit, write_index
from vlaser_core.data.shards.writer import UnitReport, read_report
from vlaser_core.data.source import Unit
from vlaser_core.data.stage import Census, Stage
from vlaser_core.errors import InputError

Progress = Callable[[UnitReport], None]


@dataclass
class BuildReport:
    """What came of a build. records: in the set. written, resumed: units done now and before. retried: times a worker
    died and its unit was begun again. left_out: by what left it out and reason; short: records missing to the target.
    """

    records: int = 0
    pictures: int = 0
    bytes: int = 0
    written: int = 0
    resumed: int = 0
    retried: int = 0
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    examples: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)


def build(
    parts: Sequence[Part],
    folder: Path,
    seed: int = 0,
    stages: Sequence[Stage] = (),
    censuses: Sequence[Census] = (),
    workers: int = 1,
    address: str | None = None,
    progress: Progress = lambda report: None,
) -> BuildReport:
    """Fill `folder` with `parts`; killed at any moment, the same call goes on where it was.

    workers: processes on this machine or actors on the Ray cluster at `address`; 0 works in this process without Ray.
    progress: called with each unit's report, first with those that were done before. Raises InputError for a folder that
    holds another build or is in use, a source that is not there, a full disk, and a unit that cannot be done; what was
    finished by then stays.
    """
    if workers < 0:
        raise InputError(f"expected 0 or more workers, got {workers}")
    names = [part.source.name for part in parts]
    if not parts or len(set(names)) != len(names):
        raise InputError(f"expected parts of different sources, got {names or 'none'}")
    units = {}
    for part in parts:
        listed = part.source.units()
        check_units(part.source, listed)
        units[part.source.name] = in_order(listed, seed) if part.shuffled else list(listed)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        agree(folder, describe(parts, seed, stages, censuses))
        shutil.rmtree(folder / PARTIAL, ignore_errors=True)
        run = _Run(
            folder,
            units,
            Pipeline(folder, tuple(part.source for part in parts), tuple(stages), tuple(censuses), seed),
            workers,
            address,
            progress,
        )
        report = run.until_complete(parts)
        shutil.rmtree(folder / PARTIAL, ignore_errors=True)
    return report


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"another build is writing to {folder}; wait for it to end, or choose another folder") from error
        yield


class _Run:
    """One call of `build`: what is done, and what is done about the rest."""

    def __init__(
        self, folder: Path, units: dict[str, list[Unit]], pipeline: Pipeline, workers: int, address: str | None, progress: Progress
    ) -> None:
        self._folder, self._units, self._pipeline, self._workers, self._address, self._progress = (
            folder,
            units,
            pipeline,
            workers,
            address,
            progress,
        )
        self._report = BuildReport()
        self._reports: dict[str, dict[str, UnitReport]] = {name: {} for name in units}
        for name, listed in units.items():
            for unit in listed:
                found = read_report(folder, unit)
                if found is not None:
                    self._check_done(unit, found)
                    self._reports[name][unit.key] = found
                    self._report.resumed += 1
                    progress(found)

    def _check_done(self, unit: Unit, found: UnitReport) -> None:
        if found.unit != unit:
            raise InputError(
                f"unit {unit.source}/{unit.key} was built of {found.unit.items} items and has {unit.items} now: the source changed; "
                f"remove its file under {self._folder / 'records' / unit.source} to build it again, or choose another folder"
            )

    def until_complete(self, parts: Sequence[Part]) -> BuildReport:
        wanted = {part.source.name: part.target for part in parts}
        with contextlib.ExitStack() as stack:
            started = False
            while True:
                chosen = {name: prefix(self._units[name], self._reports[name], target) for name, target in wanted.items()}
                wave = [
                    unit
                    for name, found in chosen.items()
                    if found is None
                    for unit in next_wave(self._units[name], self._reports[name], wanted[name], max(1, self._workers))
                ]
                if not wave:
                    dropped, short = self._decide(parts, chosen)
                    grown = {name: wanted[name] + missing for name, missing in short.items() if len(chosen[name]) < len(self._units[name])}
                    if not grown:
                        return self._complete(chosen, dropped, short)
                    wanted |= grown
                    continue
                (self._folder / INDEX_NAME).unlink(missing_ok=True)
                if self._workers and not started:
                    stack.enter_context(ray_started(self._workers, self._address))
                    started = True
                self._do(wave)

    def _do(self, wave: list[Unit]) -> None:
        outcomes: Iterator[Outcome] = (
            by_ray(self._pipeline, wave, self._workers) if self._workers else in_this_process(self._pipeline, wave)
        )
        for outcome in outcomes:
            self._report.retried += outcome.attempts - 1
            if outcome.report is None:
                raise InputError(outcome.fault)
            self._reports[outcome.report.unit.source][outcome.report.unit.key] = outcome.report
            self._report.written += 1
            self._progress(outcome.report)

    def _decide(self, parts: Sequence[Part], chosen: dict[str, list[Unit]]) -> tuple[list[Place], dict[str, int]]:
        """What is left out of the chosen units, and how many records each source is short of its target."""
        units = [unit for part in parts for unit in chosen[part.source.name]]
        dropped: dict[tuple[int, int], Place] = {}
        for census in self._pipeline.censuses:
            for place in dropped_by(self._folder, units, census):
                dropped.setdefault(place[:2], place)
        short, first = {}, 0
        for part in parts:
            name, count = part.source.name, len(chosen[part.source.name])
            reports = [self._reports[name][unit.key] for unit in chosen[name]]
            gone = {(number - first, row) for number, row in dropped if first <= number < first + count}
            kept = sum(report.records for report in reports) - len(gone)
            for number, row, *about in beyond(self._folder, chosen[name], reports, gone, part.target):
                dropped[first + number, row] = (first + number, row, *about)
            if part.target is not None and kept < part.target:
                short[name] = part.target - kept
            first += count
        return list(dropped.values()), short

    def _complete(self, chosen: dict[str, list[Unit]], dropped: list[Place], short: dict[str, int]) -> BuildReport:
        reports = [self._reports[name][unit.key] for name, units in chosen.items() for unit in units]
        index = write_index(self._folder, [IndexedUnit(r.unit.source, r.unit.key, r.records, r.pictures) for r in reports], dropped)
        return dataclasses.replace(
            summary(index, reports), written=self._report.written, resumed=self._report.resumed, retried=self._report.retried, short=short
        )


def summary(index: Index, reports: Sequence[UnitReport]) -> BuildReport:
    """The counts of a complete set."""
    left_out: dict[str, Counter[str]] = {}
    examples: dict[str, dict[str, list[str]]] = {}
    for report in reports:
        for name, counts in report.left_out.items():
            left_out.setdefault(name, Counter()).update(counts)
            for reason, items in report.examples[name].items():
                kept = examples.setdefault(name, {}).setdefault(reason, [])
                kept += items[: 20 - len(kept)]
    return BuildReport(
        records=sum(report.records for report in reports) - sum(index.dropped.values()),
        pictures=sum(report.pictures for report in reports),
        bytes=sum(report.bytes for report in reports),
        left_out={name: dict(counts) for name, counts in left_out.items()},
        examples=examples,
        dropped=index.dropped,
    )
