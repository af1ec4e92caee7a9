"""Intervals of what was measured, and tests of whether two runs over the same things differ. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

WILSON_Z = 1.96
RESAMPLES = 2000
FLIPS = 20_000


def wilson_interval(successes: float, trials: float) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson's score), for small counts as well. (0, 1) for no trials."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, WILSON_Z**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = WILSON_Z * np.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def mean_interval(scores: Sequence[float], weights: Sequence[float] | None = None, seed: int = 0) -> tuple[float, float]:
    """95 % interval of a (weighted) mean of scores 0…1.

    Scores that are all 0 or 1 and weigh the same are a proportion: Wilson's interval. Others: percentiles of RESAMPLES bootstrap means,
    which are the same in every run.
    """
    values = np.asarray(scores, dtype=float)
    counts = np.ones_like(values) if weights is None else np.asarray(weights, dtype=float)
    if not len(values) or not counts.sum():
        return 0.0, 1.0
    if np.isin(values, (0.0, 1.0)).all() and (counts == counts[0]).all():
        return wilson_interval(float(values.sum()), len(values))
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        drawn = rng.integers(0, len(values), len(values))
        total = counts[drawn].sum()
        means[index] = (values[drawn] * counts[drawn]).sum() / total if total else 0.0
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def mcnemar(first_only: int, second_only: int) -> float:
    """Two-sided p-value of McNemar's exact test: of the pairs that differ, how likely is a split this uneven by chance alone?"""
    differing, fewer = first_only + second_only, min(first_only, second_only)
    if not differing:
        return 1.0
    return min(1.0, 2 * sum(comb(differing, k) for k in range(fewer + 1)) / 2**differing)


def sign_flips(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p-value of a paired permutation test: each difference keeps or changes its sign, FLIPS draws (all of them when fewer)."""
    values = np.asarray([value for value in differences if value], dtype=float)
    if not len(values):
        return 1.0
    seen = abs(values.sum()) - 1e-12
    if 2 ** len(values) <= FLIPS:
        signs = (np.arange(2 ** len(values))[:, None] >> np.arange(len(values)) & 1) * 2 - 1
        return float((np.abs(signs @ values) >= seen).mean())
    rng, hits = np.random.default_rng(seed), 0
    for start in range(0, FLIPS, 500):
        signs = rng.integers(0, 2, (min(500, FLIPS - start), len(values))) * 2 - 1
        hits += int((np.abs(signs @ values) >= seen).sum())
    return (hits + 1) / (FLIPS + 1)
