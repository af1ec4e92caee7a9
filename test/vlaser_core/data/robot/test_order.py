from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.data.robot.order import Order
from vlaser_core.data.robot.samples import Part
from vlaser_core.errors import ConfigError


def parts(*steps, data=None):
    firsts = np.concatenate([[0], np.cumsum(steps)])
    return [Part((data or [0] * len(steps))[k], "u", f"e{k}", int(firsts[k]), count) for k, count in enumerate(steps)]


def test_an_epoch_takes_every_row_once_and_the_next_in_another_order():
    order = Order(parts(7, 5, 9))
    first, second = (order.batch(epoch, 21) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(21)) and first.tolist() != second.tolist()


def test_a_batch_is_a_function_of_its_number():
    """Whatever was drawn before: a run that goes on sees what it would have seen."""
    whole, seed = Order(parts(7, 5, 9), pool=12, seed=3), Order(parts(7, 5, 9), pool=12, seed=4)
    batches = [whole.batch(update, 4) for update in range(30)]
    for update in (29, 3, 17):
        assert (Order(parts(7, 5, 9), pool=12, seed=3).batch(update, 4) == batches[update]).all()
    assert any((seed.batch(update, 4) != batches[update]).any() for update in range(5))


def test_a_pool_bounds_what_has_to_be_in_memory():
    order = Order(parts(*[10] * 20), pool=30)
    position = 0
    for number in range(16):
        first, rows = order.pool_of(number)
        assert first == position and len(rows) <= 30 and len({row // 10 for row in rows}) <= 3
        drawn = list(order.draw(first, len(rows)))
        assert len(drawn) == 1 and drawn[0].pool == number and (drawn[0].rows == rows).all()
        position += len(rows)


def test_a_batch_may_reach_into_the_next_pool_and_epoch():
    order = Order(parts(*[10] * 4), pool=20)
    drawn = list(order.draw(35, 30))
    assert [(one.pool, len(one.rows)) for one in drawn] == [(1, 5), (2, 20), (3, 5)]


def test_weights_are_shares_of_the_samples():
    order = Order(parts(*[10] * 30, data=[0] * 20 + [1] * 10), weights=(1, 3), seed=1)
    rows = order.batch(0, 12_000)
    assert (rows >= 200).mean() == pytest.approx(0.75, abs=0.03)
    assert len(np.unique(rows[rows < 200])) > 190  # the rarer set is not forgotten


@pytest.mark.parametrize("wrong", [(1,), (1, -1), (0, 0)])
def test_weights_that_do_not_fit_the_sets_are_refused(wrong):
    with pytest.raises(ConfigError, match="one number a data set"):
        Order(parts(5, 5, data=[0, 1]), weights=wrong)
