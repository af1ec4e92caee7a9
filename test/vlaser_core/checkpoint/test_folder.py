from __future__ import annotations

import json

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from vlaser_core.checkpoint.folder import REQUIRED, load_checkpoint, save_checkpoint, shipped_checkpoint
from vlaser_core.errors import CheckpointError


def test_a_checkpoint_written_is_the_checkpoint_read(tiny, tiny_folder):
    loaded = load_checkpoint(tiny_folder)
    for name, value in tiny.model.state_dict().items():
        assert torch.equal(value, loaded.model.state_dict()[name]), name
    assert loaded.embodiment == tiny.embodiment
    assert loaded.tokenizer.get_vocab() == tiny.tokenizer.get_vocab()


@pytest.mark.parametrize("name", REQUIRED)
def test_a_folder_that_lacks_a_part_is_refused_by_name(tiny_folder, name):
    (tiny_folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(tiny_folder)


def test_a_folder_without_tokenizer_is_refused(tiny_folder):
    (tiny_folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="tokenizer"):
        load_checkpoint(tiny_folder)


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint folder at .*nothing"):
        load_checkpoint(tmp_path / "nothing")


def test_truncated_weights_are_refused(tiny_folder):
    path = tiny_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="model.safetensors"):
        load_checkpoint(tiny_folder)


def test_missing_extra_and_misshapen_tensors_are_named(tiny_folder):
    path = tiny_folder / "model.safetensors"
    weights = load_file(path)
    save_file({name: value for name, value in weights.items() if name != "proprio_encoder.bias"}, path)
    with pytest.raises(CheckpointError, match="proprio_encoder.bias"):
        load_checkpoint(tiny_folder)
    save_file(weights | {"surprise": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="surprise"):
        load_checkpoint(tiny_folder)
    save_file(weights | {"proprio_encoder.bias": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="proprio_encoder.bias"):
        load_checkpoint(tiny_folder)


def test_statistics_of_another_robot_are_refused(tiny_folder):
    path = tiny_folder / "statistics.json"
    content = json.loads(path.read_text())
    content["proprio"] = {field: [*values, 0.0] for field, values in content["proprio"].items()}
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="8 values"):
        load_checkpoint(tiny_folder)


def test_a_robot_with_another_horizon_is_refused(tiny_folder):
    path = tiny_folder / "embodiment.yaml"
    content = yaml.safe_load(path.read_text())
    content["embodiment"]["action"]["horizon"] = 8
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(CheckpointError, match="horizon is 4.*needs 8"):
        load_checkpoint(tiny_folder)


def test_a_failed_save_leaves_the_old_checkpoint(tiny, tiny_folder, monkeypatch):
    monkeypatch.setattr("vlaser_core.checkpoint.folder.save_statistics", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(CheckpointError, match="disk full"):
        save_checkpoint(tiny, tiny_folder)
    load_checkpoint(tiny_folder)


def test_the_shipped_checkpoint_loads_and_is_small():
    folder = shipped_checkpoint()
    checkpoint = load_checkpoint(folder)
    assert checkpoint.embodiment.name == "widowx"
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 30 * 2**20
