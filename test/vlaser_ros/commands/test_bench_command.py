"""`vlaser bench`: a JSON line last, numbers that can be true, wrong input told before anything is made."""

from __future__ import annotations

import json

import pytest

from vlaser_ros.cli import run


def test_size_measures_a_model_and_ends_with_json(capsys):
    assert run(["bench", "size", "--size", "nano", "--dtype", "float32", "--chunks", "1", "--tokens", "2"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["weight_bytes"] == 4 * told["parameters"] > 4 * told["expert_parameters"] > 0
    assert told["peak_memory_bytes"] >= told["baseline_bytes"] > 50_000_000 and told["flow_steps"] == 10
    assert told["prefix_tokens"] == 16 + 128 and told["text_tokens"] == 2
    assert min(told[key] for key in ("prefix_ms", "flow_ms", "chunk_ms", "first_token_ms", "token_ms")) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("size", "--chunks", "0"), "at least one chunk"),
        (("size", "--size", "8b", "--expert-mlp", "4096"), "--expert-mlp chooses between"),
        (("convert", "--folder", "/nowhere/at/all"), "there is no folder /nowhere/at/all"),
        (("convert", "--dtype", "int8"), "float32, bfloat16, float16"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(capsys, arguments, message):
    assert run(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err
