"""What a data source is: work that can be listed, cut into units, and read item by item.

A source lists its units cheaply and reads one unit lazily. The unit is the atom of the engine: of parallel work, of
randomness (its key seeds it, never the worker) and of resumption (it is written whole or not at all). A damaged item
is reported with its reason and left out; no other item takes its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vlaser_core.data.record import Record
from vlaser_core.data.truth import SceneTruth

EXAMPLES_KEPT = 20  # of the items behind each reason, so that a report stays readable at a million damaged ones


@dataclass(frozen=True)
class Unit:
    """A piece of a source. key: unique within the source and the same in every run, fit for a file name
    (letters, digits, `-`, `_`, `.`). items: how many it is expected to hold; 0 where only reading would tell.
    """

    source: str
    key: str
    items: int = 0


@dataclass(frozen=True)
class Picture:
    """An encoded image (JPEG or PNG bytes). name: what `Record.images` calls it; equal names are equal pictures."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Sample:
    """A record and its pictures, in the order of `record.images`. Samples of one unit may share pictures by name.

    record.id needs to be unique within its unit only: the engine puts source and unit before it (`qualified_id`).
    truth: what is exactly known of the picture, kept beside the record so that the answer can be checked again.
    """

    record: Record
    pictures: tuple[Picture, ...]
    truth: SceneTruth | None = None


@dataclass
class Damage:
    """What could not be used, by reason: `missing image`, `box outside the picture`, …"""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, item: str, reason: str) -> None:
        """Report one item left out. item: where it stands, as file:line, row or id; reason: short and without the item's own values."""
        self.counts[reason] += 1
        kept = self.examples.setdefault(reason, [])
        if len(kept) < EXAMPLES_KEPT:
            kept.append(item)


def qualified_id(unit: Unit, local: str) -> str:
    """An id that is unique across units, workers and runs: `source/unit/local`; one that begins so already stays as it is."""
    prefix = f"{unit.source}/{unit.key}/"
    return local if local.startswith(prefix) else prefix + local


def unit_of(identity: str) -> str:
    """`source/unit` of a qualified id."""
    return "/".join(identity.split("/", 2)[:2])


class Source(Protocol):
    """A data set in its publisher's own layout, or a simulator's recordings.

    name, licence and provenance go into every record; get: a sentence on how a user obtains it and where it belongs.
    """

    name: str
    licence: str
    get: str

    def units(self) -> Sequence[Unit]:
        """Everything there is, in a fixed order. Raises InputError naming the missing file or folder and how to get it."""

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        """The unit's samples, lazily and in a fixed order. `seed` (with the unit's key) drives every random choice."""
