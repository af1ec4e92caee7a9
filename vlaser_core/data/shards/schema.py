"""The tables' schemas, and a record as a row of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from vlaser_core.data.record import Message, Record
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError

FORMAT = 1
LABELS = ("category", "family", "source", "domain", "split", "licence", "provenance")
RECORDS = pa.schema(
    [
        ("id", pa.string()),
        ("images", pa.list_(pa.string())),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("conversations", pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))),
        *((label, pa.string()) for label in LABELS),
        ("truth", pa.string()),
        ("keys", pa.map_(pa.string(), pa.binary())),
    ]
)
PICTURES = pa.schema([("name", pa.string()), ("data", pa.binary())])
RECORD_COLUMNS = RECORDS.names[:-2]  # what makes up a Record
RECORDS_A_GROUP = 256
PICTURES_A_GROUP = 8  # a random picture costs reading this many
UNIT_KEY = b"vlaser.unit"  # of the file's metadata: the unit's report as JSON

_TRUTH = TypeAdapter(SceneTruth)


def record_row(record: Record, truth: SceneTruth | None, keys: dict[str, bytes]) -> dict[str, Any]:
    """A row of RECORDS."""
    row: dict[str, Any] = {label: getattr(record, label) for label in LABELS}
    row |= {"id": record.id, "images": list(record.images), "width": record.width, "height": record.height}
    row["conversations"] = [{"from": message.sender, "value": message.value} for message in record.conversations]
    row["truth"] = None if truth is None else _TRUTH.dump_json(truth).decode()
    row["keys"] = list(keys.items())
    return row


def record_of(row: dict[str, Any], where: str) -> Record:
    """The record of a row of RECORD_COLUMNS, checked. Raises InputError that begins with `where`."""
    try:
        messages = tuple(Message(sender=message["from"], value=message["value"]) for message in row["conversations"])
        labels = {label: row[label] for label in LABELS}
        return Record(id=row["id"], images=tuple(row["images"]), width=row["width"], height=row["height"], conversations=messages, **labels)
    except (InputError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: {error}") from error


def truth_of(text: str | None, where: str) -> SceneTruth | None:
    """The truth kept beside a record. Raises InputError that begins with `where`."""
    if text is None:
        return None
    try:
        return _TRUTH.validate_json(text)
    except ValidationError as error:
        raise InputError(f"{where}: the truth does not fit its schema: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error


def open_table(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    """An open shard whose schema is as expected. Raises InputError naming the file, and what differs."""
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read shard {path}: {error}; restore it, or remove its file under records/ and build again") from error
    if not file.schema_arrow.remove_metadata().equals(schema):
        found = {field.name: str(field.type) for field in file.schema_arrow}
        expected = {field.name: str(field.type) for field in schema}
        differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise InputError(
            f"shard {path} has another schema: {', '.join(f'{name} is {found.get(name)}, expected {expected.get(name)}' for name in differing)}"
        )
    return file


def read_rows(file: pq.ParquetFile, path: Path, group: int, columns: list[str]) -> pa.Table:
    """Columns of one row group; pages are held against their checksums. Raises InputError naming a damaged file."""
    try:
        return file.read_row_group(group, columns=columns, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"shard {path} is damaged in row group {group}: {error}; remove its file under records/ and build again"
        ) from error
