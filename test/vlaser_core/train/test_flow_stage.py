"""Stage 2 from recipe to checkpoint, on a tiny model and a handful of recorded steps."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from vlaser_core.checkpoint.folder import load_checkpoint
from vlaser_core.embodiment import dump_embodiment, load_embodiment
from vlaser_core.engine import Engine
from vlaser_core.errors import CheckpointError, ConfigError, InputError
from vlaser_core.processing.normalization import load_statistics
from vlaser_core.train import flow_stage
from vlaser_core.train.flow_recipe import DataRecipe, FlowRecipe
from vlaser_core.train.flow_stage import flow
from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.recipe import read_recipe
from vlaser_core.types import Observation

LOOP = LoopConfig(steps=4, learning_rate=1e-3, warmup=1, ema=0.5, save_every=2, log_every=2)


@pytest.fixture
def start(tiny_folder, tmp_path, recorded):
    """`start(data…, option=…)`: run a recipe on sets in memory; what was said is in `start.told`."""

    def run(*sets, loop=None, evaluate=None, **changes):
        recipe = FlowRecipe(DataRecipe(data=tuple(f"memory:{index}" for index in range(len(sets)))), tmp_path / "run", tiny_folder, batch=4, augment=0.0)
        recipe = dataclasses.replace(recipe, **{"loop": dataclasses.replace(LOOP, **(loop or {}))} | changes)
        run.told = []
        return flow(recipe, run.told.append, {"memory": lambda root, recipe, robot: sets[int(root.name)]}, evaluate)

    return run


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "flow.jsonl").read_text().splitlines()]


def test_a_recipe_makes_a_checkpoint_that_drives_the_robot(start, recorded, tmp_path, tiny):
    result = start(recorded(0, 1, 2))
    assert (result.samples, result.episodes, result.embodiment, result.updates) == (18, 3, "widowx", 4)
    trained = load_checkpoint(result.checkpoint)
    for name, tensor in trained.model.state_dict().items():
        assert torch.equal(tensor, tiny.model.state_dict()[name]) == name.startswith("backbone."), name
    assert trained.statistics.num_transitions == 18
    chunk = Engine(trained).predict(Observation({"image_0": np.zeros((48, 64, 3), np.uint8)}, np.zeros(7), 1.0), "put carrot on plate", seed=0)
    assert chunk.actions.shape == (4, 7) and np.isfinite(chunk.actions).all()


def test_prefixes_that_are_kept_train_as_those_computed_anew(start, recorded, tmp_path):
    """But for their half precision. Pictures do not vary here, and one pool holds them all."""
    start(recorded(0, 1, 2), out=tmp_path / "kept")
    start(recorded(0, 1, 2), out=tmp_path / "anew", prefixes="recompute", pool=100)
    assert losses(tmp_path / "kept") == pytest.approx(losses(tmp_path / "anew"), rel=5e-3)
    assert (tmp_path / "kept" / "prefixes").is_dir() and not (tmp_path / "anew" / "prefixes").exists()


@pytest.mark.parametrize("prefixes", ["store", "recompute"])
def test_a_stopped_run_goes_on_with_the_batches_it_would_have_seen(start, recorded, tmp_path, prefixes, monkeypatch):
    """Also with light that varies and pools smaller than the data."""
    options = {"prefixes": prefixes, "pool": 7, "augment": 0.5, "proprio_noise": 0.02, "times_per_prefix": 2}
    start(recorded(0, 1, 2), out=tmp_path / "whole", **options)
    called = []

    def stop(*arguments):
        called.append(arguments)
        if len(called) > 3:
            raise KeyboardInterrupt
        return original(*arguments)

    original = flow_stage.FlowLoss.__call__
    monkeypatch.setattr(flow_stage.FlowLoss, "__call__", stop)
    with pytest.raises(KeyboardInterrupt):
        start(recorded(0, 1, 2), out=tmp_path / "parts", **options)
    monkeypatch.undo()
    start(recorded(0, 1, 2), out=tmp_path / "parts", **options)
    one, other = (load_checkpoint(tmp_path / name / "checkpoint").model.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_give_the_losses_of_one(flow_run, tiny_folder, demonstrations, tmp_path):
    """Each computes its share of the prefixes, reads its own pictures, and trains on copies or shards of the model."""
    data = demonstrations(4)
    flow_run.run(tiny_folder, data, tmp_path / "one")
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", flow_run.__file__, tiny_folder, data, tmp_path / "two"]
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=800)
    assert done.returncode == 0, done.stderr
    for name in flow_run.WAYS:
        assert losses(tmp_path / "two" / name) == pytest.approx(losses(tmp_path / "one" / name), rel=1e-3), name
        one, two = (load_checkpoint(tmp_path / place / name / "checkpoint").model.state_dict() for place in ("one", "two"))
        torch.testing.assert_close(two, one, rtol=1e-2, atol=1e-3)


def test_more_than_the_expert_is_trained_where_asked(start, recorded, tmp_path, tiny):
    start(recorded(0, 1), train="all", loop={"checkpoint_activations": True, "accumulation": 2})
    moved = {name for name, tensor in load_checkpoint(tmp_path / "run/checkpoint").model.state_dict().items() if not torch.equal(tensor, tiny.model.state_dict()[name])}
    assert any("vision_tower" in name for name in moved) and any("language_model.layers.0" in name for name in moved)
    assert not any("embed_tokens" in name for name in moved)


def test_low_precision_ends_in_low_precision(start, recorded, tmp_path):
    start(recorded(0, 1), loop={"precision": "autocast"})
    assert load_checkpoint(tmp_path / "run/checkpoint", dtype=None).model.dtype == torch.bfloat16


def test_a_new_expert_learns_another_robot_through_all_its_cameras(start, recorded, tmp_path):
    robot = load_embodiment("widowx")
    second = dataclasses.replace(robot.cameras[0], name="wrist")
    dump_embodiment(dataclasses.replace(robot, name="mine", cameras=(robot.cameras[0], second), action=dataclasses.replace(robot.action, horizon=6)), tmp_path / "mine.yaml")
    both = {"cameras": ("image_0", "wrist")}
    start(recorded({"number": 0, **both}, {"number": 1, **both}), embodiment=str(tmp_path / "mine.yaml"), expert="new")
    engine = Engine.load(tmp_path / "run/checkpoint")
    assert engine.embodiment.name == "mine" and engine.model.config.views == 2
    seen = {name: np.full((48, 64, 3), 30 * place, np.uint8) for place, name in enumerate(both["cameras"])}
    chunk = engine.predict(Observation(seen, np.zeros(7), 1.0), "put carrot on plate", seed=0)
    other = engine.predict(Observation({**seen, "wrist": seen["image_0"] + 90}, np.zeros(7), 1.0), "put carrot on plate", seed=0)
    assert chunk.actions.shape == (6, 7) and not np.allclose(chunk.actions, other.actions)
    with pytest.raises(InputError, match="needs camera 'wrist'"):
        engine.predict(Observation({"image_0": seen["image_0"]}, np.zeros(7), 1.0), "put carrot on plate")


def test_an_expert_of_another_shape_is_not_kept(start, recorded, tmp_path):
    robot = load_embodiment("widowx")
    dump_embodiment(dataclasses.replace(robot, action=dataclasses.replace(robot.action, horizon=6)), tmp_path / "mine.yaml")
    with pytest.raises(CheckpointError, match="horizon is 4.*needs 6"):
        start(recorded(0), embodiment=str(tmp_path / "mine.yaml"))


def test_evaluation_is_logged_on_the_way(start, recorded, tmp_path):
    result = start(recorded(0, 1), evaluate_every=2, evaluate=lambda checkpoint: {"success": float(checkpoint.model.config.horizon)})
    assert [json.loads(line).get("success") for line in (tmp_path / "run/flow.jsonl").read_text().splitlines()] == [4.0, 4.0]
    assert result.evaluation == {"success": 4.0}


def test_what_was_left_out_is_told(start, recorded):
    nan = np.array([[0.0] * 6 + [1.0]] * 6)
    nan[3, 2] = np.nan
    result = start(recorded(0, {"number": 1, "actions": nan}, {"number": 2, "cameras": ("other",)}, {"number": 3, "bad": (4,)}))
    assert result.left_out == {"actions not finite": 1, "camera missing": 1, "picture is torn": 1} and result.episodes == 2
    assert any("1 × camera missing" in text and "Map it" in text for text in start.told)


def test_a_gripper_on_its_limit_all_day_is_no_other_robots(start, recorded, tmp_path):
    start(recorded(0), out=tmp_path / "own", statistics="data")
    path = tmp_path / "own/checkpoint/statistics.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["proprio"]["p01"][6], content["proprio"]["p99"][6] = 0.0, 0.998
    path.write_text(json.dumps(content), encoding="utf-8")
    states = np.tile(np.array(content["proprio"]["mean"]), (6, 1))
    states[:, 6] = (1.0, 1.0, 1.0, 1.0, 1.0, 0.5)
    start(recorded({"number": 0, "proprio": states}), statistics=str(path))
    assert any("at most 83.3% of a value lie beyond its percentiles (proprio 'gripper')" in text for text in start.told)


def test_statistics_of_another_robot_are_refused(start, recorded, tiny_folder, tmp_path):
    start(recorded(0), out=tmp_path / "own", statistics="data")
    path = tmp_path / "own/checkpoint/statistics.json"
    start(recorded(0, 1), statistics=str(path))  # of the same robot: kept as they are
    assert load_statistics(tmp_path / "run/checkpoint/statistics.json").num_transitions == 6
    content = json.loads(path.read_text())
    for field in content["proprio"]:
        content["proprio"][field][0] += 300.0  # millimetres
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="another robot, or in other units: 100% of this data's proprio 'x'.*--statistics data"):
        start(recorded(0), out=tmp_path / "other", statistics=str(path))


def test_a_run_does_not_go_on_with_another_recipe(start, recorded):
    """But one that could not begin is nothing to keep to."""
    with pytest.raises(InputError, match="another rate"):
        start(recorded({"number": 0, "rate_hz": 10.0}), batch=8)
    with pytest.raises(ConfigError, match="are for a new expert"):
        start(recorded(0), expert_width=8, expert_mlp=8)
    start(recorded(0))
    with pytest.raises(ConfigError, match=r"begun with another recipe \(batch was 4, now 2\)"):
        start(recorded(0), batch=2)
    assert start(recorded(0), loop={"steps": 6}).updates == 6


def test_data_of_an_unknown_kind_names_the_known(tiny_folder, tmp_path):
    for text in ("videos:here", "here"):
        with pytest.raises(ConfigError, match="kind:path with one of bridge, fractal, lerobot, robotwin, tabletop"):
            flow(FlowRecipe(DataRecipe(data=(text,)), tmp_path / "run", tiny_folder), print)


def test_a_recipe_is_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("source: {data: ['tabletop:here'], cameras: ['image_0:=top']}\nbatch: 8\nloop: {steps: 3, learning_rate: 1.0e-3}\n")
    recipe = read_recipe(FlowRecipe, str(path))
    assert recipe.source.cameras == ("image_0:=top",) and recipe.loop.steps == 3 and recipe.train == "expert"
    path.write_text("batch: many\nloops: {}\n")
    with pytest.raises(ConfigError, match="batch: .*loops: "):
        read_recipe(FlowRecipe, str(path))


def test_episodes_of_a_simulator_train_from_the_command_line(tiny_folder, demonstrations, tmp_path, capsys):
    from vlaser_ros.cli import run

    folder = demonstrations(3)
    line = ["train", "flow", "--data", f"tabletop:{folder}", "--out", str(tmp_path / "run"), "--checkpoint", str(tiny_folder), "--batch", "4", "--steps", "2", "--json"]
    assert run(line) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["samples"] == 18 and "Traceback" not in err
