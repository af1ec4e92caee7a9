"""One unit's samples into its two shards: pictures first, records last, each moved to its place when complete.

A unit counts as done when its records are there, so a writer killed at any moment leaves nothing that looks done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from vlaser_core.data.shards.files import keep
from vlaser_core.data.shards.schema import PICTURES, PICTURES_A_GROUP, RECORDS, RECORDS_A_GROUP, UNIT_KEY, open_table, record_row
from vlaser_core.data.source import Sample, Unit, qualified_id
from vlaser_core.errors import InputError


@dataclass
class UnitReport:
    """What came of a unit. read: samples the source gave. left_out: counts by what left them out (the source's name or a
    stage's) and reason; examples: some of the items behind each. seconds: time it took its worker.
    """

    unit: Unit
    records: int = 0
    pictures: int = 0
    bytes: int = 0
    read: int = 0
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    examples: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict:
        # Not dataclasses.asdict: it takes a Counter apart.
        return {**vars(self), "unit": vars(self.unit), "left_out": {name: dict(counts) for name, counts in self.left_out.items()}}

    @classmethod
    def from_json(cls, plain: dict) -> UnitReport:
        left_out = {name: Counter(counts) for name, counts in plain["left_out"].items()}
        return cls(**{**plain, "unit": Unit(**plain["unit"]), "left_out": left_out})


def records_path(folder: Path, unit: Unit) -> Path:
    return folder / "records" / unit.source / f"{unit.key}.parquet"


def pictures_path(folder: Path, unit: Unit) -> Path:
    return folder / "pictures" / unit.source / f"{unit.key}.parquet"


def read_report(folder: Path, unit: Unit) -> UnitReport | None:
    """The report of a unit that is done, None of one that is not. Raises InputError when its shard is damaged."""
    path = records_path(folder, unit)
    if not path.exists():
        return None
    with open_table(path, RECORDS) as file:
        text = (file.metadata.metadata or {}).get(UNIT_KEY)
    if text is None:
        raise InputError(f"shard {path} lacks its unit's report; remove it and build again")
    report = UnitReport.from_json(json.loads(text))
    report.bytes += path.stat().st_size  # which the file could not say of itself
    return report


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height of an encoded image, from its header. Raises InputError when it has none."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"not an image: {error}") from error


class UnitWriter:
    """Writes samples of one unit; a context manager that leaves no half file behind.

        with UnitWriter(folder, unit, temporary) as writer:
            writer.add(sample, {})
            writer.finish(report)

    temporary: a path that nobody else uses, on the same disk; two files beginning with it are written meanwhile.
    """

    def __init__(self, folder: Path, unit: Unit, temporary: Path) -> None:
        self._folder, self._unit = folder, unit
        self._written = {kind: temporary.with_name(f"{temporary.name}.{kind}") for kind in ("pictures", "records")}
        self._rows: list[dict] = []
        self._pictures: list[dict] = []
        self._names: dict[str, bytes] = {}
        self._ids: set[str] = set()
        temporary.parent.mkdir(parents=True, exist_ok=True)
        # Pictures are compressed already. Checksums make a flipped bit an error instead of another picture.
        self._picture_file = pq.ParquetWriter(
            self._written["pictures"], PICTURES, compression="none", use_dictionary=False, write_page_checksum=True
        )
        self._record_file = pq.ParquetWriter(self._written["records"], RECORDS, compression="zstd", write_page_checksum=True)

    def __enter__(self) -> UnitWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            for file in (self._picture_file, self._record_file):
                try:
                    file.close()
                except OSError:  # closing flushes; where that fails the first error is the one to tell
                    continue
        for path in self._written.values():
            path.unlink(missing_ok=True)

    def add(self, sample: Sample, keys: Mapping[str, bytes]) -> None:
        """Write one sample. keys: what censuses compare, by census. Raises InputError for an id that was there, pictures
        that are not the record's, or one that is no image of the stated size.
        """
        record = dataclasses.replace(sample.record, id=qualified_id(self._unit, sample.record.id))
        if record.id in self._ids:
            raise InputError(f"id {record.id!r} occurs twice in a unit; the source must number its items")
        names = tuple(picture.name for picture in sample.pictures)
        if names != record.images:
            raise InputError(f"record {record.id}: its images are {record.images}, the pictures given are {names}")
        for index, picture in enumerate(sample.pictures):
            digest = hashlib.sha256(picture.data).digest()
            if picture.name not in self._names:
                size = picture_size(picture.data)
                self._pictures.append({"name": picture.name, "data": picture.data})
                self._names[picture.name] = digest
                if len(self._pictures) == PICTURES_A_GROUP:
                    self._flush_pictures()
            elif self._names[picture.name] != digest:
                raise InputError(f"record {record.id}: picture {picture.name!r} differs from the one of the same name before it")
            else:
                continue
            if index == 0 and size != (record.width, record.height):
                raise InputError(f"record {record.id}: states {record.width} × {record.height}, its picture is {size[0]} × {size[1]}")
        self._ids.add(record.id)
        self._rows.append(record_row(record, sample.truth, dict(keys)))
        if len(self._rows) == RECORDS_A_GROUP:
            self._flush_records()

    def _flush_pictures(self) -> None:
        self._picture_file.write_table(pa.Table.from_pylist(self._pictures, PICTURES), row_group_size=PICTURES_A_GROUP)
        self._pictures.clear()

    def _flush_records(self) -> None:
        self._record_file.write_table(pa.Table.from_pylist(self._rows, RECORDS), row_group_size=RECORDS_A_GROUP)
        self._rows.clear()

    def finish(self, report: UnitReport) -> UnitReport:
        """Complete both files and move them to their places; fills in the report's records, pictures and bytes."""
        if self._pictures:
            self._flush_pictures()
        if self._rows:
            self._flush_records()
        self._picture_file.close()
        report.records, report.pictures = len(self._ids), len(self._names)
        report.bytes = self._written["pictures"].stat().st_size
        self._record_file.add_key_value_metadata({UNIT_KEY.decode(): json.dumps(report.to_json())})
        self._record_file.close()
        report.bytes += self._written["records"].stat().st_size
        keep(self._written["pictures"], pictures_path(self._folder, self._unit))
        keep(self._written["records"], records_path(self._folder, self._unit))
        return report
