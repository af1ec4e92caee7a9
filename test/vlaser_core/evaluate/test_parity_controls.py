"""Would parity notice? Each known way to get this model subtly wrong must move the result beyond the tolerance."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vlaser_core.evaluate import parity_policy
from vlaser_core.evaluate.parity import ACTION
from vlaser_core.evaluate.parity_cases import load_case
from vlaser_core.evaluate.parity_policy import PolicyCase, case_checks, policy_of
from vlaser_core.model import encodings
from vlaser_core.model.flow import flow_loss, integrate, interpolate, target_velocity

DIRECTORY = Path(__file__).parents[4] / "shared" / "parity"
published = pytest.param(
    "published", marks=pytest.mark.skipif(not DIRECTORY.is_dir(), reason="reference vectors (../shared/parity) are absent")
)


def action_error(case: PolicyCase) -> float:
    """Largest difference of the unclipped actions."""
    with torch.no_grad():
        prefix = case.prefix()
        noise, steps = case.inputs["x0_infer"], case.model.config.flow_steps
        actions = integrate(lambda x, t: case.model.velocity(prefix, case.proprio, x, t), noise, steps)
    return float((actions - case.outputs["infer.actions_unclamped"]).abs().max())


def loss_error(case: PolicyCase, sigma: float = 0.001, sign: float = 1.0) -> float:
    noise, actions, t_B = case.inputs["x0_train"], case.inputs["actions"], case.inputs["t"]
    with torch.no_grad():
        x = interpolate(noise, actions, t_B, sigma)
        velocity = case.model.velocity(case.prefix(), case.proprio, x, t_B)
        loss = flow_loss(velocity, sign * target_velocity(noise, actions, sigma))
    return float((loss - case.outputs["train.loss"]).abs())


def rewire(module: torch.nn.Module, change: Callable[[dict], None]) -> None:
    """Let `change` edit the keyword arguments of every forward call."""

    def before(_module, args, kwargs):
        change(kwargs)
        return args, kwargs

    module.register_forward_pre_hook(before, with_kwargs=True)


def zero_based_positions(case: PolicyCase) -> None:
    rewire(case.model.backbone.model.language_model, lambda call: call.update(position_ids=call["position_ids"] - 1))


def actions_counted_from_one(case: PolicyCase) -> None:
    rewire(case.model.expert, lambda call: call.update(position_ids=(call["position_ids"] - 1).clamp(min=1)))


def rotary_base_ten_thousand(case: PolicyCase) -> None:
    for rotary in (case.model.backbone.model.language_model.rotary_emb, case.model.expert.rotary_emb):
        rotary.inv_freq.copy_(1e4 ** (-torch.arange(0, 128, 2) / 128))


def action_before_time(case: PolicyCase) -> None:
    width = case.model.config.expert.hidden_size
    case.model.action_encoder.linear_2.weight.data = case.model.action_encoder.linear_2.weight.data.roll(width, dims=1)


def cosine_before_sine(case: PolicyCase) -> None:
    weight, width = case.model.action_encoder.linear_2.weight.data, case.model.config.expert.hidden_size
    weight[:, :width] = weight[:, :width].roll(width // 2, dims=1)


def causal_prompt(case: PolicyCase) -> None:
    def change(call: dict) -> None:
        call["attention_mask"] = {"full_attention": call["attention_mask"]["full_attention"].tril()}

    rewire(case.model.backbone.model.language_model, change)


def norm_weight_plus_one(case: PolicyCase) -> None:
    for name, parameter in case.model.named_parameters():
        if name.endswith(("input_layernorm.weight", "post_attention_layernorm.weight", "norm.weight")):
            parameter.data += 1.0


def embeddings_scaled(case: PolicyCase) -> None:
    def change(call: dict) -> None:
        call["inputs_embeds"] = call["inputs_embeds"] * math.sqrt(call["inputs_embeds"].shape[-1])

    rewire(case.model.backbone.model.language_model, change)


def pixel_shuffle_transposed(case: PolicyCase) -> None:
    projector = case.model.backbone.model.multi_modal_projector
    order = torch.arange(128).reshape(4, 32)[[0, 2, 1, 3]].flatten()
    for layer in (projector.layer_norm, projector.linear_1):
        layer.weight.data = layer.weight.data[..., order]
    projector.layer_norm.bias.data = projector.layer_norm.bias.data[order]


def approximate_gelu(case: PolicyCase) -> None:
    case.model.backbone.model.multi_modal_projector.act = torch.nn.GELU(approximate="tanh")


def norm_epsilon_too_large(case: PolicyCase) -> None:
    for module in case.model.modules():
        if hasattr(module, "variance_epsilon"):
            module.variance_epsilon = 1e-3


def time_period_of_the_other_robot(case: PolicyCase) -> None:
    case.model.action_encoder.max_period = 100.0


CONTROLS = (
    zero_based_positions, actions_counted_from_one, rotary_base_ten_thousand, action_before_time, cosine_before_sine, causal_prompt,
    norm_weight_plus_one, embeddings_scaled, pixel_shuffle_transposed, approximate_gelu, norm_epsilon_too_large,
    time_period_of_the_other_robot,
)  # fmt: skip


@pytest.fixture(scope="session")
def made(tmp_path_factory, make_policy_case) -> Path:
    """Two prompts of unequal length."""
    folder = tmp_path_factory.mktemp("case")
    make_policy_case(folder, "made", steps=4)
    return folder / "made.json"


@pytest.fixture(params=[published, "made"])
def case(request) -> PolicyCase:
    path = DIRECTORY / "vla_a448_b1.json" if request.param == "published" else request.getfixturevalue("made")
    return policy_of(load_case(path))


def is_noticed(case: PolicyCase) -> bool:
    """Whether the checks of `vlaser parity` fail."""
    return any(not check.ok for check in case_checks(case))


def test_the_unchanged_model_is_within_tolerance(case):
    assert action_error(case) < ACTION
    assert loss_error(case) < ACTION


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.__name__)
def test_a_wrong_model_is_noticed(case, control):
    control(case)
    assert action_error(case) > 3 * ACTION and is_noticed(case)


def test_a_time_table_that_misses_its_slow_end_is_noticed(case, monkeypatch):
    def one_too_many(t_B, width, max_period, rounded):
        half = width // 2
        angles = t_B[:, None] * torch.exp(-math.log(max_period) * torch.arange(half) / half)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    monkeypatch.setattr(encodings, "time_embedding", one_too_many)
    assert action_error(case) > 3 * ACTION and is_noticed(case)


def test_wrong_targets_are_noticed_by_the_loss(case, monkeypatch):
    assert loss_error(case, sigma=0.0) > 1e-5
    assert loss_error(case, sign=-1.0) > 1e-2
    right = case.model.config
    case.model.config = dataclasses.replace(right, flow_sigma=0.0)
    assert is_noticed(case)
    case.model.config = right
    monkeypatch.setattr(parity_policy, "target_velocity", lambda *path: -target_velocity(*path))
    assert is_noticed(case)


def test_a_state_token_that_sees_the_actions_is_noticed(case, monkeypatch):
    right = type(case.model).expert_mask
    # The last action's row for every token: the state sees the actions as they see each other.
    monkeypatch.setattr(type(case.model), "expert_mask", lambda self, mask: right(self, mask)[:, :, -1:].expand_as(right(self, mask)))
    assert loss_error(case) > 1e-5 and is_noticed(case)


def test_padding_does_not_matter(case):
    ids, mask = case.inputs["input_ids"], case.inputs["attention_mask"]
    count = int(mask.sum())
    with torch.no_grad():
        prefix = case.model.prefix(ids[:, :count], mask[:, :count], case.pixels())
        velocity = case.model.velocity(prefix, case.proprio, case.outputs["train.psi_t"], case.inputs["t"])
    assert float((velocity - case.outputs["train.velocity"]).abs().max()) < ACTION
