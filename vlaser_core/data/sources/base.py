"""What the sources have in common: units of a file's byte ranges or of a table's rows, and records made one way."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.record import Message, Record
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.sources.items import line_ranges, list_ranges, read_range
from vlaser_core.data.sources.pictures import Sized
from vlaser_core.errors import InputError
from vlaser_core.reasoning.prompts import IMAGE_PLACEHOLDER

Category = Literal["grounding", "qa", "spatial", "planning", "simulation"]
Split = Literal["train", "validation", "test"]
Turns = Sequence[tuple[str, str]]


def file_key(path: Path) -> str:
    """A relative path as a unit's key may hold it."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", str(path.with_suffix("")).replace("\\", "/"))


def unit_rng(unit: Unit, seed: int) -> np.random.Generator:
    """The generator of a unit's random choices, the same in every run."""
    return np.random.default_rng([seed, zlib.crc32(unit.source.encode()), zlib.crc32(unit.key.encode())])


def spread(count: int, most: int) -> list[int]:
    """Up to `most` of 0 … count-1, evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(index * (count - 1) / (most - 1)) for index in range(most)] if most > 1 else [count - 1]


def plain_settings(thing: object) -> dict[str, str | int | float | bool]:
    """Public fields that are numbers or words; where the data lies is not among them."""
    return {name: value for name, value in vars(thing).items() if not name.startswith("_") and isinstance(value, (str, int, float, bool))}


class Described:
    """Fields that every record of a source carries, and how its records are made."""

    name: str
    licence: str
    get: str
    domain: str
    provenance: str

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        """What the records depend on besides the seed, for a build's manifest."""
        return plain_settings(self)

    def missing(self, what: str) -> InputError:
        """The error for a file or folder that is not there."""
        return InputError(f"no {what} below {self.root}: {self.get}")

    def sample(
        self,
        key: str,
        pictures: Sequence[Sized],
        turns: Turns,
        category: Category,
        family: str,
        split: Split = "train",
        provenance: str = "",
    ) -> Sample:
        """A record of questions and answers about the pictures, which are put before the first question.

        Raises Damaged for a record that its schema refuses.
        """
        messages = []
        for index, (question, answer) in enumerate(turns):
            question = question.replace(IMAGE_PLACEHOLDER, "").strip()
            messages += [
                Message("human", placeholders(len(pictures)) + question if index == 0 else question),
                Message("gpt", answer.strip()),
            ]
        width, height = (pictures[0].width, pictures[0].height) if pictures else (0, 0)
        try:
            record = Record(
                id=key,
                images=tuple(each.picture.name for each in pictures),
                width=width,
                height=height,
                conversations=tuple(messages),
                category=category,
                family=family,
                source=self.name,
                domain=self.domain,
                split=split,
                licence=self.licence,
                provenance=provenance or self.provenance,
            )
        except InputError as error:
            raise Damaged("record is refused", str(error)) from error
        return Sample(record, tuple(each.picture for each in pictures))


def placeholders(count: int) -> str:
    """The pictures' places before a question: `<image>`, or a numbered one each."""
    if count == 1:
        return f"{IMAGE_PLACEHOLDER}\n"
    return "".join(f"Image-{number}: {IMAGE_PLACEHOLDER}\n" for number in range(1, count + 1))


def conversation_turns(item: dict) -> list[tuple[str, str]]:
    """Questions and answers of an item in LLaVA's form (`conversations`: from human, from gpt). Raises Damaged."""
    messages = item.get("conversations")
    if not isinstance(messages, list) or not messages or len(messages) % 2:
        raise Damaged("conversation is incomplete", f"{len(messages) if isinstance(messages, list) else type(messages).__name__} messages")
    turns = []
    for human, gpt in zip(messages[::2], messages[1::2], strict=True):
        if not (isinstance(human, dict) and isinstance(gpt, dict) and human.get("from") == "human" and gpt.get("from") == "gpt"):
            raise Damaged("conversation does not alternate", "expected human and gpt in turn")
        question, answer = human.get("value"), gpt.get("value")
        if not (isinstance(question, str) and isinstance(answer, str) and answer.strip()):
            raise Damaged("conversation is incomplete", "a question or an answer is missing")
        turns.append((question.replace(IMAGE_PLACEHOLDER, "").strip(), answer.strip()))
    return turns


class ItemSource(Described):
    """A source of JSON lists or JSON Lines files; a unit is a byte range of one of them."""

    items_a_unit = 2000

    def files(self) -> Sequence[Path]:
        """Annotation files that are there, in a fixed order, below `root`. Raises InputError for none."""
        raise NotImplementedError

    def samples(self, item: dict, key: str, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        """The records of one item. Raises Damaged."""
        raise NotImplementedError

    def units(self) -> Sequence[Unit]:
        units = []
        for path in self.files():
            ranges = line_ranges if path.suffix == ".jsonl" else list_ranges
            key = file_key(path.relative_to(self.root))
            units += [Unit(self.name, f"{key}.{start}-{end}", count) for start, end, count in ranges(path, self.items_a_unit)]
        return units

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        key, _, span = unit.key.rpartition(".")
        path = next((path for path in self.files() if file_key(path.relative_to(self.root)) == key), None)
        if path is None:
            raise InputError(f"unit {unit.key!r} of {self.name}: its file is gone from {self.root}")
        rng = unit_rng(unit, seed)
        start, end = (int(part) for part in span.split("-"))
        for offset, item in read_range(path, start, end):
            try:
                if isinstance(item, Damaged):
                    raise item
                yield from self.samples(item, f"{offset}", path, rng)
            except Damaged as error:
                damage.skip(f"{path.name}:{offset} ({error})", error.reason)


class TableSource(Described):
    """A source of Parquet files; a unit is a row group of one of them."""

    def files(self) -> Sequence[Path]:
        """Parquet files that are there, in a fixed order, below `root`. Raises InputError for none."""
        raise NotImplementedError

    def samples(self, row: dict, key: str, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        """The records of one row. Raises Damaged."""
        raise NotImplementedError

    def columns(self) -> list[str] | None:
        """Columns to read; None for all."""
        return None

    def units(self) -> Sequence[Unit]:
        units = []
        for path in self.files():
            key = file_key(path.relative_to(self.root))
            with _opened(path) as table:
                groups = table.metadata
                units += [Unit(self.name, f"{key}.{index}", groups.row_group(index).num_rows) for index in range(groups.num_row_groups)]
        return units

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        key, _, group = unit.key.rpartition(".")
        path = next((path for path in self.files() if file_key(path.relative_to(self.root)) == key), None)
        if path is None:
            raise InputError(f"unit {unit.key!r} of {self.name}: its file is gone from {self.root}")
        rng, number = unit_rng(unit, seed), 0
        try:
            with _opened(path) as table:
                for batch in table.iter_batches(batch_size=64, row_groups=[int(group)], columns=self.columns()):
                    for row in batch.to_pylist():
                        where, number = f"{path.name} row group {group} row {number}", number + 1
                        try:
                            yield from self.samples(row, f"{number - 1}", path, rng)
                        except Damaged as error:
                            damage.skip(f"{where} ({error})", error.reason)
        except (OSError, pa.ArrowException) as error:
            damage.skip(f"{path.name} row group {group} from row {number} on ({error})", "rest of a row group cannot be read")


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}; fetch it again") from error
