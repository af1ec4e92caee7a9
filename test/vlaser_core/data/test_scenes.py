from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from vlaser_core.data.scenes import load_scenes
from vlaser_core.data.synthetic import synthetic_truth
from vlaser_core.errors import InputError


def write(folder, name, count=3, lines=None, **changes):
    folder.mkdir(exist_ok=True)
    arrays = {"images": np.zeros((count, 16, 16, 3), np.uint8), "proprio": np.zeros((count, 7), np.float32), "chunks": np.zeros((count, 4, 7), np.float32)}
    np.savez(folder / f"{name}.npz", **(arrays | changes))
    rng = np.random.default_rng(0)
    truths = [json.dumps(asdict(synthetic_truth(rng))) for _ in range(count if lines is None else lines)]
    (folder / f"{name}.jsonl").write_text("\n".join(truths) + "\n")


def test_shards_are_joined_in_order(tmp_path):
    write(tmp_path, "b", 2, proprio=np.ones((2, 7), np.float32))
    write(tmp_path, "a", 3)
    scenes = load_scenes(tmp_path)
    assert len(scenes) == 5 and len(scenes.truths) == 5
    assert scenes.proprio[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert len(scenes.where(np.array([True, False, True, False, False]))) == 2


def test_no_shards_is_said(tmp_path):
    with pytest.raises(InputError, match="no scene shards"):
        load_scenes(tmp_path)


@pytest.mark.parametrize("changes", [{"lines": 2}, {"proprio": np.zeros((2, 7), np.float32)}, {"chunks": np.full((3, 4, 7), np.nan, np.float32)}])
def test_a_shard_that_does_not_match_is_named(tmp_path, changes):
    write(tmp_path, "odd", **changes)
    with pytest.raises(InputError, match="odd.npz"):
        load_scenes(tmp_path)


def test_a_truncated_shard_is_named(tmp_path):
    write(tmp_path, "cut")
    path = tmp_path / "cut.npz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="cut.npz"):
        load_scenes(tmp_path)


def test_pickled_arrays_are_refused(tmp_path):
    write(tmp_path, "evil", images=np.array([object()] * 3))
    with pytest.raises(InputError, match="evil.npz"):
        load_scenes(tmp_path)
