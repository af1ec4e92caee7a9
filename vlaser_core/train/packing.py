"""Which samples share a row: packing by length into a fixed budget of tokens. numpy only.

    plan = PackPlan(lengths_of_draws, budget=16384)
    plan[7]                                     # the draws that make up pack 7, the same in every run

Draws are taken in windows and packed within one, the longest first, each into the fullest pack that has room. So packs are
nearly full, the order of the data is kept but for a window, and a pack is a function of its number alone.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable

import numpy as np

from vlaser_core.errors import InputError

WINDOW = 4096  # draws


def pack(lengths: np.ndarray, budget: int, most: int = 0) -> list[list[int]]:
    """Positions of `lengths` by pack: no pack holds more than `budget` tokens, nor more than `most` of them (0: any number).

    Lengths of 0 are left out. Raises InputError for one above the budget: cutting it is not for this function to do.
    """
    if len(lengths) and int(np.max(lengths)) > budget:
        raise InputError(f"a sample of {int(np.max(lengths))} tokens does not fit a pack of {budget}")
    packs: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens left, pack), the fullest first
    for position in np.argsort(-np.asarray(lengths), kind="stable").tolist():
        length = int(lengths[position])
        if not length:
            continue
        at = bisect_left(room, (length, -1))
        if at < len(room):
            left, number = room.pop(at)
        else:
            left, number = budget, len(packs)
            packs.append([])
        packs[number].append(position)
        if left > length and len(packs[number]) != most:
            insort(room, (left - length, number))
    return packs


class PackPlan:
    """The packs of an endless sequence of draws, by number. lengths(first, last): tokens of draws [first, last), 0 for those
    that are left out. The windows before one that is asked for are packed on the way, lengths alone being needed."""

    def __init__(self, lengths: Callable[[int, int], np.ndarray], budget: int, most: int = 0, seed: int = 0, window: int = WINDOW) -> None:
        self._lengths, self._budget, self._most, self._seed, self._window = lengths, budget, most, seed, window
        self._packs: list[np.ndarray] = []
        self._counts: list[int] = []  # of packs, by window
        self._barren = 0

    def __getitem__(self, number: int) -> np.ndarray:
        """The draws of pack `number`. Raises InputError where nothing is left to pack."""
        if number < 0:
            raise IndexError(f"packs count from 0, got {number}")
        while number >= len(self._packs):
            self._pack_window()
        return self._packs[number]

    def count(self, draws: int) -> float:
        """How many packs the first `draws` draws make; of the window in which they end, its packs by its part of the draws."""
        whole, rest = divmod(draws, self._window)
        while len(self._counts) < whole + bool(rest):
            self._pack_window()
        return sum(self._counts[:whole]) + (self._counts[whole] * rest / self._window if rest else 0.0)

    def _pack_window(self) -> None:
        first = len(self._counts) * self._window
        found = pack(self._lengths(first, first + self._window), self._budget, self._most)
        self._barren = 0 if found else self._barren + 1
        if self._barren > 100:
            raise InputError("none of the samples can be used: all are broken or longer than allowed")
        # Packing leaves long samples first and remnants last; training should not see that.
        order = np.random.default_rng([self._seed, 2, len(self._counts)]).permutation(len(found))
        self._packs += [np.array(sorted(found[index]), np.int64) + first for index in order]
        self._counts.append(len(found))
