"""Integration as requests meet it: evaluations counted, seeds kept apart, a batch equal to its members."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlaser_core.model.flow import integrate, noise_of
from vlaser_core.reasoning.prompts import policy_prompt


@pytest.mark.parametrize(("method", "evaluations"), [("euler", 1), ("heun", 2)])
@given(steps=st.integers(1, 40))
@settings(deadline=None, max_examples=20)
def test_the_field_is_evaluated_as_often_as_the_method_says_and_at_its_times(method, evaluations, steps):
    times = []

    def field(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        times.append(float(t[0]))
        return torch.ones_like(x)

    integrate(field, torch.zeros(1, 4, 7, dtype=torch.float64), steps, method)
    assert len(times) == evaluations * steps
    expected = [step / steps + half / steps for step in range(steps) for half in range(evaluations)]
    assert times == pytest.approx(expected, abs=1e-12)


def test_heun_is_of_second_order_and_euler_of_first():
    """On x' = x the error falls by 4 and by 2 when steps are doubled: a second stage that reused the first would not."""

    def error(steps: int, method: str) -> float:
        return abs(float(integrate(lambda x, t: x, torch.ones(1, 1, 1, dtype=torch.float64), steps, method)) - math.e)

    assert error(40, "euler") / error(80, "euler") == pytest.approx(2, rel=0.05)
    assert error(40, "heun") / error(80, "heun") == pytest.approx(4, rel=0.05)


def test_noise_belongs_to_its_seed_whatever_it_is_drawn_with():
    together = noise_of([3, 1, 3], 4, 7)
    assert torch.equal(together[0], noise_of([3], 4, 7)[0]) and torch.equal(together[0], together[2])
    assert not torch.equal(together[0], together[1])
    state = torch.get_rng_state()
    noise_of([5], 4, 7)
    assert torch.equal(state, torch.get_rng_state()), "a seeded request must not move torch's own generator"


@pytest.mark.parametrize(("steps", "method"), [(10, "euler"), (3, "heun"), (17, "euler")])
def test_a_batch_of_requests_equals_its_members(tiny, steps, method):
    model, tokenizer = tiny.model, tiny.tokenizer
    requests = [("put carrot on plate", 4), ("stack the green block on the yellow block", 9), ("go", 4)]
    prompts = [tokenizer(policy_prompt(text, model.config.image_tokens), add_special_tokens=False)["input_ids"] for text, _ in requests]
    generator = torch.Generator().manual_seed(0)
    pixels, proprio = torch.randn(3, 3, 64, 64, generator=generator), torch.randn(3, 7, generator=generator).clamp(-1, 1)
    longest = max(map(len, prompts))
    ids = torch.tensor([prompt + [tokenizer.pad_token_id] * (longest - len(prompt)) for prompt in prompts])
    mask = torch.tensor([[True] * len(prompt) + [False] * (longest - len(prompt)) for prompt in prompts])
    noise = noise_of([seed for _, seed in requests], 4, 7)
    with torch.inference_mode():
        together = model.sample(model.prefix(ids, mask, pixels), proprio, noise, steps, method)
        for row, (prompt, (_, seed)) in enumerate(zip(prompts, requests, strict=True)):
            one = torch.tensor([prompt])
            prefix = model.prefix(one, torch.ones_like(one, dtype=torch.bool), pixels[row : row + 1])
            alone = model.sample(prefix, proprio[row : row + 1], noise_of([seed], 4, 7), steps, method)
            assert (alone[0] - together[row]).abs().max() < 1e-5
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_a_request_gets_the_same_actions_at_every_place_of_a_batch(tiny):
    model, tokenizer = tiny.model, tiny.tokenizer
    ids = tokenizer(policy_prompt("put carrot on plate", model.config.image_tokens), add_special_tokens=False, return_tensors="pt")[
        "input_ids"
    ]
    generator = torch.Generator().manual_seed(1)
    picture, other = torch.randn(2, 1, 3, 64, 64, generator=generator)
    state, else_state = torch.rand(2, 1, 7, generator=generator)
    results = []
    for place in range(4):
        seeds = [11 if row == place else row for row in range(4)]
        pixels = torch.cat([picture if row == place else other for row in range(4)])
        proprio = torch.cat([state if row == place else else_state for row in range(4)])
        with torch.inference_mode():
            prefix = model.prefix(ids.expand(4, -1), torch.ones(4, ids.shape[1], dtype=torch.bool), pixels)
            results.append(model.sample(prefix, proprio, noise_of(seeds, 4, 7))[place])
    assert max(float((result - results[0]).abs().max()) for result in results) < 1e-5
