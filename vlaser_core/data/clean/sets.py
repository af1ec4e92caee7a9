"""A complete set as sources of another build: its own units, and its records with the ids they have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlaser_core.data.shards.index import INDEX_NAME
from vlaser_core.data.shards.reader import RecordSet
from vlaser_core.data.source import Damage, Sample, Unit


class SetSource:
    """What one source has in a set."""

    licence = "as each record states"
    get = "build the set with `vlaser data build`"

    def __init__(self, records: RecordSet, name: str) -> None:
        self.name = name
        self._records = records
        self._index = hashlib.sha256((records.folder / INDEX_NAME).read_bytes()).hexdigest()[:16]

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        """Another set is another build, wherever it lies."""
        return {"index": self._index}

    def units(self) -> Sequence[Unit]:
        return [unit for unit in self._records.units() if unit.source == self.name]

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        return self._records.only(unit).samples()


def sources_of(folder: Path) -> list[SetSource]:
    """A set's sources, in the order in which they come. Raises InputError for a folder that holds no complete set."""
    records = RecordSet(folder.resolve())
    return [SetSource(records, name) for name in dict.fromkeys(unit.source for unit in records.units())]
