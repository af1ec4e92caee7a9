"""What happens to samples between a source and the shards: label writers, judges, cleaning rules.

Two kinds. A `Stage` sees one unit's samples in order and passes on what it keeps, changes or adds; it runs inside the
workers and may batch or ask an endpoint. A `Census` needs to see everything at once (duplicates): workers note one key
a record, and when all units are there it decides which records leave. Nothing written is rewritten for that: the
decision is a list beside the shards, and readers leave those records out.

Both travel to worker processes, so they hold settings, and open what is heavy (a model, a connection) on first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from vlaser_core.data.source import Damage, Sample, Unit


class Stage(Protocol):
    """name: what its counts are reported under, fit for a file name. settings: what its outcome depends on; a build is
    only continued with the same.
    """

    name: str

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        """As written into the build's manifest."""

    def apply(self, unit: Unit, samples: Iterator[Sample], dropped: Damage, seed: int) -> Iterator[Sample]:
        """The samples that go on, lazily and in a fixed order. A sample left out is reported: `dropped.skip(id, rule)`.

        Every random choice is driven by `seed` and the unit's key. What cannot be done now and might later (an endpoint
        that is down) raises: the unit is not written and the next run does it again.
        """


class Census(Protocol):
    """A rule about all records together. name, settings: as for `Stage`."""

    name: str

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        """As written into the build's manifest."""

    def key(self, sample: Sample) -> bytes:
        """What is compared, worked out in the worker that has the pictures at hand. Empty: this record is not looked at."""

    def drop(self, keys: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
        """(id, rule) of each record to leave out, of the (id, key) of all records in a fixed order."""
