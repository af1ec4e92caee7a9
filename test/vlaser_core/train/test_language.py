from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from vlaser_core.data.record import Message, Record
from vlaser_core.errors import InputError
from vlaser_core.evaluate.parity_cases import cases
from vlaser_core.evaluate.parity_chat import chat_model
from vlaser_core.train.language import IGNORED, LanguageLoss, Sequence_, SequenceEncoder, Weighting, answer_weights, loss_by_length

PARITY = Path(__file__).parents[4] / "shared" / "parity"
NAMES = get_args(Weighting)


@pytest.fixture
def encoder(tiny):
    return SequenceEncoder(tiny.tokenizer, tiny.model.config)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def labelled(encoder, sequence) -> str:
    return encoder.tokenizer.decode([label for label in sequence.labels if label != IGNORED], skip_special_tokens=False)


def test_only_answers_are_learned(encoder):
    sequence = encoder.conversation([("Where is it?", "there!"), ("And now?", "yes!")])
    assert labelled(encoder, sequence) == "there!<|im_end|>yes!<|im_end|>"
    text = encoder.tokenizer.decode(list(sequence.ids), skip_special_tokens=False)
    assert text.startswith("<|im_start|>system\nNone<|im_end|>\n<|im_start|>user\n<img>")
    assert "there!<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\nyes!<|im_end|>" in text
    assert sequence.prefix_length == 0


def test_a_policy_sequence_is_read_both_ways_up_to_its_answer(encoder):
    sequence = encoder.policy("put carrot on plate", "grasp [[1, 2]]")
    assert labelled(encoder, sequence) == "grasp [[1, 2]]<|im_end|>"
    assert all(label == IGNORED for label in sequence.labels[: sequence.prefix_length])
    assert sequence.labels[sequence.prefix_length] == sequence.ids[sequence.prefix_length]


def test_a_question_is_read_both_ways_where_the_model_learns_so(encoder, tiny):
    config = dataclasses.replace(tiny.model.config, attention="prefix")
    both, causal = (SequenceEncoder(tiny.tokenizer, c).conversation([("a?", "b"), ("c?", "d")]) for c in (config, encoder.config))
    assert (both.ids, both.labels) == (causal.ids, causal.labels)
    assert both.prefix_length == next(k for k, label in enumerate(both.labels) if label != IGNORED) and causal.prefix_length == 0


def test_a_record_brings_its_system_text_and_several_pictures(encoder):
    said = Message("system", "Be brief."), Message("human", "Which?"), Message("gpt", "the first")
    record = Record("a", ("1.png", "2.png"), 8, 8, said, "qa", "f", "s", "d", "train", "l", "p")
    sequence = encoder.record(record, [2, 1])
    text = encoder.tokenizer.decode(list(sequence.ids), skip_special_tokens=False)
    tokens = encoder.config.image_tokens
    block = ["<img>" + "<IMG_CONTEXT>" * tokens * count + "</img>" for count in (2, 1)]
    assert text.startswith(f"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nImage-1: {block[0]}\nImage-2: {block[1]}\nWhich?")


def test_a_picture_in_an_answer_is_refused(encoder):
    with pytest.raises(InputError, match="cannot say a picture"):
        encoder.conversation([("Which?", "this <image>")])


def test_a_real_exclamation_mark_is_not_masked(encoder, images):
    """Padding with id 0 and masking every id 0 would hide it."""
    sequence = encoder.conversation([("Really?", "yes!")])
    batch = encoder.collate([sequence, sequence], images)
    assert batch.mask_BL.all()
    assert "!" in labelled(encoder, sequence)


def test_padding_does_not_change_the_loss(encoder, tiny, images):
    short, long = encoder.conversation([("a?", "b")]), encoder.conversation([("a much longer question?", "and a longer answer 12")])
    loss = LanguageLoss(tiny.tokenizer)
    with torch.inference_mode():
        together = loss(tiny.model, encoder.collate([short, long], images))
        apart = [loss(tiny.model, encoder.collate([s], images[k : k + 1])) for k, s in enumerate((short, long))]
    assert float(together.count) == sum(label != IGNORED for sequence in (short, long) for label in sequence.labels)
    assert float(together.total) == pytest.approx(float(sum(one.total for one in apart)), rel=1e-5)


