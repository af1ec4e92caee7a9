from __future__ import annotations

import json

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.lerobot import LeRobotDataset
from vlaser_core.data.robot.video import frames_at
from vlaser_core.data.source import Damage
from vlaser_core.errors import InputError

FPS = 10
LENGTHS = (12, 9, 15)
NAMES = ["shoulder", "elbow", "gripper"]
TASKS = ["put the red block on the plate", "open the drawer"]


def level(episode, step):
    return 20 + episode * 60 + step * 4


def write_video(path, levels):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"g": "2", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for value in levels:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), value, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def jpeg(value):
    return cv2.imencode(".png", np.dstack([np.full((8, 8), part, np.uint8) for part in (10, 20, value)]))[1].tobytes()  # BGR: value is red


def write_dataset(root, version="v3.0", change_rows=None):
    """Three episodes in two data files; `top` as video, both in one file, `wrist` as embedded pictures."""
    features = {
        "observation.state": {"dtype": "float32", "shape": [3], "names": NAMES},
        "action": {"dtype": "float32", "shape": [3], "names": {"motors": NAMES}},
        "observation.images.top": {"dtype": "video", "shape": [48, 64, 3], "names": ["height", "width", "channels"], "info": {"video.fps": FPS}},
        "observation.images.wrist": {"dtype": "image", "shape": [8, 8, 3], "names": ["height", "width", "channels"]},
        "observation.images.depth": {"dtype": "video", "shape": [48, 64, 1], "names": None, "info": {"video.is_depth_map": True}},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    }
    info = {
        "codebase_version": version, "robot_type": "so100", "total_episodes": 3, "total_frames": sum(LENGTHS), "fps": FPS, "features": features,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }  # fmt: skip
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info))
    pq.write_table(pa.table({"task_index": [0, 1], "__index_level_0__": TASKS}), root / "meta/tasks.parquet")
    episodes, start = [], 0
    tables = {0: [], 1: []}
    for index, length in enumerate(LENGTHS):
        steps = np.arange(length)
        state = np.column_stack([steps, steps + 0.5, np.full(length, index)]).astype(np.float32)
        rows = {
            "observation.state": state.tolist(),
            "action": (state + 100).tolist(),
            "observation.images.wrist": [{"bytes": jpeg(100 + index * 20 + step), "path": f"frame-{step:06d}.png"} for step in range(length)],
            "timestamp": pa.array((steps / FPS).astype(np.float32)),
            "frame_index": steps.tolist(),
            "episode_index": [index] * length,
            "task_index": [index % 2] * length,
        }
        if change_rows:
            change_rows(index, rows)
        tables[int(index == 2)].append(pa.table(rows))
        episodes.append(
            {
                "episode_index": index, "tasks": [TASKS[index % 2]], "length": length, "data/chunk_index": 0, "data/file_index": int(index == 2),
                "dataset_from_index": start, "dataset_to_index": start + length, "stats/action/mean": [0.0],
                "videos/observation.images.top/chunk_index": 0, "videos/observation.images.top/file_index": 0,
                "videos/observation.images.top/from_timestamp": start / FPS, "videos/observation.images.top/to_timestamp": (start + length) / FPS,
            }  # fmt: skip
        )
        start += length
    for index, parts in tables.items():
        pq.write_table(pa.concat_tables(parts), root / f"data/chunk-000/file-{index:03d}.parquet")
    pq.write_table(pa.Table.from_pylist(episodes), root / "meta/episodes/chunk-000/file-000.parquet")
    write_video(root / "videos/observation.images.top/chunk-000/file-000.mp4", [level(e, s) for e, length in enumerate(LENGTHS) for s in range(length)])
    return root


def read_all(dataset):
    damage = Damage()
    return [episode for unit in dataset.units() for episode in dataset.episodes(unit, damage)], damage


