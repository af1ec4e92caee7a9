"""The recipe of the shipped policy, from nothing to an evaluation, at a size that proves that its steps fit together."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.nano import Sft
from vlaser_core.checkpoint.folder import load_checkpoint, save_checkpoint
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.tokenizer import IMAGE, train_nano_tokenizer

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_recipe_runs_from_nothing_to_an_evaluation(tmp_path):
    environment = os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["bash", str(ROOT / "training/nano.sh"), "--smoke", str(tmp_path)], capture_output=True, text=True, env=environment, timeout=1700)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["checkpoint"] == str(tmp_path / "checkpoint1") and len(summary["rollouts"]) == 1 and summary["grounding"]["frames"] == 2
    first, second = (load_checkpoint(tmp_path / f"checkpoint{stage}").model.state_dict() for stage in (0, 1))
    moved = {name.partition(".")[0] for name in first if not (first[name] == second[name]).all()}
    assert moved and "backbone" not in moved
    assert {path.name for path in tmp_path.glob("*.jsonl")} == {"sft.jsonl", "flow0.jsonl", "flow1.jsonl"}


def test_a_stage_1_that_goes_on_begins_with_the_weights_and_the_tokenizer_it_was_given(tmp_path):
    shipped, other = load_checkpoint(ROOT / "vlaser_core/checkpoints/nano"), train_nano_tokenizer(["put the carrot on the plate"])
    size = dataclasses.replace(shipped.model.config, text=dataclasses.replace(shipped.model.config.text, vocab_size=len(other)))
    there = dataclasses.replace(shipped, model=Vlaser(size, other.convert_tokens_to_ids(IMAGE)), tokenizer=other)
    save_checkpoint(there, tmp_path / "given")
    model, tokenizer = Sft(tmp_path, init_from=tmp_path / "given").beginning()
    weights = model.state_dict()
    assert tokenizer.get_vocab() == other.get_vocab()
    assert all((weights[name] == value).all() for name, value in there.model.state_dict().items())
    _, anew = Sft(tmp_path).beginning()
    assert anew.get_vocab() != tokenizer.get_vocab()
