from __future__ import annotations

import json
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from vlaser_core.data.robot.episode import action_chunks, statistics_of
from vlaser_core.data.robot.open_x import Bridge, Fractal, absolute_gripper, binary_gripper, state_differences
from vlaser_core.data.robot.pictures import PictureReader
from vlaser_core.data.robot.samples import collect
from vlaser_core.data.robot.tfrecord import parse_example, read_records, write_record
from vlaser_core.data.source import Damage
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_core.processing.normalization import load_statistics, save_statistics

SHARED = Path(__file__).resolve().parents[4].parent / "shared"


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def example(features):
    entries = b""
    for name, values in features.items():
        if isinstance(values, list):
            content = field(1, b"".join(field(1, value) for value in values))
        elif values.dtype.kind == "f":
            content = field(2, field(1, values.astype("<f4").tobytes()))
        else:
            content = field(3, field(1, b"".join(varint(int(value) & (1 << 64) - 1) for value in values.ravel())))
        entries += field(1, field(1, name.encode()) + field(2, content))
    return field(1, entries)


def tensor(*shape, dtype="float32"):
    return {"tensor": {"shape": {"dimensions": [str(size) for size in shape]} if shape else {}, "dtype": dtype, "encoding": "none"}}


TEXT, IMAGE = {"text": {}}, {"image": {"shape": {"dimensions": ["16", "16", "3"]}, "dtype": "uint8", "encodingFormat": "jpeg"}}
BRIDGE = {
    "steps/observation/image_0": IMAGE, "steps/observation/image_1": IMAGE, "steps/observation/state": tensor(7), "steps/action": tensor(7),
    "steps/language_instruction": TEXT, "steps/is_first": tensor(dtype="bool"), "episode_metadata/has_image_1": tensor(dtype="bool"),
}  # fmt: skip
FRACTAL = {
    "steps/observation/image": IMAGE, "steps/observation/natural_language_instruction": tensor(dtype="string"), "steps/observation/base_pose_tool_reached": tensor(7),
    "steps/observation/gripper_closed": tensor(1), "steps/action/world_vector": tensor(3), "steps/action/rotation_delta": tensor(3),
    "steps/action/gripper_closedness_action": tensor(1),
}  # fmt: skip


def features_json(leaves):
    """The nested tree that TensorFlow Datasets writes, from flat names."""
    root = {"featuresDict": {"features": {}}}
    for name, leaf in leaves.items():
        node = root
        *folders, last = name.split("/")
        for folder in folders:
            children = node["featuresDict"]["features"]
            if folder == "steps":
                node = children.setdefault(folder, {"sequence": {"feature": {"featuresDict": {"features": {}}}, "length": "-1"}})["sequence"]["feature"]
            else:
                node = children.setdefault(folder, {"featuresDict": {"features": {}}})
        node["featuresDict"]["features"][last] = leaf
    return root


def write_rlds(root, name, leaves, shards):
    """shards: lists of episodes, each a dict of features; dataset_info.json announces them all."""
    folder = root / name / "1.0.0"
    folder.mkdir(parents=True)
    info = {"fileFormat": "tfrecord", "name": name, "version": "1.0.0", "splits": [{"name": "train", "numBytes": "1",
            "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}", "shardLengths": [str(len(shard)) for shard in shards]}]}  # fmt: skip
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "features.json").write_text(json.dumps(features_json(leaves)))
    for index, shard in enumerate(shards):
        path = folder / f"{name}-train.tfrecord-{index:05d}-of-{len(shards):05d}"
        path.write_bytes(b"".join(write_record(example(episode)) for episode in shard))
    return folder


def jpeg(value):
    return cv2.imencode(".jpg", np.dstack([np.full((16, 16), part, np.uint8) for part in (10, 10, value)]))[1].tobytes()


def bridge_episode(states, grip, text="put the carrot on the plate"):
    steps = len(states)
    actions = np.column_stack([np.full((steps, 6), 9.0), grip])
    return {
        "steps/observation/image_0": [jpeg(60 + 20 * step) for step in range(steps)],
        "steps/observation/image_1": [jpeg(0)] * steps,
        "steps/observation/state": np.asarray(states, np.float32).ravel(),
        "steps/action": actions.astype(np.float32).ravel(),
        "steps/language_instruction": [text.encode()] * steps,
        "steps/is_first": np.eye(1, steps, dtype=np.int64)[0],
        "episode_metadata/has_image_1": np.array([0]),
    }


def states(count, start=0.0):
    ramp = start + np.arange(count) ** 2 / 100
    return np.column_stack([ramp + offset for offset in range(6)] + [np.ones(count)])


