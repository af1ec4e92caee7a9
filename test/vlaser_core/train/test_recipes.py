"""The recipes of 2B and 8B, each on a model shrunk to milliseconds and data made here: what their files say is what runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from vlaser_core.errors import CheckpointError, ConfigError
from vlaser_core.model.config import size
from vlaser_core.train.estimate import Pass, estimate, part_parameters
from vlaser_core.train.flow_recipe import DataRecipe, FlowRecipe
from vlaser_core.train.flow_stage import flow
from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.recipe import read_recipe
from vlaser_core.train.reckoning import reckon_flow, reckon_sft
from vlaser_core.train.sft import sft
from vlaser_core.train.sft_recipe import RecordsRecipe, SftRecipe

LARGE = [f"{size}_{gpus}gpu" for size in ("2b", "8b") for gpus in (1, 8)]


def one_step(loop: LoopConfig) -> LoopConfig:
    """Everything else as the file has it: precision, schedule, what is computed again."""
    return dataclasses.replace(loop, steps=1, accumulation=1)


@pytest.mark.parametrize("name", LARGE)
def test_a_recipe_of_stage_1_runs(name, tiny_folder, tmp_path):
    lines = [{"conversations": [{"from": "human", "value": f"What is {k}?"}, {"from": "gpt", "value": "a number"}]} for k in range(12)]
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    (tmp_path / "meta.json").write_text(json.dumps({"talk": {"annotation": "lines.jsonl"}}), "utf-8")
    recipe = read_recipe(SftRecipe, f"sft_{name}")
    small = {"checkpoint": tiny_folder, "out": tmp_path / "run", "packs": 2, "workers": 0, "device": "cpu", "epochs": None, "loop": one_step(recipe.loop)}
    result = sft(dataclasses.replace(recipe, records=RecordsRecipe((str(tmp_path / "meta.json"),)), **small), lambda text: None)
    assert (result.updates, result.samples) == (1, 8)  # two packs of four, as many as upstream has on a device
    assert json.loads((tmp_path / "run" / "checkpoint" / "config.json").read_text("utf-8"))["max_tiles"] == 12


@pytest.mark.parametrize("name", LARGE)
def test_a_recipe_of_stage_2_runs(name, tiny_folder, tmp_path, recorded):
    recipe = read_recipe(FlowRecipe, f"flow_{name}")
    small = {"checkpoint": tiny_folder, "out": tmp_path / "run", "batch": 4, "workers": 0, "device": "cpu", "loop": one_step(recipe.loop)}
    shrunk = dataclasses.replace(recipe, source=DataRecipe(("memory:0",)), expert_width=16, expert_mlp=24, **small)
    result = flow(shrunk, lambda text: None, {"memory": lambda root, recipe, robot: recorded(0, 1)})
    assert (result.updates, result.embodiment) == (1, "widowx") and (Path(result.checkpoint) / "model.safetensors").is_file()


@pytest.mark.parametrize("name", LARGE)
def test_recipes_have_upstreams_numbers(name):
    first, second = read_recipe(SftRecipe, f"sft_{name}"), read_recipe(FlowRecipe, f"flow_{name}")
    gpus = int(name[3])
    assert first.packs * first.pack_samples == 128 and first.packs == gpus * first.loop.accumulation
    assert (first.epochs, first.warmup_ratio, first.pack_tokens, first.max_tiles, first.train) == (1.0, 0.03, 16384, 12, ("language", "projector"))
    assert (first.loop.learning_rate, first.loop.weight_decay, first.loop.betas, first.loop.final_ratio, first.loop.ema) == (2e-5, 0.05, (0.9, 0.999), 0, 0)
    assert second.batch == 1024 and second.batch == 16 * gpus * second.loop.accumulation
    loop = second.loop
    assert (loop.learning_rate, loop.weight_decay, loop.betas, loop.warmup, loop.cycle, loop.ema) == (5e-5, 0, (0.9, 0.999), 200, 10_000_000, 0)
    assert loop.steps == 15 * (1_550_000 // 1024) and (second.expert_width, second.expert_mlp) == (768, 8960 if "2b" in name else 5600)


@pytest.mark.parametrize(("name", "gigabytes"), [("2b_8gpu", 80), ("8b_1gpu", 80), ("8b_8gpu", 80)])
def test_a_dry_run_needs_neither_weights_nor_data(name, gigabytes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gpus = int(name[3])
    first, second = reckon_sft(read_recipe(SftRecipe, f"sft_{name}"), gpus), reckon_flow(read_recipe(FlowRecipe, f"flow_{name}"), gpus)
    assert first.packs_a_forward == 1 and first.tokens_an_update == 32 * 16384 and first.parameters["vision"] == 304_012_288
    assert set(first.parameters) - set(first.trained) == {"vision"} and set(second.parameters) - set(second.trained) == {"embeddings"}
    assert second.samples_a_forward == 16 and second.updates == 22695
    assert 0 < first.state_gb < first.memory_gb < gigabytes and 0 < second.state_gb < second.memory_gb < gigabytes
    with pytest.raises(CheckpointError, match="say its --size"):
        reckon_sft(dataclasses.replace(read_recipe(SftRecipe, f"sft_{name}"), size=None))


def test_a_dry_run_counts_the_data_where_it_is_there(tiny_folder, tmp_path):
    line = {"conversations": [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "that " * 30}]}
    (tmp_path / "lines.jsonl").write_text((json.dumps(line) + "\n") * 20, "utf-8")
    (tmp_path / "meta.json").write_text(json.dumps({"talk": {"annotation": "lines.jsonl"}}), "utf-8")
    recipe = SftRecipe(RecordsRecipe((str(tmp_path / "meta.json"),)), tmp_path / "run", tiny_folder, packs=2, pack_tokens=256, epochs=2.0)
    found = reckon_sft(recipe)
    assert found.samples == 20 and 0 < found.tokens_an_update <= 512 and found.updates == -(-2 * found.updates_an_epoch // 1)
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_memory_grows_with_what_is_trained_and_shrinks_with_what_is_computed_again():
    config, loop = size("2b"), LoopConfig(steps=1, learning_rate=1e-5, ema=0.0, precision="autocast")
    counts = part_parameters(config)
    assert sum(counts.values()) == pytest.approx(2.75e9, rel=0.01) and counts["expert"] == pytest.approx(657e6, rel=0.01)
    once = Pass(tokens=4096, tiles=16, learned=400, expert_tokens=80, seen=4096)

    def need(trained, **changes):
        return estimate(config, trained, dataclasses.replace(loop, **changes), once).total

    assert need(("expert",)) < need(("expert", "language")) and need(("expert",)) < need(("expert",), ema=0.999)
    assert need(("language",), checkpoint_activations=True) < need(("language",))
    shared = estimate(config, ("language",), dataclasses.replace(loop, shard=True), once, processes=8)
    assert shared.state == pytest.approx(estimate(config, ("language",), loop, once).state / 8, rel=1e-6)


def test_the_nanos_recipe_fits_a_laptop():
    found = reckon_sft(read_recipe(SftRecipe, "sft_nano"))
    assert set(found.parameters) - set(found.trained) == {"expert"} and found.memory_gb < 2 and found.updates == 1500


def test_an_unknown_recipe_is_told_with_the_known_ones():
    with pytest.raises(ConfigError, match="sft_2b_8gpu"):
        read_recipe(SftRecipe, "sft_3b")
