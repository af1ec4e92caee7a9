from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.evaluate.intervals import mcnemar, mean_interval, sign_flips, wilson_interval


def test_the_interval_of_a_proportion():
    assert wilson_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)
    assert wilson_interval(0, 20)[0] == 0.0 and wilson_interval(20, 20)[1] == 1.0
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_zeros_and_ones_are_a_proportion_and_fractions_are_resampled():
    assert mean_interval([1, 0, 1, 1]) == wilson_interval(3, 4)
    scores = np.random.default_rng(0).uniform(0.2, 0.6, 400)
    low, high = mean_interval(scores)
    # The normal approximation, which holds for so many.
    half = 1.96 * scores.std() / 20
    assert (low, high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.004)
    assert mean_interval(scores) == (low, high)


def test_weights_count():
    low, high = mean_interval([1.0, 0.0] * 200, [9.0, 1.0] * 200)
    assert low < 0.9 < high and high - low < 0.1


def test_mcnemar_is_the_exact_binomial_of_the_pairs_that_differ():
    assert mcnemar(0, 0) == 1.0 and mcnemar(3, 3) == 1.0
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 1024)
    assert mcnemar(9, 1) == mcnemar(1, 9)


def test_sign_flips_agree_with_mcnemar_where_both_apply():
    assert sign_flips([1.0] * 9 + [-1.0]) == pytest.approx(mcnemar(9, 1))
    assert sign_flips([]) == sign_flips([0.0, 0.0]) == 1.0
    rng = np.random.default_rng(1)
    assert sign_flips(rng.normal(0.0, 1.0, 300)) > 0.05
    assert sign_flips(rng.normal(0.5, 1.0, 300)) < 0.01
