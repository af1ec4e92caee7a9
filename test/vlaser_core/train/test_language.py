from __future__ import annotations

import numpy as np
import pytest
import torch

from vlaser_core.errors import InputError
from vlaser_core.train.language import IGNORED, LanguageLoss, SequenceEncoder


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
        counts = [sum(label != IGNORED for label in sequence.labels) for sequence in (short, long)]
        apart = [loss(tiny.model, encoder.collate([s], images[k : k + 1])) for k, s in enumerate((short, long))]
    expected = sum(count * value for count, value in zip(counts, apart, strict=True)) / sum(counts)
    assert together == pytest.approx(float(expected), abs=1e-5)


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