def test_episodes_that_share_files_come_apart_with_their_own_steps_names_and_tasks(tmp_path):
    dataset = LeRobotDataset(write_dataset(tmp_path / "set"))
    assert [(unit.key, unit.items) for unit in dataset.units()] == [("000000-000001", 2), ("000002-000002", 1)]
    episodes, damage = read_all(dataset)
    assert [len(episode) for episode in episodes] == list(LENGTHS) and not damage.counts
    assert [episode.instruction for episode in episodes] == [TASKS[0], TASKS[1], TASKS[0]]
    assert episodes[1].proprio_names == tuple(NAMES) == episodes[1].action_names
    np.testing.assert_allclose(episodes[1].proprio[:, 2], 1)
    np.testing.assert_allclose(episodes[1].actions, episodes[1].proprio + 100)
    assert set(episodes[0].cameras) == {"observation.images.top", "observation.images.wrist"}, "depth is no camera for the policy"


def test_an_episode_is_had_without_the_others(tmp_path):
    dataset = LeRobotDataset(write_dataset(tmp_path / "set"))
    (found,) = dataset.episodes(dataset.units()[0], Damage(), ["000001"])
    assert found.id == "000001" and found.proprio[0, 2] == 1


def test_a_step_of_an_episode_in_the_middle_of_a_video_gets_its_own_frame(tmp_path):
    episodes, _ = read_all(LeRobotDataset(write_dataset(tmp_path / "set")))
    for index, episode in enumerate(episodes):
        for steps in (range(len(episode)), [len(episode) - 1], [3, 7]):
            frames = list(episode.frames("observation.images.top", steps))
            assert [round((int(frame.mean()) - level(index, step)) / 4) for frame, step in zip(frames, steps, strict=True)] == [0] * len(frames)


def test_embedded_pictures_are_rgb_and_of_their_step(tmp_path):
    episodes, _ = read_all(LeRobotDataset(write_dataset(tmp_path / "set")))
    frames = list(episodes[1].frames("observation.images.wrist", [0, 8]))
    assert frames[0][0, 0].tolist() == [120, 20, 10] and frames[1][0, 0].tolist() == [128, 20, 10]


def test_a_frame_that_is_not_there_is_no_neighbour(tmp_path):
    write_video(tmp_path / "v.mp4", [20, 40, 60])
    with pytest.raises(Damaged, match="no video frame"):
        list(frames_at(tmp_path / "v.mp4", [0.0, 0.5], 0.04))
    with pytest.raises(Damaged, match="cannot be read"):
        (tmp_path / "cut.mp4").write_bytes((tmp_path / "v.mp4").read_bytes()[:300])
        list(frames_at(tmp_path / "cut.mp4", [0.0], 0.04))


def test_a_non_finite_action_a_null_and_a_lost_step_cost_their_episodes_only(tmp_path):
    def spoil(index, rows):
        if index == 0:
            rows["action"][4][1] = float("nan")
        if index == 1:
            rows["observation.state"][2] = None

    episodes, damage = read_all(LeRobotDataset(write_dataset(tmp_path / "set", change_rows=spoil)))
    assert [episode.id for episode in episodes] == ["000002"]
    assert damage.counts == {"actions not finite": 1, "a step has values missing": 1}
    assert "'elbow' of step 4" in damage.examples["actions not finite"][0]


def test_a_data_file_or_video_that_is_missing_is_named(tmp_path):
    root = write_dataset(tmp_path / "set")
    (root / "data/chunk-000/file-001.parquet").unlink()
    (root / "videos/observation.images.top/chunk-000/file-000.mp4").unlink()
    episodes, damage = read_all(LeRobotDataset(root))
    assert len(episodes) == 2 and damage.counts == {"data file is missing": 1}
    with pytest.raises(Damaged, match="video file is missing.*file-000.mp4"):
        list(episodes[0].frames("observation.images.top", [0]))


def test_an_older_version_and_an_empty_folder_say_what_to_do(tmp_path):
    with pytest.raises(InputError, match="convert"):
        LeRobotDataset(write_dataset(tmp_path / "set", version="v2.1")).units()
    with pytest.raises(InputError, match=r"info\.json: download"):
        LeRobotDataset(tmp_path / "nothing").units()
