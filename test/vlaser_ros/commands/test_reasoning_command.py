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


def test_several_pictures_are_asked_about_together(capsys, scene, checkpoint):
    asked = ("Before: <image> After: <image> What moved?", "--more", scene, "--checkpoint", checkpoint)
    assert answer(capsys, "ask", scene, *asked)["question"] == asked[0]
    assert run(("ask", scene, "Only <image> here?", "--more", scene, "--checkpoint", checkpoint)) == 2
    assert "1 <image> placeholders for 2 pictures" in capsys.readouterr().err


def test_a_drawn_answer_follows_its_seed(capsys, scene, checkpoint):
    def told(*arguments: str) -> str:
        return answer(capsys, "ask", scene, "where is it?", "--checkpoint", checkpoint, *arguments)["text"]

    drawn = [told("--temperature", "1.5", "--seed", str(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2] and told() == told("--seed", "3")
    assert run(("plan", scene, "go", "--checkpoint", checkpoint, "--top-p", "0")) == 2
    assert "top_p in (0, 1]" in capsys.readouterr().err


COMMANDS = (("ground", "SCENE", "cup"), ("plan", "SCENE", "go"), ("ask", "SCENE", "why?"), ("eval", "tabletop"), ("bench", "size", "--size", "nano"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("switch", "value", "message"),
    [
        ("--device", "cuda", "no CUDA device"),
        ("--device", "tpu9", "unknown device"),
        ("--device", "mps", "not supported"),
        ("--dtype", "int4", "float32, bfloat16, float16"),
    ],
)
def test_one_switch_for_device_and_one_for_type_wherever_a_model_is_loaded(capsys, scene, command, switch, value, message):
    if value == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert run([scene if word == "SCENE" else word for word in command] + [switch, value]) == 2
    assert message in capsys.readouterr().err


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
