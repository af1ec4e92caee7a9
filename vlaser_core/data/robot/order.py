"""Which rows make up which batch: a function of the seed and the update's number alone, so that a run resumes exactly.

An epoch takes the parts (episodes) in a random order and cuts them into pools of at most `pool` rows; batches are drawn
from one pool after the other, each row once. With a pool as large as the set that is a plain shuffle; a smaller one bounds
how many pictures have to be in memory at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vlaser_core.data.robot.samples import Part
from vlaser_core.errors import ConfigError


@dataclass(frozen=True)
class Drawn:
    """Rows (n,) of one pool. pool: its number, counted over the epochs."""

    pool: int
    rows: np.ndarray


class Order:
    """parts: of the samples. pool: rows, at least one part's. weights: share of each data set, in the order of their numbers;
    by their size where there are none.
    """

    def __init__(self, parts: Sequence[Part], pool: int | None = None, weights: Sequence[float] = (), seed: int = 0) -> None:
        self.parts, self.seed = list(parts), seed
        total = sum(part.steps for part in self.parts)
        self.pool = pool or total
        sets = max(part.data for part in self.parts) + 1
        if weights and (len(weights) != sets or min(weights) < 0 or sum(weights) <= 0):
            raise ConfigError(f"weights: one number a data set, not below 0 and not all 0; got {tuple(weights)} for {sets}")
        sizes = np.bincount([part.data for part in self.parts], weights=[part.steps for part in self.parts], minlength=sets)
        share = np.array(weights) / sum(weights) if weights else sizes / total
        # How often an epoch, which is about as long as all sets together, comes by each row of a set.
        self.repeats = share * total / sizes
        self._ends: list[tuple[int, int]] = []  # of each epoch: positions and pools up to its end
        self._held: dict[int, list[np.ndarray]] = {}  # by epoch, two at a time: a batch may reach into the next

    def _pools(self, epoch: int) -> list[np.ndarray]:
        """The epoch's pools, each in the order its rows are drawn."""
        if epoch in self._held:
            return self._held[epoch]
        rng = np.random.default_rng((self.seed, epoch))
        often = np.array([self.repeats[part.data] for part in self.parts])
        counts = np.floor(often + rng.random(len(often))).astype(int)
        if not counts.any():
            counts[int(rng.integers(len(counts)))] = 1
        chosen = np.repeat(np.arange(len(often)), counts)
        rng.shuffle(chosen)
        pools: list[list[np.ndarray]] = [[]]
        size = 0
        for index in chosen:
            part = self.parts[index]
            if pools[-1] and size + part.steps > self.pool:
                pools.append([])
                size = 0
            pools[-1].append(np.arange(part.first, part.first + part.steps))
            size += part.steps
        self._held = {key: value for key, value in self._held.items() if abs(key - epoch) == 1}
        self._held[epoch] = [rng.permutation(np.concatenate(pool)) for pool in pools]
        return self._held[epoch]

    def draw(self, first: int, count: int) -> Iterator[Drawn]:
        """The rows at positions `first` … `first + count` − 1 of the endless sequence, pool by pool."""
        epoch, start, number = self._epoch_at(first)
        while count:
            for pool in self._pools(epoch):
                if start < len(pool) and count:
                    rows = pool[start : start + count]
                    yield Drawn(number, rows)
                    count -= len(rows)
                start = max(0, start - len(pool))
                number += 1
            epoch += 1

    def batch(self, update: int, size: int) -> np.ndarray:
        """Rows (size,) of an update's batch."""
        return np.concatenate([drawn.rows for drawn in self.draw(update * size, size)])

    def pool_of(self, number: int) -> tuple[int, np.ndarray]:
        """(position of its first row, its rows in the order they are drawn) of a pool."""
        epoch = self._epoch(1, number)
        rows, pools = self._begins(epoch)
        before = self._pools(epoch)[: number - pools]
        return rows + sum(len(pool) for pool in before), self._pools(epoch)[number - pools]

    def _epoch_at(self, position: int) -> tuple[int, int, int]:
        """(epoch, position within it, number of its first pool)."""
        epoch = self._epoch(0, position)
        rows, pools = self._begins(epoch)
        return epoch, position - rows, pools

    def _begins(self, epoch: int) -> tuple[int, int]:
        return self._ends[epoch - 1] if epoch else (0, 0)

    def _epoch(self, which: int, count: int) -> int:
        """The first epoch that ends behind a position (which = 0) or a pool (which = 1)."""
        while not self._ends or self._ends[-1][which] <= count:
            pools = self._pools(len(self._ends))
            rows, number = self._begins(len(self._ends))
            self._ends.append((rows + sum(len(pool) for pool in pools), number + len(pools)))
        return bisect_right([ends[which] for ends in self._ends], count)
