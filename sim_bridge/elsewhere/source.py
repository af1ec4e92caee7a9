"""Pictures elsewhere as a source of the data engine: the tabletop's questions about other pictures, as many of each category."""

from __future__ import annotations

import numpy as np

from sim_bridge.elsewhere.world import Elsewhere
from sim_bridge.simulated import SimulatedSource

_STREAM = 11  # keeps these scenes apart from others drawn from the same seed


class ElsewhereSource(SimulatedSource):
    """Questions about still scenes without a robot. size: side of the pictures; the rest as in `SimulatedSource`."""

    name = "elsewhere"
    _world: Elsewhere | None

    def __init__(self, records: int, seed: int = 0, renderer: str = "auto", size: int = 224) -> None:
        super().__init__(records, seed, renderer, (size, size))

    def _stream(self, *kind: str) -> tuple[int, ...]:
        return (_STREAM,)

    def _begin(self, *kind: str) -> None:
        if self._world is None:
            self._world = Elsewhere(self._renderer)

    def _draw(self, rng: np.random.Generator, *kind: str) -> str:
        assert self._world is not None
        self._world.reset(rng)
        return ""
