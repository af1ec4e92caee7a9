"""A source that needs nothing: small pictures of noise, numbered questions, everything decided by the unit's key and the seed."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlaser_core.data.engine import BuildReport, Part, build
from vlaser_core.data.record import Message, Record
from vlaser_core.data.source import Damage, Picture, Sample, Unit


@dataclass
class Noise:
    """units × items samples, three to a picture. damaged: every so many items is reported and left out, 0 none."""

    count: int = 4
    items: int = 12
    name: str = "noise"
    damaged: int = 0
    licence: str = "Apache-2.0"
    get: str = "nothing to get"

    def units(self) -> list[Unit]:
        return [Unit(self.name, f"u{number:03d}", self.items) for number in range(self.count)]

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        rng = np.random.default_rng([seed, zlib.crc32(unit.key.encode())])
        for number in range(self.items):
            if number % 3 == 0:
                data = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(data, "PNG")
                picture = Picture(f"p/{number}.png", data.getvalue())
            answer = int(rng.integers(1000))
            if self.damaged and number % self.damaged == self.damaged - 1:
                damage.skip(f"{unit.key}, item {number}", "broken")
                continue
            yield Sample(self.record(str(number), picture.name, answer), (picture,))

    def record(self, identity: str, image: str, answer: int) -> Record:
        asked = Message("human", "<image>\nWhere? Answer with a point."), Message("gpt", f"<point>[[{answer}, 7]]</point>")
        split = "test" if answer % 5 == 0 else "train"
        return Record(identity, (image,), 32, 24, asked, "grounding", "where", self.name, "noise", split, self.licence, "drawn at random")


@pytest.fixture
def noise() -> type[Noise]:
    return Noise


@pytest.fixture
def small_set(tmp_path) -> Path:
    """A complete set of 4 units of 12 records."""
    report = build([Part(Noise())], tmp_path / "small", seed=3, workers=0)
    assert isinstance(report, BuildReport) and report.records == 48
    return tmp_path / "small"
