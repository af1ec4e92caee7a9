"""What stage 1 learns from: sets of records by number, whichever form they come in.

    parts = open_parts(("runs/data/tabletop", "runs/upstream/meta.json"), (1.0, 0.5))

A complete set of the data engine gives its training split; a list in upstream's form (meta JSON: name → root, annotation,
repeat_time, data_augment, max_dynamic_patch) gives a part a name, its lines read as they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from vlaser_core.data.mix import load_plan, plan_path
from vlaser_core.data.record import Message, Record
from vlaser_core.data.shards.reader import RecordSet
from vlaser_core.data.shards.writer import picture_size
from vlaser_core.data.source import Picture, Sample
from vlaser_core.errors import ConfigError, InputError


class Records(Protocol):
    """Records by number, with pictures and truth; see `RecordSet`. identity: the same for the same records alone."""

    def __len__(self) -> int: ...

    def sample(self, number: int) -> Sample: ...

    def identity(self) -> bytes: ...


class Joined:
    """Several sets, one after the other."""

    def __init__(self, parts: Sequence[Records]) -> None:
        self.parts = [part for part in parts if len(part)]
        self._ends = np.cumsum([len(part) for part in self.parts])

    def __len__(self) -> int:
        return int(self._ends[-1]) if self.parts else 0

    def sample(self, number: int) -> Sample:
        part = int(np.searchsorted(self._ends, number, side="right"))
        return self.parts[part].sample(number - (int(self._ends[part - 1]) if part else 0))

    def identity(self) -> bytes:
        return b"".join(part.identity() for part in self.parts)


@dataclass(frozen=True)
class Part:
    """A set with its place in the mixture. weight: how often one of its records is seen, against 1 for the others. max_tiles:
    of its pictures, None for the recipe's. recompress: its pictures may be saved as JPEG once more, at random.
    """

    name: str
    records: Records
    weight: float = 1.0
    max_tiles: int | None = None
    recompress: bool = False


class UpstreamLines:
    """Records of a JSONL file as InternVL's trainers read it: pictures below `root`, no labels but what the file says.

    Nothing is held but where each line begins. A line that is no record is an InputError when it is asked for.
    """

    def __init__(self, name: str, annotation: Path, root: Path) -> None:
        self.name, self._path, self._root = name, annotation, root
        try:
            with annotation.open("rb") as file:
                lengths = [len(line) for line in file]
        except OSError as error:
            raise InputError(f"cannot read {annotation} of {name!r}: {error.strerror}") from error
        if not lengths:
            raise InputError(f"{annotation} of {name!r} is empty")
        self._starts = np.concatenate([[0], np.cumsum(lengths)])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def identity(self) -> bytes:
        state = self._path.stat()
        return f"{self.name} {self._path} {state.st_size} {state.st_mtime_ns}".encode()

    def sample(self, number: int) -> Sample:
        where = f"{self._path}:{number + 1}"
        with self._path.open("rb") as file:
            file.seek(int(self._starts[number]))
            line = file.readline()
        try:
            plain = json.loads(line)
        except ValueError as error:
            raise InputError(f"{where}: not JSON: {error}") from error
        if not isinstance(plain, dict):
            raise InputError(f"{where}: expected an object, got {type(plain).__name__}")
        if "video" in plain:
            raise InputError(f"{where}: is about a video; cut it into pictures and list those under image")
        image = plain.get("image") or []
        names = [image] if isinstance(image, str) else image
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{where}: image is a path or a list of paths, got {str(image)[:80]}")
        pictures = tuple(Picture(name, self._bytes(name, where)) for name in names)
        try:
            width, height = picture_size(pictures[0].data) if pictures else (0, 0)
            messages = tuple(Message(turn["from"], turn["value"]) for turn in plain["conversations"])
            category = "grounding" if any("<box>" in message.value or "<point>" in message.value for message in messages) else "qa"
            # Where a picture lies is the reader's business; the record's own rule is for sets that travel.
            shown = tuple(f"{index}" for index in range(len(pictures)))
            record = Record(
                f"{self.name}/{plain.get('id', number)}", shown, width, height, messages, category, self.name, self.name, "unstated", "train",
                "unstated", "unstated",
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError, InputError) as error:
            raise InputError(f"{where}: {error if isinstance(error, InputError) else 'conversations are a list of {from, value}'}") from error
        return Sample(record, tuple(Picture(name, picture.data) for name, picture in zip(shown, pictures, strict=True)))

    def _bytes(self, name: str, where: str) -> bytes:
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            raise InputError(f"{where}: cannot read picture {self._root / name}: {error.strerror}") from error


def read_meta(path: Path) -> list[Part]:
    """The parts of a list in upstream's form; annotation and root are relative to its folder. Raises InputError naming the field."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(plain, dict) or not plain or not all(isinstance(entry, dict) for entry in plain.values()):
        raise InputError(f"{path}: expected name → {{root, annotation, …}}, at least one")
    parts = []
    for name, entry in plain.items():
        where = f"{path}: {name}"
        if not isinstance(entry.get("annotation"), str) or not isinstance(entry.get("root", ""), str):
            raise InputError(f"{where}: annotation and root are paths, got {entry.get('annotation')!r} and {entry.get('root')!r}")
        repeat, tiles = entry.get("repeat_time", 1), entry.get("max_dynamic_patch")
        if not isinstance(repeat, (int, float)) or not repeat > 0:
            raise InputError(f"{where}: repeat_time is a number above 0, got {repeat!r}")
        if tiles is not None and (not isinstance(tiles, int) or tiles < 1):
            raise InputError(f"{where}: max_dynamic_patch is at least 1, got {tiles!r}")
        lines = UpstreamLines(name, path.parent / entry["annotation"], path.parent / entry.get("root", ""))
        parts.append(Part(name, lines, float(repeat), tiles, bool(entry.get("data_augment", False))))
    return parts


