"""`RecordSet`: a complete set by number, for training and for looking at.

    records = RecordSet(Path("runs/data/tabletop")).where(split="train")
    record, (picture,) = records[0], records.pictures(0)      # a checked Record; RGB uint8 (height, width, 3)

Nothing is held but an index of 8 bytes a record and a small cache of what was read last; pictures are decoded when
asked for. Reading in order is fastest, near numbers are cheap, and a random one costs a row group. A set can be sent to
worker processes: each opens the files itself.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlaser_core.data.record import Record
from vlaser_core.data.shards.index import INDEX_NAME, read_dropped, read_index
from vlaser_core.data.shards.schema import (
    LABELS,
    PICTURES,
    PICTURES_A_GROUP,
    RECORD_COLUMNS,
    RECORDS,
    RECORDS_A_GROUP,
    open_table,
    read_rows,
    record_of,
    truth_of,
)
from vlaser_core.data.shards.writer import pictures_path, records_path
from vlaser_core.data.source import Picture, Sample, Unit
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError

CACHED_GROUPS = 256  # of records: tens of megabytes
CACHED_NAMES = 1024  # files' lists of picture names: a few kilobytes each
CACHED_PICTURE_GROUPS = 16
OPEN_FILES = 256

_Value = TypeVar("_Value")


class _Cache(OrderedDict):
    """The values asked for last."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def get_or(self, key: object, make: Callable[[], _Value]) -> _Value:
        if key in self:
            self.move_to_end(key)
        else:
            self[key] = make()
            if len(self) > self._size:
                self.popitem(last=False)
        return self[key]


