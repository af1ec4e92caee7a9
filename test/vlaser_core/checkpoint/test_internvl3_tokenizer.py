"""The published tokenizer itself, where it is at hand: its special ids are the ones that full-size weights are held to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vlaser_core.checkpoint.folder import check_tokenizer
from vlaser_core.checkpoint.internvl_chat import chat_config, published_ids, read_json
from vlaser_core.checkpoint.source import expected_shapes, skeleton
from vlaser_core.errors import CheckpointError
from vlaser_core.evaluate.conversion import write_random
from vlaser_core.model.config import TextSize, VisionSize, VlaserConfig, vlaser_2b
from vlaser_core.processing.tokenizer import INTERNVL3_IDS, load_tokenizer, special_ids
from vlaser_ros.cli import run

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


@pytest.fixture
def published(tmp_path):
    """Thin weights behind the real vocabulary and at the real resolution, as a model is downloaded."""
    text = TextSize(16, 16, layers=1, heads=2, kv_heads=1, head_dim=8, vocab_size=151_674)
    config = VlaserConfig("thin", VisionSize(16, 16, 1, 1, image_size=448, patch_size=14), text, None, 0, 0, 0, max_tiles=12)
    write_random("internvl_chat", config, tmp_path / "published", torch.bfloat16)
    for name in ("vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"):
        shutil.copyfile(FOLDER / name, tmp_path / "published" / name)
    return tmp_path / "published"


def test_a_published_folder_is_exported_in_its_own_files_and_answers(published, tmp_path, capsys):
    """Vocabulary, merges and settings as transformers 4 reads them: its slow tokenizers know no tokenizer.json."""
    again, picture = tmp_path / "again", str(tmp_path / "scene.png")
    assert run(["export", str(published), str(again)]) == 0
    assert (again / "merges.txt").read_bytes() == (FOLDER / "merges.txt").read_bytes()
    for name in ("vocab.json", "added_tokens.json"):
        assert read_json(again / name) == read_json(FOLDER / name)
    ours, theirs = (read_json(folder / "tokenizer_config.json") for folder in (again, FOLDER))
    assert ours.items() <= theirs.items() and theirs.keys() - ours.keys() == {"add_bos_token", "add_eos_token", "extra_special_tokens"}
    cv2.imwrite(picture, np.random.default_rng(0).integers(0, 256, (300, 600, 3), dtype=np.uint8))
    capsys.readouterr()
    assert run(["ask", picture, "把胡萝卜 what is this?", "--checkpoint", str(again), "--dtype", "bfloat16"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["text"] and told.err == ""


def test_a_folder_whose_tokenizer_numbers_the_picture_otherwise_is_refused(published, tmp_path, capsys):
    settings = read_json(published / "tokenizer_config.json")
    known = settings["added_tokens_decoder"]
    known["151667"], known["151668"] = known["151668"], known["151667"]
    (published / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert run(["convert", str(published), str(tmp_path / "ours")]) == 2
    assert "<IMG_CONTEXT> is 151668, expected 151667" in capsys.readouterr().err and not (tmp_path / "ours").exists()
