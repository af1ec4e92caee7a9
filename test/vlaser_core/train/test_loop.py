from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from vlaser_core.errors import ConfigError, VlaserError
from vlaser_core.train.loop import LoopConfig, learning_rate, train


def fit(out, steps, seed=0, stop_at=None):
    torch.manual_seed(seed)
    model = nn.Linear(3, 1)
    target = torch.tensor([[1.0, -2.0, 0.5]])

    def loss_at(step):
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(32, 3, generator=torch.Generator().manual_seed(step))
        return (model(x) - x @ target.T).square().mean()

    train(model, loss_at, LoopConfig(steps, 0.05, warmup=5, save_every=10, log_every=10), out, "fit")
    return model


def test_training_learns(tmp_path):
    model = fit(tmp_path, 300)
    assert model.weight[0].tolist() == pytest.approx([1.0, -2.0, 0.5], abs=0.02)
    entries = [json.loads(line) for line in (tmp_path / "fit.jsonl").read_text().splitlines()]
    assert entries[-1]["step"] == 300 and entries[-1]["loss"] < entries[0]["loss"] / 100


def test_a_run_that_was_killed_ends_where_it_would_have(tmp_path):
    whole = fit(tmp_path / "whole", 60)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "parts", 60, stop_at=37)
    resumed = fit(tmp_path / "parts", 60, seed=99)
    assert torch.equal(whole.weight, resumed.weight) and torch.equal(whole.bias, resumed.bias)


def test_a_finished_run_is_not_run_again(tmp_path):
    fit(tmp_path, 20)
    fit(tmp_path, 20, stop_at=0)


def test_a_loss_that_is_not_finite_stops_the_run_with_the_last_good_state_on_disk(tmp_path):
    model = nn.Linear(1, 1)
    with pytest.raises(VlaserError, match="nan at step 15.*state"):
        train(model, lambda step: model(torch.ones(1)).sum() * (float("nan") if step == 15 else 1.0), LoopConfig(30, 0.01, save_every=10), tmp_path, "bad")
    assert torch.load(tmp_path / "bad.state.pt", weights_only=True)["step"] == 10


def test_the_rate_warms_up_and_comes_down():
    config = LoopConfig(1000, 1.0, warmup=100, final_ratio=0.1)
    rates = [learning_rate(config, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == pytest.approx(1.0) and rates[-1] == pytest.approx(0.1, abs=0.001)
    assert rates[:100] == sorted(rates[:100]) and rates[100:] == sorted(rates[100:], reverse=True)


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError):
        LoopConfig(0, 0.1)
