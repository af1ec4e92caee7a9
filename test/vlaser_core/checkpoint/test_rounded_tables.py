"""Half-precision training rounded the frequencies; whoever wants its numbers can have them."""

from __future__ import annotations

import pytest
import torch

from vlaser_core.checkpoint.upstream import model_from_upstream


def test_tables_can_be_rounded_as_training_in_half_precision_had_them(upstream):
    def made(tables: str):
        return model_from_upstream(upstream, 5, vision_heads=2, tables=tables)

    exact, rounded = made("exact"), made("bfloat16")
    for part in ("backbone.model.language_model", "expert"):
        first, second = (model.get_submodule(part).rotary_emb.inv_freq for model in (exact, rounded))
        # What the original's own rounding was measured to do to a base of one million.
        assert float(((second - first).abs() / first).max()) == pytest.approx(0.0036525, rel=1e-3)
        assert float((second - first).abs().max()) == pytest.approx(0.0011547, rel=1e-3)
    t, actions = torch.tensor([0.3337]), torch.zeros(1, 4, 7)
    difference = (exact.action_encoder(actions, t) - rounded.action_encoder(actions, t)).abs().max()
    assert 0 < difference < 0.1
    assert torch.equal(exact.action_encoder(actions, t.bfloat16().float() * 0), rounded.action_encoder(actions, t * 0))
