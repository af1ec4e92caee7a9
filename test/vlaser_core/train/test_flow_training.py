from __future__ import annotations

import numpy as np
import pytest
import torch

from vlaser_core.errors import InputError
from vlaser_core.reasoning.prompts import policy_prompt
from vlaser_core.train.flow import draw, flow_matching_loss
from vlaser_core.train.flow_data import ChunkTargets, Targets
from vlaser_core.train.loop import LoopConfig, train
from vlaser_core.train.prefixes import PrefixStore, PrefixStores


@pytest.fixture
def inputs(tiny):
    ids = tiny.tokenizer(policy_prompt("put carrot on plate", tiny.model.config.image_tokens), add_special_tokens=False, return_tensors="pt")["input_ids"]
    return ids.expand(6, -1), torch.ones(6, ids.shape[1], dtype=torch.bool), torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def store_of(tiny, inputs, folder, room=0, identity="six views"):
    store = PrefixStore.open(folder, 6, tiny.model, inputs[0].shape[1] + room, identity)
    store.fill(tiny.model, np.arange(4), *(part[:4] for part in inputs))
    store.fill(tiny.model, np.array([5, 4]), *(part[[5, 4]] for part in inputs))
    return store


def loss_of(tiny, prefix, proprio, actions, valid=None, times=1):
    with torch.inference_mode():
        found = flow_matching_loss(tiny.model, prefix, proprio, actions, valid, draw(tiny.model, len(actions), times, torch.Generator().manual_seed(1)))
    return float(found.total / found.count), float(found.count)


def test_a_stored_prefix_gives_the_loss_of_a_fresh_one(tiny, inputs, tmp_path):
    store = store_of(tiny, inputs, tmp_path / "prefixes", room=3)
    rows = np.array([5, 0, 3])
    proprio, actions = torch.randn(3, 7), torch.randn(3, 4, 7)
    fresh = tiny.model.prefix(*(part[rows] for part in inputs))
    assert loss_of(tiny, store.read(rows), proprio, actions) == pytest.approx(loss_of(tiny, fresh, proprio, actions), rel=2e-3)


def test_a_store_goes_on_where_it_was_stopped_and_belongs_to_one_backbone(tiny, inputs, tmp_path):
    store = PrefixStore.open(tmp_path / "p", 6, tiny.model, inputs[0].shape[1], "x")
    store.fill(tiny.model, np.arange(4), *(part[:4] for part in inputs))
    store.leave_out(np.array([4]))
    store.flush()
    again = PrefixStore.open(tmp_path / "p", 6, tiny.model, inputs[0].shape[1], "x")
    assert again.missing().tolist() == [5] and PrefixStores([again]).read(np.array([0, 4, 5]))[1].tolist() == [True, False, False]
    assert torch.equal(again.read(np.array([2])).keys[1], store.read(np.array([2])).keys[1])
    assert len(PrefixStore.open(tmp_path / "p", 6, tiny.model, inputs[0].shape[1], "other samples").missing()) == 6
    store_of(tiny, inputs, tmp_path / "p", identity="x")
    with torch.no_grad():
        tiny.model.backbone.model.language_model.layers[0].self_attn.k_proj.weight.mul_(1.01)
    assert len(PrefixStore.open(tmp_path / "p", 6, tiny.model, inputs[0].shape[1], "x").missing()) == 6


def test_several_stores_are_read_as_one(tiny, inputs, tmp_path):
    stores = [store_of(tiny, inputs, tmp_path / name) for name in ("a", "b")]
    stores[1].fill(tiny.model, np.array([2]), *(part[[5]] for part in inputs))
    prefix, present = PrefixStores(stores).read(np.array([8, 0, 5]))
    assert present.all() and torch.equal(prefix.keys[0][0], prefix.keys[0][2]) and torch.equal(prefix.keys[0][1], stores[0].read(np.array([0])).keys[0][0])


def test_a_disk_too_small_for_the_prefixes_is_told_first(tiny, tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10_000))
    with pytest.raises(InputError, match=r"prefixes of 5000 samples take 0\.\d GB, .* 0.0 GB free.*--prefixes recompute"):
        PrefixStore.open(tmp_path / "p", 5000, tiny.model, 40, "x")


