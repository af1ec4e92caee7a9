from __future__ import annotations

import pytest

from vlaser_core.errors import ConfigError
from vlaser_core.train.schedule import upstream_learning_rate


def rates(count: int, cycle: int = 20, warmup: int = 5) -> list[float]:
    return [upstream_learning_rate(update, cycle=cycle, warmup=warmup, maximum=1.0, minimum=0.1) for update in range(count)]


def test_two_updates_at_the_minimum_then_up_then_down_then_again():
    values = rates(42)
    assert values[0] == values[1] == 0.1 and max(values) == values[6] == 1.0
    assert values[1:7] == sorted(values[1:7]) and values[6:21] == sorted(values[6:21], reverse=True)
    assert values[21:41] == values[1:21]


@pytest.mark.parametrize(("update", "warmup"), [(-1, 5), (0, 20), (0, -1)])
def test_impossible_schedules_are_refused(update, warmup):
    with pytest.raises(ConfigError):
        upstream_learning_rate(update, cycle=20, warmup=warmup, maximum=1.0)
