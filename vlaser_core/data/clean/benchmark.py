"""A benchmark's folder as it was downloaded, whatever its layout: every picture and every question in it.

Pictures: files, and columns of tables (bytes, or base64). Questions: fields of those names in JSON, JSON Lines, Parquet, CSV and TSV,
and what a human says in a conversation.
"""

from __future__ import annotations

import base64
import binascii
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlaser_core.errors import InputError

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
QUESTIONS = {"question", "prompt", "query", "instruction", "problem", "text", "utterance"}
SPEAKERS = {"human", "user"}
_BASE64_FROM = 200  # letters; shorter strings in a picture's column are file names
_DEPTH = 12


@dataclass(frozen=True)
class Found:
    """A picture or a question; neither where something could not be read. where: the file, and the reason it could not be."""

    where: str
    picture: bytes | None = None
    question: str = ""


def read_benchmark(folder: Path) -> Iterator[Found]:
    """Everything below `folder`, in the order of file names. Raises InputError for one that is not there."""
    if not folder.is_dir():
        raise InputError(f"no folder {folder}: give the one that the benchmark was downloaded to")
    for path in sorted(folder.rglob("*")):
        where, kind = path.relative_to(folder).as_posix(), path.suffix.lower()
        try:
            if not path.is_file():
                continue
            if kind in PICTURES:
                yield Found(where, picture=path.read_bytes())
            elif kind == ".json":
                yield from _walk(json.loads(path.read_text(encoding="utf-8")), where)
            elif kind == ".jsonl":
                with path.open(encoding="utf-8") as file:
                    for line in file:
                        if line.strip():
                            yield from _walk(json.loads(line), where)
            elif kind == ".parquet":
                with pq.ParquetFile(path) as table:
                    for batch in table.iter_batches(batch_size=32):
                        for row in batch.to_pylist():
                            yield from _walk(row, where)
            elif kind in (".csv", ".tsv"):
                yield from _rows(path, where, "\t" if kind == ".tsv" else ",")
        except (OSError, ValueError, RecursionError, pa.ArrowException, csv.Error) as error:
            yield Found(f"{where} ({error})")


def _rows(path: Path, where: str, delimiter: str) -> Iterator[Found]:
    limit = csv.field_size_limit(1 << 28)  # pictures in base64
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter=delimiter):
                yield from _walk(row, where)
    finally:
        csv.field_size_limit(limit)


def _walk(value: Any, where: str, name: str = "", depth: int = 0) -> Iterator[Found]:
    if depth > _DEPTH:
        return
    if isinstance(value, bytes):
        yield Found(where, picture=value)
    elif isinstance(value, str):
        if name in QUESTIONS:
            yield Found(where, question=value)
        elif name.startswith("image") and len(value) >= _BASE64_FROM:
            try:
                yield Found(where, picture=base64.b64decode(value, validate=True))
            except binascii.Error:
                return
    elif isinstance(value, dict):
        speaker = value.get("from", value.get("role"))
        if speaker in SPEAKERS:
            said = value.get("value", value.get("content"))
            yield from _walk(said, where, "question" if isinstance(said, str) else name, depth + 1)
            return
        for key, part in value.items():
            yield from _walk(
                part, where, str(key).lower() if not isinstance(part, (bytes, bytearray)) or key != "bytes" else name, depth + 1
            )
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _walk(part, where, name, depth + 1)
