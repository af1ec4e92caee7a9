"""The tabletop as a source of the data engine: scattered scenes of one task a unit, some just after a failed attempt."""

from __future__ import annotations

import zlib

import numpy as np

from sim_bridge.simulated import SimulatedSource
from sim_bridge.tabletop.tasks import TASKS
from sim_bridge.tabletop.world import Tabletop

DISTRACTORS, MISHAPS = 4, 0.15  # further things a picture shows at most; share of pictures just after a failed attempt
_STREAM = 7  # keeps these scenes apart from those that other recordings draw from the same seed


class TabletopSource(SimulatedSource):
    """Questions about scenes of all four tasks, a unit of each in turn. Arguments: see `SimulatedSource`."""

    name = "tabletop"
    _world: Tabletop | None

    def __init__(self, records: int, seed: int = 0, renderer: str = "auto", size: tuple[int, int] = (320, 240)) -> None:
        super().__init__(records, seed, renderer, size)

    @property
    def settings(self) -> dict[str, str | int | float]:
        return super().settings | {"distractors": DISTRACTORS, "mishaps": MISHAPS}

    def _key(self, index: int) -> str:
        number, task = divmod(index, len(TASKS))
        return f"{list(TASKS)[task]}-{super()._key(number)}"

    def _stream(self, *kind: str) -> tuple[int, ...]:
        return zlib.crc32(kind[0].encode()), _STREAM

    def _begin(self, *kind: str) -> None:
        if self._world is None:
            self._world = Tabletop(self._renderer, distractors=DISTRACTORS)
        self._world.reset(kind[0], 0)

    def _draw(self, rng: np.random.Generator, *kind: str) -> str:
        assert self._world is not None
        self._world.scatter(rng, MISHAPS)
        return "widowx"
