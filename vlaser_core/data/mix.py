"""How a large set is put together: the sources of a plan with their shares, and the order in which training sees them.

plan = load_plan(plan_path("vlaser_6m"))
mixture = Mixture([(records, 2.0), (others, 1.0)], seed=0)
records, number = mixture[12345]                        # the same in every run
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from vlaser_core.data.clean.plan import CleanPlan
from vlaser_core.data.shards.reader import RecordSet
from vlaser_core.embodiment import config_directory
from vlaser_core.errors import ConfigError, InputError

BLOCK = 1000  # draws within which every source gets its share exactly, to the nearest draw


@dataclass(frozen=True)
class Share:
    """A source's part of a plan. records: wanted of it. weight: how often one of its records is seen, against 1 for the
    others. licence: of its data. note: what it contributes. write: families (config/data/labels/families.yaml) that a label
    writer adds for its pictures, when a build is given one.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    source: str
    category: Literal["grounding", "qa", "spatial", "planning", "simulation"]
    records: int
    licence: str
    weight: float = 1.0
    note: str = ""
    write: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.records < 1 or not 0 < self.weight < float("inf"):
            raise ValueError(f"{self.source}: records must be at least 1 and weight above 0, got {self.records} and {self.weight}")


@dataclass(frozen=True)
class MixPlan:
    """A plan: its name and its shares. judge: the lowest score (1…3) with which written records are kept, None to have none judged.
    clean: what is left out; None leaves nothing out.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    name: str
    shares: tuple[Share, ...]
    judge: int | None = None
    clean: CleanPlan | None = None

    def __post_init__(self) -> None:
        names = [share.source for share in self.shares]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"a plan names each source once, got {names}")
        if self.judge is not None and not 1 <= self.judge <= 3:
            raise ValueError(f"scores go from 1 to 3, got judge: {self.judge}")

    def categories(self) -> dict[str, int]:
        """Records wanted by category."""
        totals: dict[str, int] = {}
        for share in self.shares:
            totals[share.category] = totals.get(share.category, 0) + share.records
        return totals


def is_plan(name_or_path: str) -> bool:
    """Whether this is a plan's path or the name of one in config/data."""
    return name_or_path.endswith((".yaml", ".yml")) or (config_directory() / "data" / f"{name_or_path}.yaml").is_file()


def plan_path(name_or_path: str) -> Path:
    """The file of a plan in config/data, or the path itself. Raises ConfigError naming the known ones."""
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    folder = config_directory() / "data"
    if not (folder / f"{name_or_path}.yaml").is_file():
        raise ConfigError(
            f"no plan {name_or_path!r}; known: {', '.join(sorted(file.stem for file in folder.glob('*.yaml')))}, or the path of one (*.yaml)"
        )
    return folder / f"{name_or_path}.yaml"


def load_plan(path: Path) -> MixPlan:
    """A plan from its YAML file. Raises ConfigError naming the file and the field."""
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        # Strict JSON mode: lists become tuples, but "320" does not become 320.
        return TypeAdapter(MixPlan).validate_json(json.dumps(plain))
    except OSError as error:
        raise ConfigError(f"cannot read plan {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'plan'}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(f"{path}: {faults}") from error


class Mixture:
    """An endless sequence of records of several sets; draw n is a function of n and the seed alone, so training resumes
    anywhere. A set's part of the draws is its size times its weight; each of its records comes once before any comes twice.
    """

    def __init__(self, parts: Sequence[tuple[RecordSet, float]], seed: int = 0) -> None:
        masses = np.array([len(records) * weight for records, weight in parts], float)
        if not len(masses) or not (masses > 0).all() or not np.isfinite(masses).all():
            raise InputError(
                f"a mixture needs sets that hold records and weights above 0, got {[(len(records), weight) for records, weight in parts]}"
            )
        self._sets = [records for records, _ in parts]
        self._seed = seed
        self._shares = masses / masses.sum()

    def __getitem__(self, draw: int) -> tuple[RecordSet, int]:
        """The set and the record's number in it."""
        if draw < 0:
            raise IndexError(f"draws count from 0, got {draw}")
        block, within = divmod(draw, BLOCK)
        part, nth = (int(value) for value in self._block(block)[within])
        size = len(self._sets[part])
        return self._sets[part], int(self._order(part, nth // size)[nth % size])

    def _before(self, block: int) -> np.ndarray:
        """How many draws each part had before a block; never fewer than before an earlier one."""
        draws = np.floor(self._shares * BLOCK * block + 1e-6).astype(np.int64)
        largest = int(np.argmax(self._shares))
        draws[largest] += BLOCK * block - draws.sum()  # what rounding leaves goes where it matters least
        return draws

    @lru_cache(maxsize=4)  # noqa: B019 - lives as long as training
    def _block(self, block: int) -> np.ndarray:
        """(BLOCK, 2): part, and which of the part's draws it is."""
        before, after = self._before(block), self._before(block + 1)
        rows = np.concatenate(
            [np.stack([np.full(a - b, part), np.arange(b, a)], axis=1) for part, (b, a) in enumerate(zip(before, after, strict=True))]
        )
        return np.random.default_rng([self._seed, 0, block]).permutation(rows)

    @lru_cache(maxsize=16)  # noqa: B019 - lives as long as training
    def _order(self, part: int, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, 1, part, epoch]).permutation(len(self._sets[part]))
