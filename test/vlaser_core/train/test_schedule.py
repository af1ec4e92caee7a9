from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlaser_core.errors import ConfigError
from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.schedule import learning_rate, upstream_learning_rate

REFERENCE = Path(__file__).resolve().parents[3].parent / "shared/parity/misc_vla.json"


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


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference vectors are not here")
@pytest.mark.parametrize("case", [0, 1])
def test_a_recipes_rates_are_upstreams(case):
    reference = json.loads(REFERENCE.read_text())["lr_schedule"][case]
    config = LoopConfig(10**6, reference["max_lr"], schedule="upstream", warmup=reference["warmup"], cycle=reference["first_cycle_steps"])
    assert reference["min_lr"] == 1e-8
    assert [learning_rate(config, k) for k in range(len(reference["lr_before_update_k"]))] == pytest.approx(reference["lr_before_update_k"], abs=1e-15)


def test_the_rate_warms_up_and_comes_down():
    config = LoopConfig(1000, 1.0, warmup=100, final_ratio=0.1)
    values = [learning_rate(config, step) for step in range(1000)]
    assert values[0] == pytest.approx(0.01) and max(values) == pytest.approx(1.0) and values[-1] == pytest.approx(0.1, abs=0.001)
    assert values[:100] == sorted(values[:100]) and values[100:] == sorted(values[100:], reverse=True)


def test_a_constant_rate_stays():
    config = LoopConfig(1000, 0.5, schedule="constant", warmup=10)
    assert learning_rate(config, 0) == 0.05 and {learning_rate(config, step) for step in range(10, 1000)} == {0.5}
