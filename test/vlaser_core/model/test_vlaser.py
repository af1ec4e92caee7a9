from __future__ import annotations

import pytest
import torch

from vlaser_core.errors import ConfigError
from vlaser_core.model.config import VlaserConfig, nano, size, vlaser_2b
from vlaser_core.reasoning.prompts import policy_prompt


@pytest.fixture
def prompt(tiny):
    ids = tiny.tokenizer(
        policy_prompt("put carrot on plate", tiny.model.config.image_tokens), add_special_tokens=False, return_tensors="pt"
    )["input_ids"]
    return ids, torch.ones_like(ids, dtype=torch.bool), torch.randn(1, 3, 64, 64)


def sample(model, ids, mask, pixels, proprio=None, noise=None):
    count = len(ids)
    proprio = torch.zeros(count, 7) if proprio is None else proprio
    noise = torch.randn(count, 4, 7, generator=torch.Generator().manual_seed(0)) if noise is None else noise
    with torch.inference_mode():
        return model.sample(model.prefix(ids, mask, pixels), proprio, noise)


def test_padding_changes_no_action(tiny, prompt):
    ids, mask, pixels = prompt
    padded = torch.nn.functional.pad(ids, (0, 9), value=tiny.tokenizer.pad_token_id)
    longer = torch.nn.functional.pad(mask, (0, 9), value=False)
    assert torch.allclose(sample(tiny.model, ids, mask, pixels), sample(tiny.model, padded, longer, pixels), atol=1e-5)


def test_the_action_depends_on_picture_words_state_and_noise(tiny, prompt):
    ids, mask, pixels = prompt
    base = sample(tiny.model, ids, mask, pixels)
    other_ids = ids.clone()
    other_ids[0, -8] = tiny.tokenizer.convert_tokens_to_ids("7")
    assert (sample(tiny.model, ids, mask, -pixels) - base).abs().max() > 1e-4
    assert (sample(tiny.model, other_ids, mask, pixels) - base).abs().max() > 1e-4
    assert (sample(tiny.model, ids, mask, pixels, proprio=torch.ones(1, 7)) - base).abs().max() > 1e-4
    assert (sample(tiny.model, ids, mask, pixels, noise=torch.ones(1, 4, 7)) - base).abs().max() > 1e-4


def test_the_state_token_does_not_see_the_actions(tiny):
    mask = tiny.model.expert_mask(torch.tensor([[True, True, False]]))[0, 0]
    assert mask[0].tolist() == [True, True, False, True, False, False, False, False]
    assert mask[1].tolist() == [True, True, False, True, True, True, True, True]


def test_a_prefix_is_not_changed_by_sampling(tiny, prompt):
    ids, mask, pixels = prompt
    with torch.inference_mode():
        prefix = tiny.model.prefix(ids, mask, pixels)
        before = [keys.clone() for keys in prefix.keys]
        tiny.model.sample(prefix, torch.zeros(1, 7), torch.randn(1, 4, 7))
    assert all(torch.equal(keys, kept) for keys, kept in zip(prefix.keys, before, strict=True))


def test_actions_stay_within_the_clip(tiny, prompt):
    assert sample(tiny.model, *prompt, noise=torch.full((1, 4, 7), 50.0)).abs().max() == 1.0


def test_pictures_and_placeholders_must_agree(tiny, prompt):
    ids, mask, pixels = prompt
    with pytest.raises(ValueError, match="4 picture tokens, the pictures fill 8"):
        tiny.model.prefix(ids, mask, torch.cat([pixels, pixels]))
    with pytest.raises(ValueError, match="no picture"):
        tiny.model.embed(ids, None)


def test_an_answer_never_looks_ahead_but_a_policy_prompt_does(tiny, prompt):
    ids, mask, pixels = prompt
    changed = ids.clone()
    changed[0, -1] = tiny.tokenizer.convert_tokens_to_ids("7")
    with torch.inference_mode():
        causal = tiny.model.language(ids, mask, pixels) - tiny.model.language(changed, mask, pixels)
        lengths = torch.tensor([ids.shape[1]])
        both_ways = tiny.model.language(ids, mask, pixels, lengths) - tiny.model.language(changed, mask, pixels, lengths)
    assert causal[:, :-1].abs().max() < 1e-5
    assert both_ways[:, 0].abs().max() > 1e-5


def test_sizes_are_one_class_with_other_numbers():
    assert vlaser_2b().image_tokens == 256 and nano(100).image_tokens == 16
    assert VlaserConfig.from_dict(vlaser_2b().to_dict()) == vlaser_2b()
    with pytest.raises(ConfigError, match="nano, 2b, 8b"):
        size("70b")


@pytest.mark.parametrize(
    ("section", "key", "value"), [("vision", "image_size", 450), ("text", "kv_heads", 5), ("expert", "hidden_size", 97)]
)
def test_sizes_that_cannot_work_are_refused(section, key, value):
    content = vlaser_2b().to_dict()
    content[section][key] = value
    with pytest.raises(ConfigError, match=str(value)):
        VlaserConfig.from_dict(content)
