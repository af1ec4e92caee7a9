"""Stage 2's loss at a micro-step: which rows, what they are asked, and where the backbone's view of them comes from.

A view is computed for the batch (`Looked`), or read from a store that was filled once (`Stored`), where the backbone is frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from vlaser_core.data.robot.order import Order
from vlaser_core.data.robot.pictures import PictureReader, Reading
from vlaser_core.model.vlaser import Prefix, Vlaser
from vlaser_core.train.flow import draw, flow_matching_loss
from vlaser_core.train.flow_data import Prompts, Target
from vlaser_core.train.loop import Weighted
from vlaser_core.train.prefixes import PrefixStore, PrefixStores
from vlaser_core.train.processes import Share
from vlaser_core.train.views import look, varied

# (position of the first row in the endless sequence, rows (B,)) → their prefixes, and which rows have one (B,).
Prefixes = Callable[[int, np.ndarray], tuple[Prefix, np.ndarray]]
# Likewise → RGB uint8 (B, views, S, S, 3), and which rows have theirs (B,).
Pictures = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class FlowLoss:
    """Called with a micro-step. rows_of: an update → the rows of its whole batch. jitter: of normalised proprioception."""

    model: Vlaser
    share: Share
    rows_of: Callable[[int], np.ndarray]
    targets: Callable[[np.ndarray], Target]
    prefixes: Prefixes
    times_per_prefix: int = 1
    jitter: float = 0.0
    seed: int = 0

    def __call__(self, micro_step: int) -> Weighted:
        update, part = self.share.of(micro_step)
        rows = self.rows_of(update)[part]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + update)
        draws = draw(self.model, self.share.batch, self.times_per_prefix, generator).of(part)
        target = self.targets(rows)
        prefix, present = self.prefixes(update * self.share.batch + part.start, rows)
        proprio = (target.proprio + self.jitter * draws.jitter).clamp(-1, 1) if self.jitter else target.proprio
        valid = target.valid & torch.from_numpy(present)[:, None]
        return flow_matching_loss(self.model, prefix, proprio, target.actions, valid, draws)


class Stored:
    """Prefixes out of stores."""

    def __init__(self, model: Vlaser, *stores: PrefixStore) -> None:
        self._model, self._stores = model, PrefixStores(stores)

    def __call__(self, position: int, rows: np.ndarray) -> tuple[Prefix, np.ndarray]:
        return self._stores.read(rows, self._model.action_decoder.weight.dtype, self._model.device)


class Looked:
    """Prefixes computed for the batch, with light anew each time. frozen: whether the backbone learns nothing from it."""

    def __init__(
        self, model: Vlaser, prompts: Prompts, wording: np.ndarray, pictures: Pictures, strength: float, seed: int, frozen: bool
    ) -> None:
        self._model, self._prompts, self._wording, self._pictures = model, prompts, wording, pictures
        self._strength, self._seed, self._frozen = strength, seed, frozen

    def __call__(self, position: int, rows: np.ndarray) -> tuple[Prefix, np.ndarray]:
        images, present = self._pictures(position, rows)
        images = varied(images, position + np.arange(len(rows)), self._seed, self._strength)
        with torch.no_grad() if self._frozen else nullcontext():
            return look(self._model, self._prompts, self._wording[rows], images), present


class Pool:
    """Pictures of the batches to come: one pool of the order is in memory, and the next on its way where the reader has workers.

    Of each pool it reads the rows that this process will be asked for, and keeps those it read for the one before.
    """

    def __init__(self, reader: PictureReader, order: Order, share: Share) -> None:
        self._reader, self._order, self._share = reader, order, share
        self._held: dict[int, dict[int, np.ndarray]] = {}  # pool → row → views
        self._coming: dict[int, tuple[np.ndarray, Reading]] = {}

    def __call__(self, position: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pictures (n, views, S, S, 3) of the rows at `position` …, black where `present` (n,) is False."""
        views = []
        for drawn in self._order.draw(position, len(rows)):
            pool = self._pool(drawn.pool)
            views += [pool.get(int(row)) for row in drawn.rows]
        size = self._reader.size
        black = np.zeros((len(self._reader.cameras), size, size, 3), np.uint8)
        present = np.array([view is not None for view in views])
        return np.stack([black if view is None else view for view in views]), present

    def _pool(self, number: int) -> dict[int, np.ndarray]:
        if number not in self._held:
            wanted, reading = self._coming.pop(number, None) or self._begin(number)
            images, present = reading.get()
            self._held = {key: pool for key, pool in self._held.items() if key == number - 1}
            last = self._held.get(number - 1, {})
            fresh = {int(row): view for row, view, there in zip(wanted, images, present, strict=True) if there}
            mine = self._mine(number)
            self._held[number] = {row: fresh[row] if row in fresh else last[row] for row in map(int, mine) if row in fresh or row in last}
            self._coming = {number + 1: self._begin(number + 1)} if self._reader.reads_ahead else {}
        return self._held[number]

    def _begin(self, number: int) -> tuple[np.ndarray, Reading]:
        held = self._held.get(number - 1, {})
        wanted = np.array([row for row in self._mine(number) if int(row) not in held], dtype=int)
        return wanted, self._reader.begin(wanted)

    def _mine(self, number: int) -> np.ndarray:
        """The rows of a pool that this process is asked for."""
        first, rows = self._order.pool_of(number)
        place = (first + np.arange(len(rows))) % self._share.batch // self._share.size
        return np.unique(rows[place % self._share.processes.count == self._share.processes.rank])
