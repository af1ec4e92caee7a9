from __future__ import annotations

import json

import cv2
import h5py
import numpy as np
import pytest

from vlaser_core.data.robot.robotwin import JOINTS, RoboTwin
from vlaser_core.data.source import Damage
from vlaser_core.errors import InputError

STEPS = 6
RED = np.zeros((24, 32, 3), np.uint8)
RED[...] = (220, 30, 40)  # RGB as the simulator renders it


def encoded(pictures):
    """As the recorder does it: an RGB array handed to an encoder of BGR, padded to equal length."""
    data = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
    return np.array(data, dtype=f"S{max(map(len, data))}")


def vectors():
    return np.arange(STEPS)[:, None] / 10 + np.arange(14) / 100


def write_release(root, task="beat_block_hammer", setting="aloha-agilex_clean_50", episodes=2, instructions=True):
    folder = root / task / setting
    (folder / "data").mkdir(parents=True)
    (folder / "instructions").mkdir()
    for index in range(episodes):
        with h5py.File(folder / f"data/episode{index}.hdf5", "w") as file:
            vector = vectors() + index
            file["joint_action/vector"] = vector
            for name, columns in (("left_arm", vector[:, :6]), ("left_gripper", vector[:, 6]), ("right_arm", vector[:, 7:13]), ("right_gripper", vector[:, 13])):
                file[f"joint_action/{name}"] = columns
            for camera in ("head_camera", "left_camera", "right_camera"):
                file[f"observation/{camera}/rgb"] = encoded([RED] * STEPS)
                file[f"observation/{camera}/intrinsic_cv"] = np.zeros((STEPS, 3, 3))
        if instructions:
            content = {"seen": ["hit the block with the hammer", "use the hammer"], "unseen": ["strike the block"]}
            (folder / f"instructions/episode{index}.json").write_text(json.dumps(content))
    return folder


def write_newer(root):
    folder = root / "click_bell" / "aloha_agilex" / "data"
    folder.mkdir(parents=True)
    vector = vectors()
    with h5py.File(folder / "episode_0000000.hdf5", "w") as file:
        text = h5py.string_dtype(encoding="utf-8")
        file.create_dataset("instructions", data=json.dumps(["ring the bell"]), dtype=text)
        file.create_group("additional_info").create_dataset("frequency", data=np.asarray(15, np.int32))
        for group, rows in (("state", vector[:-1]), ("action", vector[1:])):
            file[f"{group}/left_arm_joint_states"], file[f"{group}/left_ee_joint_states"] = rows[:, :6], rows[:, 6:7]
            file[f"{group}/right_arm_joint_states"], file[f"{group}/right_ee_joint_states"] = rows[:, 7:13], rows[:, 13:]
        file["vision/cam_head/colors"] = encoded([RED] * (STEPS - 1))
        file["vision/cam_head/shape"] = np.array(RED.shape)


def read_all(data):
    damage = Damage()
    return [episode for unit in data.units() for episode in data.episodes(unit, damage)], damage


def test_an_action_is_the_joint_vector_that_the_next_step_reached(tmp_path):
    write_release(tmp_path)
    data = RoboTwin(tmp_path)
    assert [(unit.key, unit.items) for unit in data.units()] == [("beat_block_hammer-aloha-agilex_clean_50", 2)]
    episodes, damage = read_all(data)
    assert not damage.counts and len(episodes) == 2
    np.testing.assert_allclose(episodes[0].proprio, vectors()[:-1])
    np.testing.assert_allclose(episodes[0].actions, vectors()[1:])
    assert episodes[0].action_names == JOINTS and JOINTS[6] == "left_gripper" and JOINTS[13] == "right_gripper"
    assert episodes[0].instructions == ("hit the block with the hammer", "use the hammer")
    assert episodes[0].rate_hz == pytest.approx(16.67, abs=0.01)
    assert set(episodes[0].cameras) == {"head_camera", "left_camera", "right_camera"}


def test_an_episode_is_had_without_the_others(tmp_path):
    write_release(tmp_path)
    data = RoboTwin(tmp_path)
    wanted = "beat_block_hammer-aloha-agilex_clean_50.000001"
    (found,) = data.episodes(data.units()[0], Damage(), [wanted])
    assert found.id == wanted and found.proprio[0, 0] == pytest.approx(1.0)


def test_true_colours_are_the_simulators_and_swapped_ones_what_the_published_policy_saw(tmp_path):
    write_release(tmp_path, episodes=1)
    for colours, expected in (("true", [220, 30, 40]), ("swapped", [40, 30, 220])):
        (episode,), _ = read_all(RoboTwin(tmp_path, colours=colours))
        np.testing.assert_allclose(next(episode.frames("head_camera", [2]))[12, 16], expected, atol=4)


def test_the_newer_layout_gives_the_same_steps(tmp_path):
    write_newer(tmp_path)
    (episode,), damage = read_all(RoboTwin(tmp_path))
    assert not damage.counts
    np.testing.assert_allclose(episode.proprio, vectors()[:-1], atol=1e-6)
    np.testing.assert_allclose(episode.actions, vectors()[1:], atol=1e-6)
    assert episode.instruction == "ring the bell" and list(episode.cameras) == ["head_camera"]
    np.testing.assert_allclose(next(episode.frames("head_camera", [0]))[0, 0], [220, 30, 40], atol=4)


def test_unseen_wordings_are_for_tests_and_missing_ones_leave_the_episode_unlabelled(tmp_path):
    write_release(tmp_path / "a")
    write_release(tmp_path / "b", instructions=False)
    assert read_all(RoboTwin(tmp_path / "a", instructions="unseen"))[0][0].instructions == ("strike the block",)
    assert read_all(RoboTwin(tmp_path / "b"))[0][0].instruction == ""


def test_a_cut_file_a_robot_of_seven_joints_and_a_short_camera_are_counted(tmp_path):
    folder = write_release(tmp_path, episodes=4)
    first = folder / "data/episode0.hdf5"
    first.write_bytes(first.read_bytes()[:500])
    with h5py.File(folder / "data/episode1.hdf5", "a") as file:
        del file["joint_action/vector"]
        file["joint_action/vector"] = np.zeros((STEPS, 16))
    with h5py.File(folder / "data/episode2.hdf5", "a") as file:
        del file["observation/left_camera/rgb"]
        file["observation/left_camera/rgb"] = encoded([RED] * 2)
    episodes, damage = read_all(RoboTwin(tmp_path))
    assert [episode.id[-6:] for episode in episodes] == ["000003"]
    assert damage.counts == {"HDF5 file cannot be read": 1, "another robot": 1, "pictures missing": 1}


def test_an_empty_folder_says_what_to_get(tmp_path):
    with pytest.raises(InputError, match="RoboTwin2.0"):
        RoboTwin(tmp_path).units()
