from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.errors import InputError
from vlaser_core.train.packing import PackPlan, pack

LENGTHS = np.random.default_rng(0).integers(20, 130, 700)


@pytest.mark.parametrize("most", [0, 3])
def test_every_sample_is_in_one_pack_and_no_pack_is_over_its_budget(most):
    packs = pack(LENGTHS, 256, most)
    assert sorted(position for positions in packs for position in positions) == list(range(len(LENGTHS)))
    assert max(LENGTHS[positions].sum() for positions in packs) <= 256
    assert not most or max(map(len, packs)) <= most


def test_packs_are_nearly_full():
    packs = pack(LENGTHS, 256)
    assert LENGTHS.sum() / (256 * len(packs)) > 0.97


def test_a_sample_that_fits_no_pack_is_refused_and_one_left_out_is_not_packed():
    with pytest.raises(InputError, match="300 tokens does not fit a pack of 256"):
        pack(np.array([20, 300]), 256)
    assert pack(np.array([20, 0, 30]), 256) == [[2, 0]]


def plan(seed: int = 0) -> PackPlan:
    return PackPlan(lambda first, last: LENGTHS[np.arange(first, last) % len(LENGTHS)], 256, seed=seed, window=100)


def test_a_pack_is_a_function_of_its_number():
    """Else a run that was stopped would go on with other batches."""
    one, other = plan(), plan()
    later = one[60].tolist()
    assert [one[number].tolist() for number in range(50)] == [other[number].tolist() for number in range(50)]
    assert other[60].tolist() == later and plan(seed=1)[60].tolist() != later


def test_every_draw_is_learned_from_and_long_ones_do_not_come_first():
    found = plan()
    count = int(found.count(len(LENGTHS)))
    assert found.count(650) == pytest.approx((found.count(600) + found.count(700)) / 2)
    draws = [draw for number in range(count) for draw in found[number].tolist()]
    assert sorted(draws) == list(range(len(LENGTHS)))
    means = [LENGTHS[found[number] % len(LENGTHS)].mean() for number in range(count)]
    # Within a window the longest are packed first: in training they must not come first.
    assert abs(np.corrcoef(np.arange(20), means[:20])[0, 1]) < 0.8


def test_nothing_to_pack_is_told():
    with pytest.raises(InputError, match="none of the samples can be used"):
        PackPlan(lambda first, last: np.zeros(last - first, int), 256)[0]
