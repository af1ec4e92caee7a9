from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vlaser_core.engine import Engine
from vlaser_core.errors import ConfigError, InputError, VlaserError
from vlaser_core.train import sft as module
from vlaser_core.train.drop_path import drop_paths
from vlaser_core.train.language import IGNORED, SequenceEncoder
from vlaser_core.train.lengths import count_lengths
from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.processes import Processes, Share
from vlaser_core.train.records import open_parts
from vlaser_core.train.sft import sft
from vlaser_core.train.sft_batches import Ahead, SftBatches
from vlaser_core.train.sft_recipe import RecordsRecipe, SftRecipe

LOOP = LoopConfig(steps=4, learning_rate=1e-3, warmup=1, ema=0.0, log_every=1, save_every=1)


@pytest.fixture
def meta(tmp_path) -> Path:
    """Upstream's list of 24 questions about pictures and 6 without one; data_augment on."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(24):
        cv2.imwrite(str(tmp_path / f"{number}.png"), rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        lines.append({"image": f"{number}.png", "conversations": turns(f"Which is {number}?", "that " * (1 + number % 5))})
    lines += [{"conversations": turns("Why?", f"for {number} reasons")} for number in range(6)]
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    (tmp_path / "meta.json").write_text(json.dumps({"talk": {"root": "", "annotation": "lines.jsonl", "data_augment": True}}), "utf-8")
    return tmp_path / "meta.json"


def turns(question: str, answer: str) -> list[dict]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


@pytest.fixture
def recipe(meta, tiny_folder, tmp_path) -> SftRecipe:
    return SftRecipe(RecordsRecipe(data=(str(meta),)), tmp_path / "run", tiny_folder, packs=2, pack_tokens=256, loop=LOOP)


@pytest.fixture
def batches_of(tiny):
    def make(recipe: SftRecipe, processes: Processes = Processes()) -> SftBatches:
        parts = open_parts(recipe.records.data)
        config = dataclasses.replace(tiny.model.config, **({"attention": recipe.attention} if recipe.attention else {}))
        lengths = [count_lengths(SequenceEncoder(tiny.tokenizer, config), part, config.max_tiles) for part in parts]
        return SftBatches(recipe, parts, lengths, tiny.tokenizer, config, Share(recipe.packs, recipe.loop.accumulation, processes))

    return make


def same(one, other) -> bool:
    tensors = [(getattr(one.batch, name), getattr(other.batch, name)) for name in ("ids_BL", "labels_BL", "weights_BL", "pixels")]
    return one.batch.spans == other.batch.spans and all(torch.equal(*pair) for pair in tensors)


def test_a_batch_is_a_function_of_its_step(batches_of, recipe):
    """Pictures too, which are changed at random."""
    one, other = batches_of(recipe), batches_of(dataclasses.replace(recipe, workers=1))
    expected = [one[step] for step in range(3)]
    assert all(same(other[step], expected[step]) for step in (2, 0)) and not same(expected[0], expected[1])
    ahead = Ahead(other, workers=1, last=3)
    assert all(same(ahead[step], expected[step]) for step in (1, 2))
    out_of_order = Ahead(other, workers=1, last=3)
    out_of_order._loader = iter([expected[0]])
    with pytest.raises(VlaserError, match="read in order"):
        out_of_order[2]


def test_a_reading_process_that_dies_is_told(batches_of, recipe, monkeypatch):
    batches = batches_of(recipe)
    monkeypatch.setattr(SftBatches, "__getitem__", lambda self, step: os._exit(3))
    with pytest.raises(VlaserError, match="a process that reads samples died at step 0 .*Fewer --workers"):
        Ahead(batches, workers=1, last=3)[0]


def test_processes_and_parts_of_an_update_share_its_packs(batches_of, recipe):
    whole = batches_of(dataclasses.replace(recipe, packs=4))[1].batch
    accumulated = dataclasses.replace(recipe, packs=4, loop=dataclasses.replace(LOOP, accumulation=2))
    pieces = [batches_of(accumulated, Processes(rank, 2))[2 + part].batch for part in range(2) for rank in range(2)]
    assert whole.spans == tuple(piece.spans[0] for piece in pieces)
    assert [row[:end].tolist() for row, end in zip(whole.ids_BL, (parts[-1].end for parts in whole.spans), strict=True)] == [
        piece.ids_BL[0].tolist() for piece in pieces
    ]


def test_real_exclamation_marks_are_seen_and_learned(batches_of, recipe, meta, tiny):
    """Upstream's collator masks every id 0, which is "!" in its tokenizer."""
    lines = [{"conversations": turns("Ready!?", "yes! go!")} for _ in range(4)]
    (meta.parent / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    batch = batches_of(recipe)[0].batch
    mark = tiny.tokenizer("!", add_special_tokens=False)["input_ids"][0]
    assert batch.mask_BL[batch.ids_BL == mark].all() and (batch.labels_BL == mark).sum() == 2 * sum(map(len, batch.spans))
    covered = sum(span.end - span.start for parts in batch.spans for span in parts)
    assert covered == int(batch.mask_BL.sum())


def test_a_broken_sample_is_reported_and_no_other_takes_its_place(recipe, meta, monkeypatch):
    (meta.parent / "3.png").write_bytes((meta.parent / "3.png").read_bytes()[:60])  # a header, and nothing behind it
    (meta.parent / "4.png").unlink()
    told, drawn, broken = [], [], []
    original = SftBatches.sample

    def sample(self, draw):
        drawn.append(draw)
        try:
            return original(self, draw)
        except InputError:
            broken.append(draw)
            raise

    monkeypatch.setattr(SftBatches, "sample", sample)
    result = sft(dataclasses.replace(recipe, epochs=8.0), told.append)
    assert result.left_out == {"broken": 2} and broken
    assert any("talk: 1 samples left out: broken" in text and "4.png" in text for text in told)
    assert sum("record 3" in text and "cannot be decoded" in text for text in told) == 1
    (line,) = (recipe.out / "left_out.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["where"] == "talk, record 3"
    assert len(drawn) == len(set(drawn)) and result.samples == len(drawn) - len(broken)


def test_a_sample_that_is_too_long_is_reported_and_left_out_never_cut(batches_of, recipe, meta):
    told = []
    longest = max(span.end - span.start for parts in batches_of(recipe)[0].batch.spans for span in parts) - 2
    short = dataclasses.replace(recipe, max_length=longest)
    result = sft(dataclasses.replace(short, loop=dataclasses.replace(LOOP, steps=1)), told.append)
    count = result.left_out[f"longer than {longest} tokens"]
    assert 0 < count < 30 and any(f"{count} samples left out: longer than {longest} tokens" in text for text in told)
    batch = batches_of(short)[0].batch
    assert all(span.end - span.start <= longest for parts in batch.spans for span in parts)
    end = batch.labels_BL[0, batch.spans[0][0].end - 1]
    assert end != IGNORED  # the last token, <|im_end|>, is there
    with pytest.raises(InputError, match="no sample is left"):
        sft(dataclasses.replace(recipe, max_length=10, out=recipe.out.parent / "shorter"), told.append)


def test_a_run_leaves_a_checkpoint_that_answers(recipe, meta, picture):
    result = sft(dataclasses.replace(recipe, attention="prefix", loss="square_root", number_width=6.0), lambda text: None)
    engine = Engine.load(result.checkpoint)
    assert engine.model.config.attention == "prefix" and engine.ask(picture, "Which?").text is not None
    assert engine.embodiment.name == "widowx"
    lines = [json.loads(line) for line in (recipe.out / "sft.jsonl").read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4] and lines[-1]["loss"] == result.loss < lines[0]["loss"]


def test_only_what_is_named_is_trained(recipe, tiny_folder):
    before = Engine.load(tiny_folder).model.state_dict()
    result = sft(dataclasses.replace(recipe, train=("projector",), loop=dataclasses.replace(LOOP, steps=1)), lambda text: None)
    after = Engine.load(result.checkpoint).model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("multi_modal_projector" in name for name in changed)


def test_a_run_that_was_killed_ends_where_it_would_have(recipe, monkeypatch):
    recipe = dataclasses.replace(recipe, train=("language", "vision"), drop_path=0.3)
    whole = Engine.load(sft(recipe, lambda text: None).checkpoint).model.state_dict()
    again = dataclasses.replace(recipe, out=recipe.out.with_name("again"))
    original = Ahead.__getitem__
    monkeypatch.setattr(Ahead, "__getitem__", lambda self, step: 1 / 0 if step == 2 else original(self, step))
    with pytest.raises(ZeroDivisionError):
        sft(again, lambda text: None)
    monkeypatch.setattr(Ahead, "__getitem__", original)
    resumed = Engine.load(sft(again, lambda text: None).checkpoint).model.state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_layers_are_dropped_in_training_alone(tiny):
    """And what stays counts for more, so that the mean is kept."""
    model, pixels = tiny.model, torch.randn(2, 3, 64, 64)
    first, last = model.backbone.model.vision_tower.encoder.layer
    with torch.no_grad():
        before, branch = model.image_features(pixels), last.mlp(torch.ones(64, 1, 32))
        drop_paths(model, 0.5)
        assert torch.equal(model.eval().image_features(pixels), before)
        model.train()
        ratio = (last.mlp(torch.ones(64, 1, 32)) / branch).mean(-1).flatten()
        assert {round(float(value), 4) for value in ratio} == {0.0, 2.0}
        assert torch.equal(first.mlp(torch.ones(1, 1, 32)), first.eval().mlp(torch.ones(1, 1, 32)))


def test_epochs_and_warm_up_are_turned_into_updates(batches_of, recipe):
    batches = batches_of(recipe)
    an_epoch = batches.updates_an_epoch()
    loop = module.planned(dataclasses.replace(recipe, epochs=2.0, warmup_ratio=0.25), batches)
    assert loop.steps == pytest.approx(2 * an_epoch, abs=1) and loop.warmup == -(-loop.steps // 4)
    assert batches.tokens_an_update(2) <= recipe.packs * recipe.pack_tokens


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"train": ()}, "at least one"),
        ({"drop_path": 0.1}, "add vision to train"),
        ({"max_length": 500}, "more than pack_tokens"),
        ({"evaluate_every": 5}, "needs evaluate"),
        ({"packs": 0}, "at least 1"),
        ({"epochs": 0.0}, "epochs is above 0"),
        ({"warmup_ratio": 1.0}, "warmup_ratio"),
    ],
)
def test_settings_that_cannot_be_are_refused(recipe, change, told):
    with pytest.raises(ConfigError, match=told):
        dataclasses.replace(recipe, **change)
