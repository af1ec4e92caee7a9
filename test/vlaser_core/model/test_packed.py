from __future__ import annotations

import numpy as np
import pytest
import torch

from vlaser_core.model.packed import laid_out, packed_hidden, positions
from vlaser_core.processing.pixels import normalise_pixels
from vlaser_core.reasoning.generate import Prompt, generate
from vlaser_core.train.checkpointing import checkpoint_layers
from vlaser_core.train.language import LanguageLoss, SequenceEncoder

TURNS = [
    [("Where is the carrot?", "<point>[[12, 500]]</point>")],
    [("What is left of the plate?", "the spoon"), ("And now?", "yes!")],
    [("Why?", "no")],
]


@pytest.fixture
def encoder(tiny):
    return SequenceEncoder(tiny.tokenizer, tiny.model.config)


def sequences_of(encoder, prefix: bool):
    made = [encoder.conversation(turns, tiles=[1]) for turns in TURNS]
    return [type(one)(one.ids, one.labels, 25 if prefix else 0) for one in made]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def gradients(model) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize("again", [False, True], ids=["kept", "computed again"])
def test_packed_and_unpacked_have_the_same_loss_and_gradients(tiny, encoder, images, prefix, again):
    sequences, loss, model = sequences_of(encoder, prefix), LanguageLoss(tiny.tokenizer), tiny.model.train()
    if again:
        checkpoint_layers(model)
    apart = [loss(model, encoder.pack([[sequence]], images[k : k + 1])) for k, sequence in enumerate(sequences)]
    (sum(one.total for one in apart) / sum(one.count for one in apart)).backward()
    expected = gradients(model)
    for rows in ([sequences], [sequences[:1], sequences[1:]], [[sequence] for sequence in sequences]):
        model.zero_grad(set_to_none=True)
        packed = loss(model, encoder.pack(rows, images))
        (packed.total / packed.count).backward()
        assert float(packed.count) == sum(float(one.count) for one in apart)
        assert float(packed.total) == pytest.approx(float(sum(one.total for one in apart)), rel=1e-5)
        found = gradients(model)
        assert found.keys() == expected.keys() and any("lambda_1" in name for name in found)
        assert max(float((found[name] - expected[name]).abs().max()) for name in found) < 1e-5


def test_no_sequence_sees_another(tiny, encoder, images):
    sequences, pixels = sequences_of(encoder, False), normalise_pixels(images)
    spans = (laid_out([len(one.ids) for one in sequences], [0, 0, 0]),)
    ids = torch.tensor([[token for one in sequences for token in one.ids]])
    with torch.inference_mode():
        before = packed_hidden(tiny.model, ids, spans, pixels)
        changed, end = ids.clone(), len(sequences[0].ids)
        changed[0, end - 4] += 1
        after = packed_hidden(tiny.model, changed, spans, pixels)
    assert torch.equal(before[:, end:], after[:, end:]) and not torch.equal(before[:, :end], after[:, :end])


def test_positions_begin_again_in_each_sequence():
    assert positions((laid_out([2, 3], [0, 0]), laid_out([1], [0])), 6).tolist() == [[0, 1, 0, 1, 2, 0], [0, 0, 0, 0, 0, 0]]


def test_a_model_that_was_trained_packed_still_answers(tiny, encoder, images):
    prompt = Prompt(torch.tensor(sequences_of(encoder, False)[0].ids[:30]), torch.zeros(1, 3, 64, 64))
    before = generate(tiny.model, tiny.tokenizer, [prompt], 6)
    batch = encoder.pack([sequences_of(encoder, False)], images)
    with torch.inference_mode():
        packed_hidden(tiny.model, batch.ids_BL, batch.spans, batch.pixels)
    assert generate(tiny.model, tiny.tokenizer, [prompt], 6) == before
