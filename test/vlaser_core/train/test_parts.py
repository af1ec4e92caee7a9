from __future__ import annotations

import pytest
import torch

from vlaser_core.errors import CheckpointError
from vlaser_core.reasoning.prompts import policy_prompt
from vlaser_core.train.checkpointing import checkpoint_layers
from vlaser_core.train.parts import choose


def gradients(tiny, trained):
    model = tiny.model
    choose(model, trained)
    ids = tiny.tokenizer(policy_prompt("go", model.config.image_tokens), add_special_tokens=False, return_tensors="pt")["input_ids"].expand(2, -1)
    prefix = model.prefix(ids, torch.ones_like(ids, dtype=torch.bool), torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    model.velocity(prefix, torch.ones(2, 7), torch.ones(2, 4, 7), torch.full((2,), 0.3)).square().mean().backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    model.zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize(("trained", "backbone"), [("expert", ()), ("expert+vision", ("vision_tower", "multi_modal_projector")), ("all", ("language_model",))])
def test_everything_that_is_trained_has_a_gradient_and_the_rest_is_frozen(tiny, trained, backbone):
    """A weight without one would make spread processes wait for ever."""
    found = gradients(tiny, trained)
    assert [name for name, gradient in found.items() if gradient is None or not gradient.abs().sum() > 0] == []
    ours = {name for name in found if name.startswith("backbone.")}
    assert bool(ours) == bool(backbone) and all(any(part in name for name in ours) for part in backbone)
    assert not any("embed_tokens" in name or "lm_head" in name for name in found)
    last = [name for name in found if f"layers.{tiny.model.config.text.layers - 1}." in name and name.startswith("backbone.model.language_model")]
    assert all("k_proj" in name or "v_proj" in name or "input_layernorm" in name for name in last)


def test_layers_computed_again_give_the_same_gradients(tiny):
    """Also through the prefix's keys and values, which transformers' own switch would lose."""
    before = gradients(tiny, "all")
    checkpoint_layers(tiny.model)
    checkpoint_layers(tiny.model)
    torch.testing.assert_close(gradients(tiny, "all"), before)


def test_a_model_that_only_reasons_has_nothing_to_train_here(tiny):
    import dataclasses

    tiny.model.config = dataclasses.replace(tiny.model.config, expert=None, horizon=0, action_dim=0, proprio_dim=0)
    with pytest.raises(CheckpointError, match="needs an action expert"):
        choose(tiny.model, "expert")
