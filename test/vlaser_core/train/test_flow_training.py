from __future__ import annotations

import numpy as np
import pytest
import torch

from vlaser_core.errors import InputError
from vlaser_core.reasoning.prompts import policy_prompt
from vlaser_core.train.flow import PrefixStore, flow_matching_loss, normalised_samples
from vlaser_core.train.loop import LoopConfig, train


@pytest.fixture
def inputs(tiny):
    ids = tiny.tokenizer(policy_prompt("put carrot on plate", tiny.model.config.image_tokens), add_special_tokens=False, return_tensors="pt")["input_ids"]
    return ids.expand(6, -1), torch.ones(6, ids.shape[1], dtype=torch.bool), torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_a_stored_prefix_gives_the_loss_of_a_fresh_one(tiny, inputs):
    store = PrefixStore(6, tiny.model, inputs[0].shape[1] + 3)
    store.fill(tiny.model, slice(0, 4), *(part[:4] for part in inputs))
    store.fill(tiny.model, slice(4, 6), *(part[4:] for part in inputs))
    rows = torch.tensor([5, 0, 3])
    proprio, actions = torch.randn(3, 7), torch.randn(3, 4, 7)

    def loss(prefix):
        return flow_matching_loss(tiny.model, prefix, proprio, actions, None, torch.Generator().manual_seed(1))

    with torch.inference_mode():
        assert loss(store.read(rows)) == pytest.approx(float(loss(tiny.model.prefix(*(part[rows] for part in inputs)))), rel=2e-3)


def test_the_expert_learns_what_each_view_asks_for(tiny, inputs, tmp_path):
    """Six views, six constant chunks: after training, noise is carried to the right one."""
    store = PrefixStore(6, tiny.model, inputs[0].shape[1])
    store.fill(tiny.model, slice(0, 6), *inputs)
    actions = torch.linspace(-0.8, 0.8, 6)[:, None, None].expand(6, 4, 7)
    proprio = torch.zeros(6, 7)
    tiny.model.backbone.requires_grad_(False)

    def loss_at(step):
        generator = torch.Generator().manual_seed(step)
        rows = torch.randint(6, (32,), generator=generator)
        return flow_matching_loss(tiny.model, store.read(rows), proprio[rows], actions[rows], None, generator)

    train(tiny.model, loss_at, LoopConfig(400, 5e-3, ema=0.9), tmp_path, "flow")
    reached = tiny.model.sample(store.read(torch.arange(6)), proprio, torch.randn(6, 4, 7))
    assert (reached - actions).abs().mean() < 0.15


def test_several_times_a_prefix_are_several_samples(tiny, inputs):
    with torch.inference_mode():
        prefix = tiny.model.prefix(*(part[:2] for part in inputs))
        loss = flow_matching_loss(tiny.model, prefix, torch.zeros(2, 7), torch.zeros(2, 4, 7), None, torch.Generator().manual_seed(0), times_per_prefix=3)
    assert torch.isfinite(loss) and prefix.repeat(3).keys[0].shape[0] == 6


def test_a_nan_action_is_refused_by_row():
    actions = np.zeros((5, 4, 7))
    actions[3, 1, 2] = np.nan
    with pytest.raises(InputError, match="actions of training sample 3"):
        normalised_samples(np.zeros((5, 7)), actions)


def test_an_empty_data_set_is_refused():
    with pytest.raises(InputError, match="non-zero"):
        normalised_samples(np.zeros((0, 7)), np.zeros((0, 4, 7)))


def test_a_store_read_from_disk_is_the_store_written(tiny, inputs, tmp_path):
    stores = [PrefixStore(3, tiny.model, inputs[0].shape[1]) for _ in range(3)]
    stores[0].fill(tiny.model, slice(0, 3), *(part[:3] for part in inputs))
    stores[1].fill(tiny.model, slice(0, 3), *(part[3:] for part in inputs))
    stores[0].save(tmp_path / "store.pt")
    stores[2].load(tmp_path / "store.pt")
    whole = PrefixStore.joined([stores[2], stores[1]])
    for row, (store, own) in enumerate([(stores[0], 2), (stores[1], 1)]):
        read = whole.read(torch.tensor([2 + 2 * row]))
        assert torch.equal(read.keys[0], store.read(torch.tensor([own])).keys[0]) and read.mask_BT.all()
    with pytest.raises(InputError, match="delete it"):
        PrefixStore(4, tiny.model, inputs[0].shape[1]).load(tmp_path / "store.pt")
