"""What a folder is being filled with, so that going on with something else is noticed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlaser_core import __version__
from vlaser_core.data.shards.files import write_text
from vlaser_core.data.shards.schema import FORMAT
from vlaser_core.data.source import Source, Unit
from vlaser_core.data.stage import Census, Stage
from vlaser_core.errors import InputError

NAME = "manifest.json"
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Part:
    """A source's share of a set. target: records wanted of it, None for all. settings: what its content depends on
    besides the seed (a renderer, a version); a build is only continued with the same. shuffled: its units count in an order
    drawn by the seed, so that a part of a large source is a fair sample of it; otherwise as they are listed.
    """

    source: Source
    target: int | None = None
    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    shuffled: bool = True

    def __post_init__(self) -> None:
        if self.target is not None and self.target < 1:
            raise InputError(f"expected at least 1 record of {self.source.name}, got {self.target}")


def check_units(source: Source, units: Sequence[Unit]) -> None:
    """Raises InputError for a source whose names do not fit file names or are not unique."""
    for name in (source.name, *(unit.key for unit in units)):
        if not _FILE_NAME.fullmatch(name):
            raise InputError(f"source {source.name!r} has a name that fits no file: {name!r}; letters, digits, '-', '_' and '.' do")
    if len({unit.key for unit in units}) != len(units) or {unit.source for unit in units} - {source.name}:
        raise InputError(f"the units of source {source.name!r} must have different keys and carry its name")


def describe(parts: Sequence[Part], seed: int, stages: Sequence[Stage], censuses: Sequence[Census]) -> dict[str, Any]:
    """The manifest of a build."""
    return {
        "format": FORMAT,
        "version": __version__,
        "seed": seed,
        "parts": [
            {"source": part.source.name, "records": part.target, "settings": dict(part.settings), "shuffled": part.shuffled}
            for part in parts
        ],
        "stages": [{"name": stage.name, "settings": dict(stage.settings)} for stage in stages],
        "censuses": [{"name": census.name, "settings": dict(census.settings)} for census in censuses],
    }


def agree(folder: Path, wanted: dict[str, Any]) -> None:
    """Write the manifest of a new build, or see that the one in `folder` is of the same build.

    More records of the same sources is the same build. Raises InputError naming what differs.
    """
    path = folder / NAME
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise InputError(f"cannot read {path}: {error}; remove it to go on with the shards that are there") from error
        differing = [name for name in wanted if _without_targets(there.get(name)) != _without_targets(wanted[name])]
        if differing:
            told = "; ".join(f"{name} was {json.dumps(there.get(name))}, now {json.dumps(wanted[name])}" for name in differing)
            raise InputError(f"{folder} holds another build ({told}); choose another folder, or remove this one")
        for old, new in zip(there["parts"], wanted["parts"], strict=True):
            if new["records"] is not None and (old["records"] is None or old["records"] > new["records"]):
                raise InputError(
                    f"{folder} was built with {old['records'] or 'all'} records of {old['source']}, now {new['records']} are asked for; choose another folder"
                )
        if there == wanted:
            return
    elif (folder / "records").exists():
        raise InputError(f"{folder} holds shards without {NAME}: merged or damaged; choose another folder")
    write_text(path, json.dumps(wanted, indent=1) + "\n")


def _without_targets(value: Any) -> Any:
    if isinstance(value, list):
        return [{key: entry for key, entry in part.items() if key != "records"} for part in value]
    return value