def read_all(data):
    damage = Damage()
    return [episode for unit in data.units() for episode in data.episodes(unit, damage)], damage


def test_an_example_keeps_bytes_floats_and_negative_integers():
    numbers = np.array([1.5, -2.25, 3e8], np.float32)
    parsed = parse_example(example({"a/text": [b"", b"\xff\x00"], "f": numbers, "i": np.array([-3, 0, 1 << 40])}))
    assert parsed["a/text"] == [b"", b"\xff\x00"]
    assert parsed["f"].tolist() == numbers.tolist() and parsed["i"].tolist() == [-3, 0, 1 << 40]


def test_the_checksum_is_crc32c_as_tensorflow_masks_it(tmp_path):
    # A record of an empty string, as TensorFlow's writer stores it: both masked sums are known constants.
    assert write_record(b"").hex() == "0000000000000000" + struct.pack("<I", 0x07980329).hex() + struct.pack("<I", 0xA282EAD8).hex()


def test_bridge_actions_are_reached_differences_with_a_binary_gripper_and_no_last_step(tmp_path):
    grip = np.array([1.0, 0.6, 0.3, 0.0, 0.5, 1.0, 0.97])
    write_rlds(tmp_path, "bridge_dataset", BRIDGE, [[bridge_episode(states(7), grip)]])
    (episode,), damage = read_all(Bridge(tmp_path))
    assert not damage.counts and len(episode) == 6
    # t² / 100 has differences (2t + 1) / 100; what the file calls action (9.0) is nowhere left.
    np.testing.assert_allclose(episode.actions[:, 0], [0.01, 0.03, 0.05, 0.07, 0.09, 0.11], atol=1e-6)
    assert episode.actions[:, 6].tolist() == [1, 0, 0, 0, 1, 1]
    np.testing.assert_allclose(episode.proprio, states(7)[:-1], atol=1e-6)
    assert list(episode.cameras) == ["image_0"], "a view that episode_metadata says is absent is black filler"
    reds = [frame[8, 8, 0] for frame in episode.frames("image_0")]
    np.testing.assert_allclose(reds, [60, 80, 100, 120, 140, 160], atol=3)
    assert episode.instruction == "put the carrot on the plate" and episode.rate_hz == 5


@pytest.mark.parametrize(
    ("commands", "expected"),
    [([1, 0.5, 0.0, 0.5], [1, 0, 0, 0.5]), ([0.4, 0.4], [0.4, 0.4]), ([0.94, 0.96, 0.06, 0.04], [1, 1, 0, 0])],
)
def test_a_gripper_in_between_takes_the_state_it_reaches_and_an_undecided_tail_its_last_value(commands, expected):
    assert binary_gripper(np.array(commands)).tolist() == expected


@pytest.mark.parametrize(
    ("commands", "expected"),
    [([0, 0, 1, 0, -1, 0], [1, 1, 0, 0, 1, 1]), ([0, -1, 0.05, 1], [0, 1, 1, 0]), ([0, 0.1, -0.1], [1, 1, 1])],
)
def test_relative_closing_becomes_absolute_openness(commands, expected):
    assert absolute_gripper(np.array(commands)).tolist() == expected


def test_an_episode_is_had_without_reading_the_others(tmp_path):
    """Its samples' pictures as well, from a shard another record of which is torn by then."""
    ramps = [bridge_episode(np.column_stack([states(6, start)[:, :6] / 4, np.ones(6)]), np.ones(6)) for start in (0.0, 0.2, 0.4)]
    folder = write_rlds(tmp_path, "bridge_dataset", BRIDGE, [ramps])
    data = Bridge(tmp_path)
    samples = collect([data], load_embodiment("widowx"), Damage())
    shard = next(folder.glob("*.tfrecord-*"))
    torn = bytearray(shard.read_bytes())
    torn[40] ^= 0xFF
    shard.write_bytes(torn)
    damage = Damage()
    (found,) = data.episodes(data.units()[0], damage, ["train-00000-00001"])
    assert found.id == "train-00000-00001" and not damage.counts and len(samples) == 15
    with PictureReader([data], samples, ("image_0",), 8, "area") as reader:
        images, present = reader.read(np.array([7, 14]))
    # Step 2 of the second and step 4 of the third episode: 60 + 20 · step, but for JPEG's rounding.
    assert present.all() and [round((int(image[0, 0, 0, 0]) - 60) / 20) for image in images] == [2, 4]


def test_an_angle_past_pi_jumps_as_published_and_not_when_wrapped():
    turning = np.zeros((2, 7))
    turning[:, 5] = 3.1, -3.1
    assert state_differences(turning)[0, 5] == pytest.approx(-6.2)
    assert state_differences(turning, wrap_angles=True)[0, 5] == pytest.approx(2 * np.pi - 6.2)


