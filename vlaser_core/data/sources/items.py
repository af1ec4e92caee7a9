"""Items of JSON lists, JSON Lines and COCO files, by byte ranges: a list of a million items is never in memory at once.

Lists are cut where an item ends, so any range can be read on its own; an item that is not JSON costs only itself.
"""

from __future__ import annotations

import json
import mmap
import re
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlaser_core.data.damaged import Damaged
from vlaser_core.errors import InputError

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_SPACE = b" \t\r\n"


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise InputError(f"{path} is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


class Spans:
    """Where the objects of a list begin and end in a file, in bytes."""

    def __init__(self) -> None:
        self.starts, self.ends = array("q"), array("q")

    def __len__(self) -> int:
        return len(self.starts)

    def add(self, start: int, end: int) -> None:
        self.starts.append(start)
        self.ends.append(end)


def list_spans(path: Path) -> Spans:
    """The objects of a file that is one list. Raises InputError for any other file."""
    with _mapped(path) as data:
        head = data[:4096].lstrip(b"\xef\xbb\xbf" + _SPACE)
        if not head.startswith(b"["):
            raise InputError(f"{path} begins with {bytes(head[:20])!r}, expected a JSON list")
        return _objects(data, data.find(b"[") + 1)


def member_spans(path: Path, names: tuple[str, ...]) -> dict[str, Spans]:
    """The objects of the lists that a root object holds under `names` (COCO's `images`, `annotations`, …).

    Raises InputError where the file is no object or a name is missing.
    """
    found: dict[str, Spans] = {}
    with _mapped(path) as data:
        depth, key, at = 0, b"", 0
        while token := _TOKEN.search(data, at):
            text, at = token.group(), token.end()
            if text == b"[" and depth == 1 and key.decode("utf-8", "replace") in names:
                spans = _objects(data, at)
                found[key.decode("utf-8")] = spans
                at = spans.ends[-1] if len(spans) else at
                depth += 1
            elif text in (b"{", b"["):
                depth += 1
            elif text in (b"}", b"]"):
                depth -= 1
            elif depth == 1:
                key = text[1:-1]
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{path} has no list {' or '.join(missing)}; it should be a COCO file with {', '.join(names)}")
    return found


def _objects(data: mmap.mmap, start: int) -> Spans:
    """The objects from `start`, just inside a list, to that list's end; one that is cut off ends with the file."""
    spans, depth, opened = Spans(), 0, 0
    for token in _TOKEN.finditer(data, start):
        first = token.group()[0]
        if first in b"{[":
            if depth == 0:
                opened = token.start()
            depth += 1
        elif first in b"}]":
            if depth == 0:
                return spans
            depth -= 1
            if depth == 0:
                spans.add(opened, token.end())
    if depth:
        spans.add(opened, len(data))
    return spans


def line_ranges(path: Path, per_range: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, lines) of runs of up to `per_range` lines."""
    with path.open("rb") as file:
        start = position = lines = 0
        for line in file:
            position += len(line)
            lines += 1
            if lines == per_range:
                yield start, position, lines
                start, lines = position, 0
        if lines:
            yield start, position, lines


def list_ranges(path: Path, per_range: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, items) of runs of up to `per_range` objects of a list."""
    spans = list_spans(path)
    for first in range(0, len(spans), per_range):
        last = min(first + per_range, len(spans)) - 1
        yield spans.starts[first], spans.ends[last], last - first + 1


def read_range(path: Path, start: int, end: int) -> Iterator[tuple[int, dict | Damaged]]:
    """(byte, item) of every object in a range that `line_ranges` or `list_ranges` gave; what is not JSON comes as a Damaged."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(end - start)
    if path.suffix == ".jsonl":
        offset = start
        for line in data.splitlines(keepends=True):
            if line.strip():
                yield offset, parsed(line, f"{path.name} at byte {offset}")
            offset += len(line)
        return
    depth, opened = 0, 0
    for token in _TOKEN.finditer(data):
        first = token.group()[0]
        if first in b"{[":
            if depth == 0:
                opened = token.start()
            depth += 1
        elif first in b"}]" and depth:
            depth -= 1
            if depth == 0:
                yield start + opened, parsed(data[opened : token.end()], f"{path.name} at byte {start + opened}")
    if depth:
        yield start + opened, Damaged("file is cut off", f"{path.name} at byte {start + opened}")


def read_span(path: Path, start: int, end: int) -> dict:
    """The one object of a span. Raises Damaged when it is no JSON object."""
    with path.open("rb") as file:
        file.seek(start)
        found = parsed(file.read(end - start), f"{path.name} at byte {start}")
    if isinstance(found, Damaged):
        raise found
    return found


def parsed(data: bytes, where: str) -> dict | Damaged:
    """A JSON object, or the Damaged that says why it is none."""
    try:
        found = json.loads(data)
    except ValueError as error:
        return Damaged("item is not JSON", f"{where}: {error}")
    return found if isinstance(found, dict) else Damaged("item is not an object", f"{where}: {type(found).__name__}")
