from __future__ import annotations

import json

import numpy as np
import pytest

from sim_bridge.tabletop import record
from sim_bridge.tabletop.record import policy_picture, record_demonstrations, record_scenes
from vlaser_core.errors import InputError
from vlaser_core.processing.actions import poses_from_deltas

TASK = "widowx_stack_cube"


def test_scenes_hold_what_a_policy_learns_from(tmp_path):
    record_scenes(tmp_path, TASK, count=6, seed=1, renderer="rays", size=64)
    with np.load(tmp_path / TASK / "scenes-0001-0000.npz", allow_pickle=False) as shard:
        shapes = {key: (shard[key].shape, shard[key].dtype.name) for key in shard.files}
        assert all(np.isfinite(shard[key]).all() for key in ("proprio", "chunks", "joints"))
        assert len(np.unique(shard["images"].reshape(6, -1), axis=0)) == 6
    assert shapes == {
        "images": ((6, 64, 64, 3), "uint8"),
        "proprio": ((6, 7), "float32"),
        "chunks": ((6, 4, 7), "float32"),
        "joints": ((6, 6), "float32"),
    }
    truths = [json.loads(line) for line in (tmp_path / TASK / "scenes-0001-0000.jsonl").read_text().splitlines()]
    assert len(truths) == 6 and {truth["task"] for truth in truths} == {TASK}


def test_recording_again_continues_instead_of_repeating(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "SHARD", 3)
    record_scenes(tmp_path, TASK, count=3, renderer="rays", size=32)
    first = tmp_path / TASK / "scenes-0000-0000.npz"
    written = first.stat().st_mtime_ns
    record_scenes(tmp_path, TASK, count=5, renderer="rays", size=32)
    assert first.stat().st_mtime_ns == written
    with np.load(tmp_path / TASK / "scenes-0000-0001.npz") as shard:
        assert len(shard["images"]) == 2


def test_scene_does_not_depend_on_the_scenes_before_it(tmp_path, monkeypatch):
    record_scenes(tmp_path / "whole", TASK, count=4, renderer="rays", size=32)
    monkeypatch.setattr(record, "SHARD", 2)
    record_scenes(tmp_path / "parts", TASK, count=4, renderer="rays", size=32)
    with np.load(tmp_path / "whole" / TASK / "scenes-0000-0000.npz") as whole, np.load(tmp_path / "parts" / TASK / "scenes-0000-0001.npz") as part:
        for key in whole.files:
            np.testing.assert_array_equal(whole[key][2:], part[key])


def test_an_interrupted_recording_leaves_no_file_that_looks_whole(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="disk full"):
        record_scenes(tmp_path, TASK, count=2, renderer="rays", size=32)
    assert not list((tmp_path / TASK).glob("*.npz")) and not list((tmp_path / TASK).glob(".*"))
    monkeypatch.undo()
    record_scenes(tmp_path, TASK, count=2, renderer="rays", size=32)
    assert len(list((tmp_path / TASK).glob("*.npz"))) == 1


def test_a_demonstration_replays_the_episode_it_names(tmp_path):
    record_demonstrations(tmp_path, TASK, count=1, seed=5, renderer="rays", noise=0.0)
    about = json.loads((tmp_path / TASK / "episode-000005.json").read_text())
    with np.load(tmp_path / TASK / "episode-000005.npz", allow_pickle=False) as episode:
        steps = len(episode["images"])
        assert {key: len(episode[key]) for key in episode.files} == dict.fromkeys(episode.files, steps)
        assert episode["images"].shape[1:] == (240, 320, 3) and set(np.unique(episode["segmentation"])) == {0, 1, 2, 3}
        np.testing.assert_allclose(np.diff(episode["times"]), 0.2, atol=1e-6)
        # Without noise the hand goes where the actions say, but for the servos' lag.
        hands, actions = episode["proprio"][:, :3], episode["actions"]
        start = np.eye(4)
        start[:3, 3] = hands[0]
        asked = poses_from_deltas(start, actions[:4, :6])[-1, :3, 3]
        assert np.linalg.norm(hands[4] - asked) < 0.02 < np.linalg.norm(hands[4] - hands[0])
        assert np.linalg.norm(episode["objects"][-1, 0, :2] - episode["objects"][-1, 1, :2]) < 0.02
    assert about["success"] is True and about["task"] == TASK and about["seed"] == 5 and about["steps"] == steps and about["renderer"] == "rays"


def test_the_policy_picture_keeps_the_whole_view():
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, 160:] = 255
    small = policy_picture(picture, 128)
    assert small.shape == (128, 128, 3) and (small[:, :64] == 0).all() and (small[:, 64:] == 255).all()


def test_nothing_to_record_is_refused(tmp_path):
    with pytest.raises(InputError, match="positive"):
        record_scenes(tmp_path, TASK, count=0)