def test_half_precision_is_the_models_own(tiny, inputs, tmp_path):
    tiny.model.to(torch.bfloat16)
    prefix = tiny.model.prefix(inputs[0][:2], inputs[1][:2], inputs[2][:2].bfloat16())
    store = PrefixStore.open(tmp_path / "p", 2, tiny.model, inputs[0].shape[1], "x")
    store.fill(tiny.model, np.arange(2), inputs[0][:2], inputs[1][:2], inputs[2][:2].bfloat16())
    assert torch.equal(store.read(np.arange(2), torch.bfloat16).values[1], prefix.values[1])


def test_the_expert_learns_what_each_view_asks_for(tiny, inputs, tmp_path):
    """Two views, two constant chunks: after training, noise is carried to the right one."""
    store = store_of(tiny, inputs, tmp_path / "prefixes")
    actions = torch.tensor([-0.6, 0.6])[:, None, None].expand(2, 4, 7)
    proprio = torch.zeros(2, 7)
    tiny.model.backbone.requires_grad_(False)

    def loss_at(step):
        generator = torch.Generator().manual_seed(step)
        rows = torch.randint(2, (16,), generator=generator)
        return flow_matching_loss(tiny.model, store.read(rows.numpy()), proprio[rows], actions[rows], None, draw(tiny.model, 16, 1, generator))

    train(tiny.model, loss_at, LoopConfig(60, 1e-2, warmup=10, ema=0.8), tmp_path, "flow")
    reached = tiny.model.sample(store.read(np.arange(2)), proprio, torch.randn(2, 4, 7, generator=torch.Generator().manual_seed(7)))
    assert (reached - actions).abs().mean() < 0.3


def test_several_times_a_prefix_are_several_samples(tiny, inputs):
    with torch.inference_mode():
        prefix = tiny.model.prefix(*(part[:2] for part in inputs))
    assert loss_of(tiny, prefix, torch.zeros(2, 7), torch.zeros(2, 4, 7), times=3)[1] == 2 * 3 * 4 * 7


def test_padded_steps_do_not_count(tiny, inputs):
    with torch.inference_mode():
        prefix = tiny.model.prefix(*(part[:2] for part in inputs))
    actions = torch.randn(2, 4, 7)
    valid = torch.tensor([[True, True, False, False], [True] * 4])
    changed = torch.where(valid[..., None], actions, 9.0)
    found = loss_of(tiny, prefix, torch.zeros(2, 7), actions, valid)
    assert found[1] == 6 * 7 and found != loss_of(tiny, prefix, torch.zeros(2, 7), actions)
    # What stands in a padded step reaches the others' velocities, but its own error is nobody's.
    assert abs(found[0] - loss_of(tiny, prefix, torch.zeros(2, 7), changed, valid)[0]) < abs(
        loss_of(tiny, prefix, torch.zeros(2, 7), actions)[0] - loss_of(tiny, prefix, torch.zeros(2, 7), changed)[0]
    )


def test_a_batch_draws_the_same_however_it_is_cut(tiny):
    whole = draw(tiny.model, 8, 2, torch.Generator().manual_seed(3))
    parts = [draw(tiny.model, 8, 2, torch.Generator().manual_seed(3)).of(rows) for rows in (slice(0, 4), slice(4, 8))]
    assert torch.equal(whole.noise, torch.cat([part.noise for part in parts])) and torch.equal(whole.times, torch.cat([part.times for part in parts]))


def test_a_chunk_ends_with_its_episode():
    steps = np.arange(6, dtype=np.float32)[:, None].repeat(7, 1)
    last = np.array([3, 3, 3, 3, 5, 5])
    rows = np.array([2, 4])
    kept, counted = Targets(steps, steps, last, 4)(rows), Targets(steps, steps, last, 4, mask_padding=False)(rows)
    assert kept.actions[:, :, 0].tolist() == [[2, 3, 3, 3], [4, 5, 5, 5]]
    assert kept.valid.tolist() == [[True, True, False, False]] * 2 and counted.valid.all()


def test_a_nan_action_is_refused_by_row():
    actions = np.zeros((5, 4, 7))
    actions[3, 1, 2] = np.nan
    with pytest.raises(InputError, match="actions of training sample 3"):
        ChunkTargets(np.zeros((5, 7)), actions)


def test_an_empty_set_of_chunks_is_refused():
    with pytest.raises(InputError, match="non-zero"):
        ChunkTargets(np.zeros((0, 7)), np.zeros((0, 4, 7)))
