"""Fingerprints within a few bits of a given one, among a million, without comparing with all.

Two numbers of 64 bits that differ in at most r of them agree in one of any r + 1 parts entirely (pigeonhole): one table a part
leads to the few that are worth comparing. Exact for the radius given; 100 bytes a fingerprint.
"""

from __future__ import annotations

from array import array
from itertools import pairwise

import numpy as np

from vlaser_core.data.clean.fingerprint import Fingerprint
from vlaser_core.errors import InputError

COARSE, FINE = 4, 28  # bits of 64 and of 256 in which pictures that look alike may differ
LARGEST = 7


class Near:
    """Fingerprints that were added. coarse, fine: how many bits may differ in each for two to be near."""

    def __init__(self, coarse: int = COARSE, fine: int = FINE) -> None:
        if not 0 <= coarse <= LARGEST or not 0 <= fine <= 256:
            raise InputError(f"pictures are near within 0…{LARGEST} of 64 and 0…256 of 256 bits, got {coarse} and {fine}")
        self._coarse, self._fine = coarse, fine
        edges = [round(64 * part / (coarse + 1)) for part in range(coarse + 2)]
        self._parts = [(64 - end, (1 << (end - begin)) - 1) for begin, end in pairwise(edges)]
        self._tables: list[dict[int, array]] = [{} for _ in self._parts]
        self._coarses = np.empty(1024, np.uint64)
        self._fines = np.empty((1024, 4), np.uint64)
        self._contents = np.empty(1024, np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, given: Fingerprint) -> int:
        """Its number, from 0."""
        if self._count == len(self._coarses):
            for name in ("_coarses", "_fines", "_contents"):
                old = getattr(self, name)
                grown = np.empty((2 * len(old), *old.shape[1:]), np.uint64)
                grown[: len(old)] = old
                setattr(self, name, grown)
        number = self._count
        self._coarses[number], self._contents[number] = given.coarse, given.content
        self._fines[number] = _words(given.fine)
        for (shift, mask), table in zip(self._parts, self._tables, strict=True):
            table.setdefault(given.coarse >> shift & mask, array("I")).append(number)
        self._count += 1
        return number

    def find(self, given: Fingerprint) -> np.ndarray:
        """Numbers of those near to it, in the order in which they were added."""
        lists = [table.get(given.coarse >> shift & mask) for (shift, mask), table in zip(self._parts, self._tables, strict=True)]
        parts = [np.frombuffer(found, np.uint32) for found in lists if found is not None]
        if not parts:
            return np.empty(0, np.int64)
        numbers = np.concatenate(parts)
        numbers = np.unique(numbers[_ones(self._coarses[numbers] ^ np.uint64(given.coarse)) <= self._coarse])
        return numbers[_ones(self._fines[numbers] ^ _words(given.fine)).sum(axis=1) <= self._fine].astype(np.int64)

    def same(self, numbers: np.ndarray, given: Fingerprint) -> bool:
        """Whether one of these is the very same file."""
        return bool((self._contents[numbers] == np.uint64(given.content)).any())


def _words(fine: int) -> np.ndarray:
    return np.array([fine >> shift & (1 << 64) - 1 for shift in (192, 128, 64, 0)], np.uint64)


_COUNTS = np.array([value.bit_count() for value in range(256)], np.uint8)


def _ones(values: np.ndarray) -> np.ndarray:
    """How many bits are set in each."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.bitwise_count(values)
    return _COUNTS[np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8)].sum(axis=-1)