class RecordSet:
    """The records of a complete set below `folder`. Raises InputError when there is none."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self.index = read_index(self.folder)
        self._units = [Unit(unit.source, unit.key) for unit in self.index.units]
        self._paths = {
            "records": [records_path(self.folder, unit) for unit in self._units],
            "pictures": [pictures_path(self.folder, unit) for unit in self._units],
        }
        dropped = read_dropped(self.folder)
        kept = []
        for number, unit in enumerate(self.index.units):
            rows = np.setdiff1d(np.arange(unit.records), dropped.get(number, ()), assume_unique=True)
            kept.append(np.stack([np.full(len(rows), number), rows], axis=1).astype(np.int32))
        self._places = np.concatenate(kept) if kept else np.empty((0, 2), np.int32)
        self._forget()

    def _forget(self) -> None:
        self._files: _Cache = _Cache(OPEN_FILES)
        self._groups: _Cache = _Cache(CACHED_GROUPS)
        self._names: _Cache = _Cache(CACHED_NAMES)
        self._picture_groups: _Cache = _Cache(CACHED_PICTURE_GROUPS)

    def __getstate__(self) -> dict:
        # Open files stay behind when a set travels to another process.
        return {name: value for name, value in self.__dict__.items() if name not in ("_files", "_groups", "_names", "_picture_groups")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._forget()

    def __len__(self) -> int:
        return len(self._places)

    def where(self, **labels: str) -> RecordSet:
        """The records whose labels are as given, in the same order: `where(split="train", family="ground_box")`."""
        unknown = sorted(set(labels) - set(LABELS))
        if unknown:
            raise InputError(f"records have no label {', '.join(unknown)}; they have {', '.join(LABELS)}")
        kept = np.zeros(len(self), bool)
        for number in np.unique(self._places[:, 0]):
            at = np.flatnonzero(self._places[:, 0] == number)
            path = self._paths["records"][number]
            with open_table(path, RECORDS) as file:
                groups = [read_rows(file, path, group, list(labels)) for group in range(file.num_row_groups)]
            matches = np.ones(sum(group.num_rows for group in groups), bool)
            for label, wanted in labels.items():
                matches &= np.concatenate([group[label].to_numpy() == wanted for group in groups])
            kept[at] = matches[self._places[at, 1]]
        chosen = object.__new__(RecordSet)
        chosen.__setstate__({**self.__getstate__(), "_places": self._places[kept]})
        return chosen

    def identity(self) -> bytes:
        """The same for the same records of the same set, and for no others."""
        return hashlib.sha256((self.folder / INDEX_NAME).read_bytes() + self._places.tobytes()).digest()

    def units(self) -> tuple[Unit, ...]:
        """The units of the whole set, in the order in which their records count; each with how many of them are here."""
        counts = np.bincount(self._places[:, 0], minlength=len(self._units)).tolist()
        return tuple(Unit(unit.source, unit.key, count) for unit, count in zip(self._units, counts, strict=True))

    def only(self, unit: Unit) -> RecordSet:
        """The records of one unit, in the same order. Raises InputError for one that is not in the set."""
        numbers = [number for number, own in enumerate(self._units) if (own.source, own.key) == (unit.source, unit.key)]
        if not numbers:
            raise InputError(f"{self.folder} holds no unit {unit.source}/{unit.key}")
        chosen = object.__new__(RecordSet)
        chosen.__setstate__({**self.__getstate__(), "_places": self._places[self._places[:, 0] == numbers[0]]})
        return chosen

    def unit(self, number: int) -> Unit:
        """The unit that record `number` came from."""
        return self._units[self._place(number)[0]]

    def __getitem__(self, number: int) -> Record:
        row, where = self._row(number, "record", RECORD_COLUMNS)
        return record_of(row, where)

    def truth(self, number: int) -> SceneTruth | None:
        """What the record's answer was derived from, where that was kept."""
        row, where = self._row(number, "truth", ["truth"])
        return truth_of(row["truth"], where)

    def encoded(self, number: int) -> tuple[Picture, ...]:
        """The record's pictures as files hold them (JPEG or PNG), in its order."""
        return self._encoded(number, self[number])

    def _encoded(self, number: int, record: Record) -> tuple[Picture, ...]:
        unit = self._place(number)[0]
        return tuple(Picture(name, self._picture(unit, name)) for name in record.images)

    def pictures(self, number: int) -> tuple[np.ndarray, ...]:
        """The record's pictures, RGB uint8 (height, width, 3). Raises InputError for one that cannot be decoded."""
        return tuple(decode(picture) for picture in self.encoded(number))

    def sample(self, number: int) -> Sample:
        """Record, pictures and truth together."""
        record = self[number]
        return Sample(record, self._encoded(number, record), self.truth(number))

    def samples(self) -> Iterator[Sample]:
        """Everything in order: records, pictures and truth."""
        for row, where, unit in self._in_order([*RECORD_COLUMNS, "truth"]):
            record = record_of(row, where)
            yield Sample(record, tuple(Picture(name, self._picture(unit, name)) for name in record.images), truth_of(row["truth"], where))

    def __iter__(self) -> Iterator[Record]:
        return (record_of(row, where) for row, where, _ in self._in_order(RECORD_COLUMNS))

    def _in_order(self, columns: list[str]) -> Iterator[tuple[dict, str, int]]:
        """(row, where it stands, unit's number) of every record, a row group at a time."""
        for unit in dict.fromkeys(self._places[:, 0].tolist()):
            rows = self._places[self._places[:, 0] == unit, 1]
            path = self._paths["records"][unit]
            file = self._open(path, RECORDS)
            for group in dict.fromkeys((rows // RECORDS_A_GROUP).tolist()):
                within = rows[rows // RECORDS_A_GROUP == group]
                table = read_rows(file, path, group, columns).take(pa.array(within - group * RECORDS_A_GROUP))
                for number, row in zip(within.tolist(), table.to_pylist(), strict=True):
                    yield row, f"{path}, row {number}", unit

    def _place(self, number: int) -> tuple[int, int]:
        if not -len(self) <= number < len(self):
            raise IndexError(f"record {number} of {len(self)}")
        unit, row = self._places[number]
        return int(unit), int(row)

    def _row(self, number: int, kind: str, columns: list[str]) -> tuple[dict, str]:
        unit, row = self._place(number)
        path = self._paths["records"][unit]
        group = row // RECORDS_A_GROUP
        table: pa.Table = self._groups.get_or((unit, group, kind), lambda: read_rows(self._open(path, RECORDS), path, group, columns))
        return table.slice(row % RECORDS_A_GROUP, 1).to_pylist()[0], f"{path}, row {row}"

    def _open(self, path: Path, schema: pa.Schema) -> pq.ParquetFile:
        return self._files.get_or(path, lambda: open_table(path, schema))

    def _picture(self, unit: int, name: str) -> bytes:
        path = self._paths["pictures"][unit]

        def read_names() -> dict[str, int]:
            file = self._open(path, PICTURES)
            names = [name for group in range(file.num_row_groups) for name in read_rows(file, path, group, ["name"])["name"].to_pylist()]
            return {name: row for row, name in enumerate(names)}

        row = self._names.get_or(unit, read_names).get(name)
        if row is None:
            raise InputError(f"shard {path} lacks picture {name!r} of its records; remove the unit's file under records/ and build again")
        group = row // PICTURES_A_GROUP
        data: pa.Table = self._picture_groups.get_or((unit, group), lambda: read_rows(self._open(path, PICTURES), path, group, ["data"]))
        return data["data"][row % PICTURES_A_GROUP].as_py()


def decode(picture: Picture) -> np.ndarray:
    """RGB uint8 (height, width, 3). Raises InputError for data that is no image."""
    pixels = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR) if picture.data else None
    if pixels is None:
        raise InputError(f"picture {picture.name!r} cannot be decoded: {len(picture.data)} bytes that are no JPEG or PNG")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
