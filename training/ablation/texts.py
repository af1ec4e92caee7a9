"""Question records in memory, by picture: a small model reads each many times, and decoding a picture costs more than reading it."""

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
    """The training records of a set in some categories that ask about one picture, in the model's usual system's voice.

    share: of the pictures, the first ones in the set's order, so that a larger share holds the smaller one. size, resample:
    of the model's pictures. pictures: uint8 (M, size, size, 3); records: for each picture, what is asked about it.
    Raises InputError when nothing is left.
    """

    def __init__(self, folder: Path, categories: Sequence[str], share: float, size: int, resample: str) -> None:
        chosen = RecordSet(folder).where(split="train")
        most = max(1, round(share * len({name for record in chosen for name in record.images})))
        pictures: dict[str, np.ndarray] = {}
        asked: dict[str, list[Record]] = {}
        for sample in chosen.samples():
            record = sample.record
            if len(sample.pictures) != 1 or record.conversations[0].sender == "system":
                continue
            name = record.images[0]
            if name not in pictures:
                if len(pictures) == most:
                    continue
                pictures[name] = square(decode(sample.pictures[0]), size, resample)
            if not categories or record.category in categories:
                asked.setdefault(name, []).append(record)
        if not asked:
            raise InputError(f"{folder} has no training record of {', '.join(categories) or 'any category'}")
        self.records = list(asked.values())
        self.pictures = np.stack([pictures[name] for name in asked])

    def __len__(self) -> int:
        return sum(map(len, self.records))

    def conversation(self, picture: int, turns: int, rng: np.random.Generator) -> list[tuple[str, str]]:
        """Questions and answers of up to `turns` different records about a picture, in a random order."""
        records = self.records[picture]
        rows = rng.permutation(len(records))[:turns]
        return [turn for row in rows for turn in records[row].turns()]
