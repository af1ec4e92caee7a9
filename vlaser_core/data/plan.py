"""What of a plan is there, what is missing and how to get it, and what building it would take at the rate measured now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from vlaser_core.data.mix import MixPlan, Share
from vlaser_core.data.source import Damage, Source
from vlaser_core.errors import InputError

SAMPLED = 96  # records read of each source to learn its rate
SECONDS_AT_MOST = 20.0


@dataclass(frozen=True)
class Rate:
    """Of one source on one core: seconds and bytes (pictures and text) a record."""

    seconds: float
    bytes: float


@dataclass(frozen=True)
class Standing:
    """A share as it stands. present: its files are there. items: what its units say they hold, 0 where only reading tells.
    missing: what is not there and how to get it. rate: measured, None where it could not be. damaged: items of those read
    for the rate that could not be used.
    """

    share: Share
    present: bool
    units: int = 0
    items: int = 0
    missing: str = ""
    rate: Rate | None = None
    damaged: int = 0


def standing(share: Share, open_source: Callable[[str, int], Source], measure: bool = True) -> Standing:
    """How a share stands. open_source: of a name and the records wanted."""
    try:
        source = open_source(share.source, share.records)
    except InputError as error:
        return Standing(share, present=False, missing=str(error))
    try:
        units = source.units()
    except InputError as error:
        return Standing(share, present=False, missing=f"{error}" if source.get in str(error) else f"{error}; {source.get}")
    damage = Damage()
    rate = _rate(source, damage) if measure and units else None
    return Standing(share, True, len(units), sum(unit.items for unit in units), "", rate, sum(damage.counts.values()))


def _rate(source: Source, damage: Damage) -> Rate | None:
    """Of the first records, the very first not counted: it pays for opening what stays open."""
    read = source.read(source.units()[0], damage, 0)
    if next(read, None) is None:
        return None
    began, records, volume = time.perf_counter(), 0, 0
    pictures: set[str] = set()
    for sample in islice(read, SAMPLED):
        records += 1
        volume += sum(len(picture.data) for picture in sample.pictures if picture.name not in pictures)
        volume += sum(len(message.value) for message in sample.record.conversations)
        pictures |= {picture.name for picture in sample.pictures}
        if time.perf_counter() - began > SECONDS_AT_MOST:
            break
    return Rate((time.perf_counter() - began) / records, volume / records) if records else None


@dataclass(frozen=True)
class Estimate:
    """What the whole plan would take. assumed: sources without a rate of their own, reckoned at the mean of the others."""

    hours: float
    gigabytes: float
    assumed: tuple[str, ...]


def estimate(standings: list[Standing], workers: int) -> Estimate | None:
    """Hours with `workers` cores and disk for all the records wanted; None where no rate could be measured."""
    rates = [found.rate for found in standings if found.rate is not None]
    if not rates:
        return None
    mean = Rate(sum(rate.seconds for rate in rates) / len(rates), sum(rate.bytes for rate in rates) / len(rates))
    seconds = sum((found.rate or mean).seconds * found.share.records for found in standings) / workers
    volume = sum((found.rate or mean).bytes * found.share.records for found in standings)
    return Estimate(seconds / 3600, volume / 1e9, tuple(found.share.source for found in standings if found.rate is None))


def to_json(plan: MixPlan, standings: list[Standing], estimated: Estimate | None) -> dict[str, Any]:
    """Plain, for the JSON line."""
    return {
        "plan": plan.name,
        "categories": plan.categories(),
        "present": [found.share.source for found in standings if found.present],
        "missing": [found.share.source for found in standings if not found.present],
        "sources": [asdict(found) for found in standings],
        "estimate": None if estimated is None else asdict(estimated),
    }
