"""`vlaser ground`, `plan`, `ask` with a real, untrained model: what it says is noise, how it is told is not."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vlaser_core.checkpoint.folder import Checkpoint, save_checkpoint
from vlaser_core.data.families import corpus
from vlaser_core.embodiment import load_embodiment
from vlaser_core.model.config import ExpertSize, TextSize, VisionSize, nano
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.normalization import Spread, Statistics
from vlaser_core.processing.tokenizer import IMAGE, train_nano_tokenizer
from vlaser_ros.cli import run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    torch.manual_seed(0)
    tokenizer = train_nano_tokenizer(corpus(scenes=20), vocab_size=500)
    config = dataclasses.replace(
        nano(len(tokenizer)),
        vision=VisionSize(16, 32, layers=1, heads=1, image_size=64, patch_size=16, layer_scale=1.0),
        text=TextSize(16, 32, layers=1, heads=1, kv_heads=1, head_dim=16, vocab_size=len(tokenizer), max_positions=512, tie_embeddings=True),
        expert=ExpertSize(16, 32),
    )
    spread = Spread.of(np.random.default_rng(0).uniform(0, 1, (50, 7)))
    folder = tmp_path_factory.mktemp("model") / "tiny"
    model = Vlaser(config, tokenizer.convert_tokens_to_ids(IMAGE))
    save_checkpoint(Checkpoint(model, tokenizer, load_embodiment("widowx"), Statistics(spread, spread, 50, 1)), folder)
    return str(folder)


@pytest.fixture
def scene(tmp_path) -> str:
    cv2.imwrite(str(tmp_path / "scene.png"), np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    return str(tmp_path / "scene.png")


def answer(capsys, *arguments: str) -> dict:
    assert run(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_ground_prints_json_and_draws(capsys, scene, checkpoint, tmp_path):
    found = answer(capsys, "ground", scene, "the carrot", "--checkpoint", checkpoint, "--out", str(tmp_path / "drawn.png"))
    assert {"phrase", "boxes", "points", "boxes_px", "labels", "scores", "text"} <= found.keys()
    assert (found["width"], found["height"]) == (32, 24)
    assert cv2.imread(str(tmp_path / "drawn.png")).shape == (720, 960, 3)


def test_plan_prints_its_steps(capsys, scene, checkpoint):
    plan = answer(capsys, "plan", scene, "put carrot on plate", "--ground", "--checkpoint", checkpoint)
    assert plan["goal"] == "put carrot on plate" and isinstance(plan["steps"], list)


def test_ask_prints_question_and_answer(capsys, scene, checkpoint):
    told = answer(capsys, "ask", scene, "is the carrot on the plate?", "--checkpoint", checkpoint)
    assert told["question"] == "is the carrot on the plate?" and 0.0 <= told["score"] <= 1.0


def test_an_unknown_dtype_is_named(capsys, scene, checkpoint):
    assert run(("ask", scene, "where?", "--checkpoint", checkpoint, "--dtype", "int4")) == 2
    assert "known: float32, bfloat16, float16" in capsys.readouterr().err


def test_inspect_counts_what_was_saved(capsys, checkpoint):
    facts = answer(capsys, "inspect", checkpoint, "--json")
    assert facts["layout"] == "vlaser" and facts["parameters"]["total"] > 1000
    assert facts["dtypes"] == {"float32": facts["parameters"]["total"]}


def test_a_picture_that_cannot_be_written_is_told(capsys, scene, checkpoint, tmp_path):
    assert run(("ground", scene, "carrot", "--checkpoint", checkpoint, "--out", str(tmp_path / "absent" / "drawn.png"))) == 2
    assert "cannot write" in capsys.readouterr().err
