from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vlaser_core.errors import InputError
from vlaser_core.model.flow import flow_loss, integrate, interpolate, sample_beta_times, target_velocity

SIGMA = 0.001


@given(st.integers(1, 20), st.integers(0, 2**31), st.sampled_from(["euler", "heun"]))
def test_integrating_the_true_field_returns_the_action(steps, seed, method):
    generator = torch.Generator().manual_seed(seed)
    noise, action = torch.randn(2, 3, 4, 7, generator=generator, dtype=torch.float64)
    field = target_velocity(noise, action, SIGMA)
    reached = integrate(lambda x, t: field, noise, steps, method)
    assert torch.allclose(reached, action + SIGMA * noise, atol=1e-12)


def test_the_path_starts_at_noise_and_ends_at_the_action():
    noise, action = torch.randn(2, 2, 4, 7)
    assert torch.equal(interpolate(noise, action, torch.zeros(2), SIGMA), noise)
    assert torch.allclose(interpolate(noise, action, torch.ones(2), SIGMA), action, atol=SIGMA * 5)


def test_the_velocity_is_the_derivative_of_the_path():
    noise, action = torch.randn(2, 2, 4, 7, dtype=torch.float64)
    t = torch.full((2,), 0.4, dtype=torch.float64)
    slope = (interpolate(noise, action, t + 1e-6, SIGMA) - interpolate(noise, action, t - 1e-6, SIGMA)) / 2e-6
    assert torch.allclose(slope, target_velocity(noise, action, SIGMA), atol=1e-8)


def test_padded_steps_do_not_count():
    velocity, target = torch.zeros(1, 4, 7), torch.zeros(1, 4, 7)
    target[0, 2:] = 100.0
    valid = torch.tensor([[True, True, False, False]])
    assert flow_loss(velocity, target, valid) == 0
    assert flow_loss(velocity, target) == pytest.approx(5000)


def test_training_times_lie_in_range_and_favour_noise():
    times = sample_beta_times(20_000, torch.Generator().manual_seed(0))
    assert 0 <= times.min() and times.max() <= 0.999
    # 0.999 · (1 − E[Beta(1.5, 1)]) = 0.999 · 0.4
    assert times.mean() == pytest.approx(0.3996, abs=0.005)


@pytest.mark.parametrize(("steps", "method"), [(0, "euler"), (10, "rk4")])
def test_an_integration_that_cannot_be_done_is_refused(steps, method):
    with pytest.raises(InputError, match="at least one flow step, got 0|unknown integration method 'rk4'; known: euler, heun"):
        integrate(lambda x, t: x, torch.zeros(1, 4, 7), steps, method)