def test_fractal_joins_its_parts_and_keeps_closedness(tmp_path):
    steps = 4
    episode = {
        "steps/observation/image": [jpeg(100)] * steps,
        "steps/observation/natural_language_instruction": [b"pick coke can"] * steps,
        "steps/observation/base_pose_tool_reached": np.arange(28, dtype=np.float32),
        "steps/observation/gripper_closed": np.array([0, 0, 0.5, 1], np.float32),
        "steps/action/world_vector": np.full(12, 0.1, np.float32),
        "steps/action/rotation_delta": np.full(12, 0.2, np.float32),
        "steps/action/gripper_closedness_action": np.array([0, 1, 0, 0], np.float32),
    }
    write_rlds(tmp_path, "fractal20220817_data", FRACTAL, [[episode]])
    (found,), damage = read_all(Fractal(tmp_path))
    assert not damage.counts and len(found) == 4
    np.testing.assert_allclose(found.actions[1], [0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0], atol=1e-6)
    assert found.actions[:, 6].tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(found.proprio[2], [14, 15, 16, 17, 18, 19, 20, 0.5])


def test_a_flipped_byte_costs_one_episode_and_a_cut_file_is_told(tmp_path):
    folder = write_rlds(tmp_path, "bridge_dataset", BRIDGE, [[bridge_episode(states(4), np.ones(4)) for _ in range(3)]] * 2)
    first, second = sorted(folder.glob("*.tfrecord-*"))
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 0x40
    first.write_bytes(data)
    second.write_bytes(second.read_bytes()[:-10])
    episodes, damage = read_all(Bridge(tmp_path))
    assert [episode.id for episode in episodes] == ["train-00000-00000", "train-00000-00002", "train-00001-00000", "train-00001-00001"]
    assert damage.counts == {"record checksum is wrong": 1, "TFRecord file is cut off": 1}


def test_a_missing_shard_a_short_one_and_non_finite_states_are_counted(tmp_path):
    bad = states(4)
    bad[2, 1] = np.inf
    folder = write_rlds(tmp_path, "bridge_dataset", BRIDGE, [[bridge_episode(states(4), np.ones(4))] * 2, [bridge_episode(bad, np.ones(4))], [bridge_episode(states(4), np.ones(4))]])
    shards = sorted(folder.glob("*.tfrecord-*"))
    shards[0].write_bytes(next(write_record(record) for record in read_records(shards[0])))
    shards[2].unlink()
    episodes, damage = read_all(Bridge(tmp_path))
    assert len(episodes) == 1
    assert damage.counts == {"shard is shorter than announced": 1, "proprio not finite": 1, "shard is missing": 1}


def test_nothing_and_another_data_set_say_what_to_do(tmp_path):
    with pytest.raises(InputError, match="bridge_dataset.*rail.eecs.berkeley.edu"):
        Bridge(tmp_path).units()
    write_rlds(tmp_path, "bridge_dataset", FRACTAL, [[]])
    with pytest.raises(InputError, match="steps/observation/state.*not bridge_dataset"):
        Bridge(tmp_path).units()


def test_statistics_are_those_of_a_hand_count_and_of_the_published_schema(tmp_path):
    write_rlds(tmp_path, "bridge_dataset", BRIDGE, [[bridge_episode(states(5), np.ones(5)), bridge_episode(states(5, 1.0), np.zeros(5), text="")]])
    statistics = statistics_of(Bridge(tmp_path), Damage())
    assert (statistics.num_transitions, statistics.num_trajectories) == (8, 2)
    moved = np.array([0.01, 0.03, 0.05, 0.07] * 2)
    assert statistics.action.p99[0] == pytest.approx(np.quantile(moved, 0.99)) and statistics.action.mean[6] == pytest.approx(0.5)
    assert statistics_of(Bridge(tmp_path), Damage(), labelled_only=True).num_trajectories == 1
    save_statistics(statistics, tmp_path / "ours.json")
    if not (SHARED / "statistics/bridge_statistics.json").is_file():
        pytest.skip("published statistics are not at hand")
    published = load_statistics(SHARED / "statistics/bridge_statistics.json")
    assert published.action.p01.shape == load_statistics(tmp_path / "ours.json").action.p01.shape
    assert published.action.max[5] > 6.2, "the published angles are plain differences, not wrapped"


def test_chunks_repeat_the_last_action_and_say_so():
    chunks, real = action_chunks(np.arange(3.0)[:, None], 4)
    assert chunks[1, :, 0].tolist() == [1, 2, 2, 2] and real[1].tolist() == [True, True, False, False]
