"""Which units and rows make up a set: decided from reports in a fixed order, never from who finished first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vlaser_core.data.shards.schema import RECORDS, open_table, read_rows
from vlaser_core.data.shards.writer import UnitReport, records_path
from vlaser_core.data.source import Unit
from vlaser_core.data.stage import Census

BEYOND = "beyond the target"

Place = tuple[int, int, str, str]  # unit's number, row, id, rule


def in_order(units: Sequence[Unit], seed: int) -> list[Unit]:
    """Units in an order drawn by the seed: each one's place among others does not depend on which others there are."""
    return sorted(units, key=lambda unit: hashlib.sha256(f"{seed}/{unit.source}/{unit.key}".encode()).digest())


def prefix(units: Sequence[Unit], reports: Mapping[str, UnitReport], wanted: int | None) -> list[Unit] | None:
    """The first units that hold `wanted` records together (all when there are fewer); None while one of them is not done."""
    chosen, total = [], 0
    for unit in units:
        if wanted is not None and total >= wanted:
            break
        if unit.key not in reports:
            return None
        chosen.append(unit)
        total += reports[unit.key].records
    return chosen


def next_wave(units: Sequence[Unit], reports: Mapping[str, UnitReport], wanted: int | None, workers: int) -> list[Unit]:
    """Units to do next: as many of those that are not done, in order, as should reach `wanted` by what a unit has yielded so far."""
    missing = [unit for unit in units if unit.key not in reports]
    if wanted is None:
        return missing
    done = [reports[unit.key] for unit in units if unit.key in reports]
    typical = max(1.0, sum(report.records for report in done) / len(done)) if done else None
    wave, total = [], 0.0
    for unit in units:
        if unit.key in reports:
            total += reports[unit.key].records
        else:
            wave.append(unit)
            # A little less than promised: some items are always left out, and one unit too many costs less than another wave.
            expected = 0.98 * unit.items if typical is None else typical
            if not expected:  # nothing is known yet: try one a worker
                if len(wave) >= workers:
                    break
                continue
            total += expected
        if total >= wanted:
            break
    return wave or missing[: max(1, workers)]


def keys_of(folder: Path, units: Sequence[Unit], census: str) -> Iterator[tuple[int, int, str, bytes]]:
    """(unit's number, row, id, key) of every record that has a key of `census`, in order, one row group at a time."""
    for number, unit in enumerate(units):
        path = records_path(folder, unit)
        row = 0
        with open_table(path, RECORDS) as file:
            for group in range(file.num_row_groups):
                table = read_rows(file, path, group, ["id", "keys"])
                for name, keys in zip(table["id"].to_pylist(), table["keys"].to_pylist(), strict=True):
                    key = dict(keys).get(census)
                    if key:
                        yield number, row, name, key
                    row += 1


def dropped_by(folder: Path, units: Sequence[Unit], census: Census) -> list[Place]:
    """What a census leaves out, with where it stands."""
    rules = dict(census.drop((name, key) for _, _, name, key in keys_of(folder, units, census.name)))
    if not rules:
        return []
    return [
        (number, row, name, f"{census.name}: {rules[name]}")
        for number, row, name, _ in keys_of(folder, units, census.name)
        if name in rules
    ]


def beyond(
    folder: Path, units: Sequence[Unit], reports: Sequence[UnitReport], dropped: set[tuple[int, int]], wanted: int | None
) -> list[Place]:
    """The records behind the `wanted`-th of one source's units that are not dropped already.

    Unit numbers count from the first of `units`.
    """
    if wanted is None:
        return []
    left: list[Place] = []
    total = 0
    for number, (unit, report) in enumerate(zip(units, reports, strict=True)):
        rows = [row for row in range(report.records) if (number, row) not in dropped]
        excess = rows[max(0, wanted - total) :]
        total += len(rows)
        if excess:
            with open_table(records_path(folder, unit), RECORDS) as file:
                ids = file.read(columns=["id"])["id"]
            left += [(number, row, ids[row].as_py(), BEYOND) for row in excess]
    return left
