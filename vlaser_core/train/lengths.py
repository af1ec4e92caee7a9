"""How many tokens each sample of stage 1 takes, before any picture is opened: what packing needs to know.

Counted once and kept beside the run. Samples that cannot be used are known by then: broken ones, and those above the
longest allowed, which are reported and left out, never cut.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlaser_core.data.record import Record
from vlaser_core.data.shards.reader import RecordSet
from vlaser_core.data.shards.writer import picture_size
from vlaser_core.errors import InputError
from vlaser_core.processing.tiling import chat_tile_count
from vlaser_core.train.language import SequenceEncoder
from vlaser_core.train.records import Joined, Part, Records

BROKEN = -1
EXAMPLES = 5


@dataclass(frozen=True)
class Lengths:
    """tokens: of each record of a part, BROKEN for one that cannot be read. examples: of broken ones, where and why."""

    tokens: np.ndarray
    examples: tuple[str, ...]


def count_lengths(encoder: SequenceEncoder, part: Part, max_tiles: int, cache: Path | None = None) -> Lengths:
    """The lengths of a part's records for pictures of at most `max_tiles` tiles. cache: a folder to keep them in."""
    path = None if cache is None else cache / f"lengths-{_digest(encoder, part, max_tiles)}.npz"
    if path is not None and path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return Lengths(stored["tokens"], tuple(stored["examples"].tolist()))
    tokens, examples = np.empty(len(part.records), np.int32), []
    for number, found in enumerate(_each(encoder, part.records, max_tiles)):
        tokens[number] = found if isinstance(found, int) else BROKEN
        if not isinstance(found, int) and len(examples) < EXAMPLES:
            examples.append(found)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        with partial.open("wb") as file:
            np.savez(file, tokens=tokens, examples=np.array(examples, dtype=np.str_))
        partial.replace(path)
    return Lengths(tokens, tuple(examples))


def _each(encoder: SequenceEncoder, records: Records, max_tiles: int) -> Iterator[int | str]:
    """Tokens of every record in order, or what is wrong with it."""
    if isinstance(records, Joined):
        for part in records.parts:
            yield from _each(encoder, part, max_tiles)
        return
    for number in range(len(records)):
        where = f"record {number}"
        try:
            record, sizes = _record_and_sizes(records, number)
            where = record.id
            yield len(encoder.record(record, tile_counts(encoder, sizes, max_tiles)).ids)
        except InputError as error:
            yield f"{where}: {error}"


def _record_and_sizes(records: Records, number: int) -> tuple[Record, list[tuple[int, int]]]:
    """A record and its pictures' sizes; of a single picture the record states it, so that it need not be read."""
    if isinstance(records, RecordSet):
        record = records[number]
        if len(record.images) < 2:
            return record, [(record.width, record.height)] * len(record.images)
    sample = records.sample(number)
    return sample.record, [picture_size(picture.data) for picture in sample.pictures]


def tile_counts(encoder: SequenceEncoder, sizes: list[tuple[int, int]], max_tiles: int) -> list[int]:
    """Squares that each of a sample's pictures is cut into."""
    return [chat_tile_count(width, height, len(sizes), max_tiles, encoder.config.vision.image_size) for width, height in sizes]


def _digest(encoder: SequenceEncoder, part: Part, max_tiles: int) -> str:
    """Of whatever lengths depend on."""
    config, tokenizer = encoder.config, encoder.tokenizer
    digest = hashlib.sha256(
        json.dumps([max_tiles, config.vision.image_size, config.image_tokens, config.chat_system, config.text.max_positions]).encode()
    )
    digest.update(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    digest.update(part.records.identity())
    return digest.hexdigest()[:16]