def test_what_weighs_the_same_is_chosen_by_name():
    """Answers of 4, 1 and 1 tokens in a row."""
    share = {name: [count * weight for count, weight in zip((4, 1, 1), answer_weights((4, 1, 1), name), strict=True)] for name in NAMES}
    assert share["token"] == [4, 1, 1] and share["sample"] == [1, 1, 1] and share["square_root"] == [2, 1, 1]
    assert share["upstream"] == pytest.approx([4 / 6, 1 / 6, 1 / 6]) and sum(answer_weights((), "sample")) == 0


def test_a_batch_weighs_rows_alike_as_upstreams_devices_do(encoder, tiny, images):
    sequences = [encoder.conversation([("a?", answer)]) for answer in ("b", "a much longer answer of many words")]
    batch = encoder.pack([[sequences[0]], [sequences[1]]], images, "upstream")
    loss = LanguageLoss(tiny.tokenizer)
    with torch.inference_mode():
        found = loss(tiny.model, batch)
        means = [loss(tiny.model, encoder.pack([[one]], images[k : k + 1])) for k, one in enumerate(sequences)]
    assert float(found.count) == pytest.approx(2)
    assert float(found.total) == pytest.approx(sum(float(one.total / one.count) for one in means), rel=1e-5)


def test_a_row_without_samples_counts_for_nothing(encoder, tiny):
    """All of its samples may have turned out to be broken."""
    found = LanguageLoss(tiny.tokenizer)(tiny.model.train(), encoder.pack([[]], None))
    found.total.backward()
    assert float(found.total) == float(found.count) == 0.0
    # Processes that share gradients must all have some of every trained weight.
    assert all(parameter.grad is not None for parameter in tiny.model.backbone.model.multi_modal_projector.parameters())


@pytest.mark.skipif(not PARITY.is_dir(), reason="reference vectors (../shared/parity) are absent")
@pytest.mark.parametrize("packed", [False, True])
def test_the_loss_of_a_packed_batch_is_the_original_implementations(packed):
    (case,) = cases(PARITY, "chat")
    model, inputs = chat_model(case), case.inputs
    real = inputs["attention_mask"].bool()
    rows = zip(inputs["input_ids"], inputs["labels"], real, strict=True)
    sequences = [Sequence_(tuple(ids[keep].tolist()), tuple(labels[keep].tolist()), 0) for ids, labels, keep in rows]
    encoder = SequenceEncoder(types.SimpleNamespace(pad_token_id=0, convert_tokens_to_ids=lambda token: 0), model.config)
    batch = encoder.pack([sequences] if packed else [[one] for one in sequences], None)
    batch = dataclasses.replace(batch, pixels=inputs["pixel_values"][inputs["image_flags"].flatten().bool()])
    plain = types.SimpleNamespace(get_vocab=dict)
    with torch.inference_mode():
        found = LanguageLoss(plain)(model, batch)
    assert float(found.total / found.count) == pytest.approx(float(case.outputs["loss"]), abs=1e-5)


def test_soft_numbers_forgive_a_near_miss(tiny):
    """A distribution peaked next to the true coordinate costs less than one peaked far away."""
    loss = LanguageLoss(tiny.tokenizer, number_width=6.0)
    row = loss.bells[500]
    assert row.sum() == pytest.approx(1.0, abs=1e-5) and row[500] > row[506] > row[520]


def test_soft_numbers_need_number_tokens(tiny):
    class Digits:
        def get_vocab(self):
            return {"1": 0}

    with pytest.raises(InputError, match="one token for each integer"):
        LanguageLoss(Digits(), number_width=6.0)


def test_an_empty_conversation_is_refused(encoder):
    with pytest.raises(InputError, match="at least one"):
        encoder.conversation([])


@pytest.mark.parametrize("parts", [2, 4, 9])
def test_a_batch_in_parts_of_like_length_has_the_same_loss(encoder, tiny, parts):
    asked = [encoder.conversation([("a?", "b" * length)]) for length in (9, 1, 20, 3, 14, 2)]
    images = np.random.default_rng(1).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    loss = LanguageLoss(tiny.tokenizer)
    grads = []
    for found in (loss(tiny.model, encoder.collate(asked, images)), loss_by_length(tiny.model, loss, encoder, asked, images, parts)):
        tiny.model.zero_grad()
        found.total.backward()
        grads.append((found.total.item(), found.count.item(), tiny.model.backbone.model.vision_tower.embeddings.patch_embeddings.projection.weight.grad.clone()))
    assert grads[1][:2] == pytest.approx(grads[0][:2], rel=1e-5)
    assert grads[0][2].abs().max() > 0 and torch.allclose(grads[0][2], grads[1][2], rtol=1e-3, atol=1e-6)
