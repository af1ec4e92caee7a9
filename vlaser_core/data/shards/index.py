"""Which units make up a set and which of their records were left out afterwards: written last, so it says "complete"."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from vlaser_core.data.shards.files import keep, write_text
from vlaser_core.data.shards.schema import FORMAT, open_table
from vlaser_core.errors import InputError

DROPPED = pa.schema([("unit", pa.int32()), ("row", pa.int32()), ("id", pa.string()), ("rule", pa.string())])
INDEX_NAME, DROPPED_NAME = "index.json", "dropped.parquet"


@dataclass(frozen=True)
class IndexedUnit:
    """A unit of the set. records, pictures: how many its shards hold, left-out ones included."""

    source: str
    key: str
    records: int
    pictures: int


@dataclass(frozen=True)
class Index:
    """The units in the order in which their records count, and how many records were left out afterwards, by rule."""

    units: tuple[IndexedUnit, ...]
    dropped: dict[str, int]
    format: int = FORMAT


def write_index(folder: Path, units: Sequence[IndexedUnit], dropped: Iterable[tuple[int, int, str, str]]) -> Index:
    """Complete a set. dropped: (unit's number, row, id, rule) of each record to leave out."""
    rows = sorted(set(dropped))
    counts: dict[str, int] = {}
    for *_, rule in rows:
        counts[rule] = counts.get(rule, 0) + 1
    table = pa.Table.from_pylist([dict(zip(DROPPED.names, row, strict=True)) for row in rows], DROPPED)
    written = folder / f".{DROPPED_NAME}"
    pq.write_table(table, written)
    keep(written, folder / DROPPED_NAME)
    index = Index(tuple(units), dict(sorted(counts.items())))
    write_text(folder / INDEX_NAME, json.dumps(asdict(index)) + "\n")
    return index


def read_index(folder: Path) -> Index:
    """The index of a complete set. Raises InputError for a folder that is none, or not complete yet."""
    path = folder / INDEX_NAME
    if not path.exists():
        if (folder / "manifest.json").exists():
            raise InputError(
                f"{folder} is not complete: the build was interrupted; run the same `vlaser data build` again and it continues"
            )
        raise InputError(f"{folder} holds no records: expected {INDEX_NAME} there, as `vlaser data build … --out {folder}` writes it")
    try:
        index = TypeAdapter(Index).validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if index.format != FORMAT:
        raise InputError(f"{path} is of format {index.format}, this version reads {FORMAT}; build the set again")
    return index


def read_dropped(folder: Path) -> dict[int, np.ndarray]:
    """Rows left out afterwards, by the unit's number, ascending."""
    with open_table(folder / DROPPED_NAME, DROPPED) as file:
        table = file.read(columns=["unit", "row"])
    units, rows = table["unit"].to_numpy(), table["row"].to_numpy()
    return {int(unit): np.sort(rows[units == unit]) for unit in np.unique(units)}
