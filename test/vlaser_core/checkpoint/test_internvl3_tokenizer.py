"""The published tokenizer itself, where it is at hand: its special ids are the ones that full-size weights are held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlaser_core.checkpoint.folder import check_tokenizer
from vlaser_core.checkpoint.internvl_chat import chat_config, published_ids, read_json
from vlaser_core.checkpoint.source import expected_shapes, skeleton
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import vlaser_2b
from vlaser_core.processing.tokenizer import INTERNVL3_IDS, load_tokenizer, special_ids

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "internvl3_tokenizer"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the InternVL3 tokenizer is not beside this checkout")


def test_its_special_ids_are_those_of_the_weights(tokenizer):
    published = load_tokenizer(FOLDER)
    assert special_ids(published) == INTERNVL3_IDS
    check_tokenizer(published, vlaser_2b(), published_ids(vlaser_2b()), "here")
    with pytest.raises(CheckpointError, match="belongs to other weights"):
        check_tokenizer(tokenizer, vlaser_2b(), published_ids(vlaser_2b()), "here")


def test_its_published_config_describes_a_model_we_can_lay_out():
    config = chat_config(read_json(FOLDER / "config.json"), "config.json")
    assert config.max_tiles == 12 and config.image_tokens == 256 and not config.text.tie_embeddings
    shapes = expected_shapes(skeleton(config, 151_667))
    assert shapes["backbone.lm_head.weight"] == (151_674, config.text.hidden_size)
