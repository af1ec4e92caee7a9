"""Question records in memory: a small model reads each many times, and decoding a picture costs more than reading it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlaser_core.data.record import Record
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.shards.reader import decode
from vlaser_core.errors import InputError
from vlaser_core.processing.pixels import square


class Texts:
    """The training records of a set in some categories, each with one picture.

    share: of the pictures, the first ones in the set's order, so that a larger share holds the smaller one. size, resample:
    of the model's pictures. records: N; pictures: uint8 (M, size, size, 3); shown (N,): which picture a record is about.
    Raises InputError when nothing is left.
    """

    def __init__(self, folder: Path, categories: Sequence[str], share: float, size: int, resample: str) -> None:
        records = RecordSet(folder).where(split="train")
        numbers: dict[str, int] = {}
        pictures: list[np.ndarray] = []
        kept: list[Record] = []
        shown: list[int] = []
        total = len({name for record in records for name in record.images})
        for sample in records.samples():
            record = sample.record
            if len(sample.pictures) != 1:
                continue
            name = record.images[0]
            if name not in numbers and len(numbers) >= max(1, round(share * total)):
                continue
            if name not in numbers:
                numbers[name] = len(pictures)
                pictures.append(square(decode(sample.pictures[0]), size, resample))
            if not categories or record.category in categories:
                kept.append(record)
                shown.append(numbers[name])
        if not kept:
            raise InputError(f"{folder} has no training record of {', '.join(categories) or 'any category'}")
        self.records, self.pictures, self.shown = kept, np.stack(pictures), np.array(shown)

    def __len__(self) -> int:
        return len(self.records)
