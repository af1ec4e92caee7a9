"""What the embedded simulators' sources have in common: units of 64 pictures without end, each a function of its seed and number.

Picture i of a seed is the same whatever the number of records, and its questions depend on nothing but the seed and i.
Works without a robot, a display or a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np

from sim_bridge.tabletop.renderers import choose_renderer
from vlaser_core.data.families.records import FAMILIES_OF, Shown, records_about, split_of
from vlaser_core.data.source import Damage, Picture, Sample, Unit
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError

PICTURES_A_UNIT = 64
JPEG_QUALITY = 95


class World(Protocol):
    """What a source asks of a simulator once it shows a scene."""

    def render(self, width: int, height: int) -> np.ndarray:
        """RGB uint8 (height, width, 3)."""

    def truth(self, width: int, height: int) -> SceneTruth:
        """What is exactly known of that picture."""


class SimulatedSource:
    """Questions about drawn scenes, a few units more than hold `records` of them. A subclass opens the world and draws.

    renderer: `auto`, `egl`, `osmesa` or `rays`; they draw the same scene, not the same pixels. size: of the pictures.
    """

    name: str
    licence = "Apache-2.0"
    get = "nothing to get: it is simulated"

    def __init__(self, records: int, seed: int, renderer: str, size: tuple[int, int]) -> None:
        if records < 1:
            raise InputError(f"expected at least 1 record, got {records}")
        self._records, self._seed, self._size = records, seed, size
        self._renderer = choose_renderer(renderer)
        self._world: World | None = None

    def __getstate__(self) -> dict:
        # A GL context belongs to the process that made it.
        return {**self.__dict__, "_world": None}

    @property
    def settings(self) -> dict[str, str | int | float]:
        """What the records depend on besides the seed."""
        return {"renderer": self._renderer, "width": self._size[0], "height": self._size[1], "questions": len(FAMILIES_OF)}

    def units(self) -> Sequence[Unit]:
        """Units by number."""
        items = PICTURES_A_UNIT * len(FAMILIES_OF)
        # More than enough: a question without an exact answer is not asked, and the engine takes no more than it needs.
        count = self._records // items + self._records // (10 * items) + 4
        return [Unit(self.name, self._key(index), items) for index in range(count)]

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        """The unit's samples; `seed` is the engine's, the scenes' own is in the unit's key."""
        *kind, own, number = unit.key.rsplit("-", 2)
        self._begin(*kind)
        for index in range(int(number) * PICTURES_A_UNIT, (int(number) + 1) * PICTURES_A_UNIT):
            rng = np.random.default_rng([*self._stream(*kind), int(own[1:]), seed, index])
            domain = self._draw(rng, *kind)
            assert self._world is not None
            truth, picture = self._world.truth(*self._size), self._picture(self._world, f"{index:06d}.jpg")
            shown = Shown(f"{index:06d}", picture, *self._size, truth, self.name, domain or truth.surface, self.licence, split_of(rng))
            yield from records_about(shown, rng, damage, f"{unit.key}, picture {index}")

    def _picture(self, world: World, name: str) -> Picture:
        pixels = cv2.cvtColor(world.render(*self._size), cv2.COLOR_RGB2BGR)
        return Picture(name, cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes())

    def _key(self, index: int) -> str:
        """Key of the unit of that number: `[kind-]s<seed>-<number>`."""
        return f"s{self._seed}-{index:05d}"

    def _stream(self, *kind: str) -> tuple[int, ...]:
        """What keeps these scenes apart from others that are drawn from the same seed."""
        raise NotImplementedError

    def _begin(self, *kind: str) -> None:
        """Open the world where it is not yet, and bring it into the state in which every unit of the kind begins."""
        raise NotImplementedError

    def _draw(self, rng: np.random.Generator, *kind: str) -> str:
        """Make the world show a new scene; returns the records' domain, empty for what things stand on."""
        raise NotImplementedError
