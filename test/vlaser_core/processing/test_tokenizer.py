from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlaser_core.errors import CheckpointError
from vlaser_core.processing.tokenizer import SPECIAL, load_tokenizer, number_ids


def test_every_integer_up_to_a_thousand_is_one_token(tokenizer):
    ids = number_ids(tokenizer)
    assert len(set(ids)) == 1001
    for value in (0, 7, 42, 999, 1000):
        encoded = tokenizer(f"[[{value}, 5]]", add_special_tokens=False)["input_ids"]
        assert ids[value] in encoded


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=60).filter(lambda t: not any(s in t for s in SPECIAL)))
def test_any_text_survives_a_round_trip(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_prompts_use_the_special_tokens(tokenizer):
    ids = tokenizer("<|im_start|>user\n<img><IMG_CONTEXT></img>", add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids)[0] == "<|im_start|>"
    assert tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>") in ids


def test_a_folder_without_tokenizer_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no tokenizer"):
        load_tokenizer(tmp_path)


def test_a_damaged_tokenizer_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match="tokenizer"):
        load_tokenizer(tmp_path)
