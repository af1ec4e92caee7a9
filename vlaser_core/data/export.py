"""Sets in other shapes: upstream's JSONL beside an image folder, and several sets as one."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from vlaser_core.data.record import Record, write_jsonl
from vlaser_core.data.shards.files import keep, write_text
from vlaser_core.data.shards.index import DROPPED_NAME, IndexedUnit, read_index, write_index
from vlaser_core.data.shards.reader import RecordSet
from vlaser_core.data.shards.schema import FORMAT
from vlaser_core.data.shards.writer import pictures_path, records_path
from vlaser_core.data.source import Unit, unit_of
from vlaser_core.errors import InputError


def export(records: RecordSet, folder: Path) -> tuple[int, int]:
    """Write `records.jsonl` and `images/` below a new folder, as InternVL's trainers read them; returns how many of each.

    `meta.json` names both, in the form of upstream's data lists. Raises InputError for a folder that is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; export into a new folder")
    images: set[Path] = set()

    def rows() -> Iterator[Record]:
        for sample in records.samples():
            unit = unit_of(sample.record.id)
            names = []
            for picture in sample.pictures:
                name = Path("images") / unit / picture.name
                if name not in images:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(picture.data)
                    images.add(name)
                names.append(name.as_posix())
            yield dataclasses.replace(sample.record, images=tuple(names))

    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / ".records.jsonl"
    count = write_jsonl(partial, rows())
    meta = {folder.name: {"root": "", "annotation": "records.jsonl", "data_augment": False, "repeat_time": 1, "length": count}}
    write_text(folder / "meta.json", json.dumps(meta, indent=1) + "\n")
    keep(partial, folder / "records.jsonl")  # last: when it is there, so is everything it names
    return count, len(images)


def merge(sets: Sequence[Path], folder: Path) -> int:
    """Put complete sets together in a new folder, in the order given; returns how many records. Shards are linked where
    the disk allows it, else copied. Raises InputError for sets that share a unit: their ids would collide.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; merge into a new folder")
    units: list[IndexedUnit] = []
    dropped: list[tuple[int, int, str, str]] = []
    owners: dict[tuple[str, str], Path] = {}
    for part in sets:
        index = read_index(part)
        table = pq.read_table(part / DROPPED_NAME)
        dropped += [(row["unit"] + len(units), row["row"], row["id"], row["rule"]) for row in table.to_pylist()]
        for unit in index.units:
            owner = owners.setdefault((unit.source, unit.key), part)
            if owner is not part:
                raise InputError(
                    f"{owner} and {part} both hold unit {unit.source}/{unit.key}: they are the same data; build one with another seed"
                )
            units.append(unit)
    folder.mkdir(parents=True, exist_ok=True)
    for (source, key), part in owners.items():
        for path in (records_path, pictures_path):
            _link(path(part, Unit(source, key)), path(folder, Unit(source, key)))
    write_text(folder / "manifest.json", json.dumps({"format": FORMAT, "merged": [str(part.name) for part in sets]}, indent=1) + "\n")
    write_index(folder, units, dropped)
    return len(RecordSet(folder))


def _link(there: Path, here: Path) -> None:
    here.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(there, here)
    except OSError:  # another disk, or one without links
        shutil.copyfile(there, here)