def open_parts(
    data: Sequence[str], weights: Sequence[float] = (), plan: str | None = None, categories: Sequence[str] = (), families: Sequence[str] = ()
) -> list[Part]:
    """Every set named in `data`: a folder of the data engine (its training split), or upstream's list (*.json).

    weights: of each, 1 by default. plan: a plan of the data engine, by name or path, whose weights go to the sources of
    the sets. categories, families: only records of these. Raises InputError or ConfigError naming what is wrong.
    """
    if not data:
        raise ConfigError("no data: name at least one set (a folder of `vlaser data build`, or upstream's list as *.json)")
    if weights and len(weights) != len(data):
        raise ConfigError(f"{len(weights)} weights for {len(data)} sets; give one each, or none")
    shares = {} if plan is None else {share.source: share.weight for share in load_plan(plan_path(plan)).shares}
    parts: list[Part] = []
    for name, weight in zip(data, weights or [1.0] * len(data), strict=True):
        if not 0 < weight < float("inf"):
            raise ConfigError(f"the weight of {name} is above 0, got {weight}")
        if name.endswith(".json"):
            if categories or families or plan:
                raise ConfigError(f"{name} has no categories, families or sources to choose by; convert it to a set first")
            parts += [Part(part.name, part.records, part.weight * weight, part.max_tiles, part.recompress) for part in read_meta(Path(name))]
            continue
        for chosen, share in _sources(RecordSet(name).where(split="train"), shares):
            kept = _only(_only(chosen, "category", categories), "family", families)
            if len(kept):
                parts.append(Part(name, kept, weight * share))
    if not parts:
        raise InputError(f"{', '.join(data)}: no record is left to train on (split train{_chosen(categories, families)})")
    return parts


def _sources(records: RecordSet, shares: dict[str, float]) -> Iterator[tuple[RecordSet, float]]:
    if not shares:
        yield records, 1.0
        return
    for source in sorted({unit.source for unit in records.units() if unit.items}):
        if source not in shares:
            raise InputError(f"{records.folder} holds records of {source!r}, which the plan does not name: it names {', '.join(shares)}")
        yield records.where(source=source), shares[source]


def _only(records: Records, label: str, wanted: Sequence[str]) -> Records:
    if not wanted:
        return records
    return Joined([part.where(**{label: name}) for part in getattr(records, "parts", [records]) for name in wanted])


def _chosen(categories: Sequence[str], families: Sequence[str]) -> str:
    return "".join(f", {label} {' or '.join(names)}" for label, names in (("category", categories), ("family", families)) if names)
