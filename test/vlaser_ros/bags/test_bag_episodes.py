"""Bags as training data: steps, actions and pictures are those of the recording, and what is broken is counted."""

from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.data.robot.checks import check_episode, require
from vlaser_core.data.source import Damage
from vlaser_core.errors import InputError
from vlaser_core.kinematics import Kinematics
from vlaser_core.processing.actions import deltas_between
from vlaser_core.processing.proprio import proprio_from_joints
from vlaser_ros.bags.episodes import BagEpisodes
from vlaser_ros.bags.views import BagViews
from vlaser_ros.commands.data_sources import open_source

from .conftest import ROBOT, START, picture, sway, told


def read_all(data):
    damage = Damage()
    return [episode for unit in data.units() for episode in data.episodes(unit, damage)], damage


def test_steps_are_a_step_apart_and_an_action_leads_to_the_next_state(tmp_path, episode):
    made = episode(3.0)
    made.add(START, "/vlaser/world_state", told("stack the cubes"))
    made.write(tmp_path / "a.mcap")
    (found,), _ = read_all(BagEpisodes(tmp_path))
    assert found.instruction == "stack the cubes" and found.rate_hz == 5
    np.testing.assert_allclose(np.diff(found.times), 0.2, atol=1e-6)
    assert len(found) == 14, "views at 0.0 … 2.8 s, of which the joint states lead on from all but the last"
    kinematics = Kinematics(ROBOT.arms[0])
    for step in (0, 5, 13):
        stamp = START + found.times[step]
        poses = np.array([kinematics.forward(sway(stamp)), kinematics.forward(sway(stamp + 0.2))])
        np.testing.assert_allclose(found.actions[step], [*deltas_between(poses)[0], 1.0], atol=1e-4)
        np.testing.assert_allclose(found.proprio[step], proprio_from_joints(ROBOT, sway(stamp), np.ones(1)), atol=1e-4)
    assert check_episode(found, ROBOT) == []


def test_pictures_are_those_of_their_steps_when_they_are_asked_for(tmp_path, episode):
    episode(2.0).write(tmp_path / "a.mcap")
    (found,), _ = read_all(BagEpisodes(tmp_path / "a.mcap"))
    for step, frame in zip((1, 4), found.frames("image_0", [1, 4]), strict=True):
        np.testing.assert_array_equal(frame, picture(2 * step))


def test_bags_are_a_source_of_vlaser_data(tmp_path, episode):
    episode(3.0).write(tmp_path / "bags" / "a.mcap")
    source, damage = open_source("bags", tmp_path, 0), Damage()
    samples = [sample for unit in source.units() for sample in source.read(unit, damage, 0)]
    assert {sample.record.family for sample in samples} >= {"gripper_state", "next_gripper"} and not damage.counts
    assert all(sample.record.source == "bags" and sample.pictures for sample in samples)
    with pytest.raises(InputError, match="no bag .* at .*none/bags: record some"):
        open_source("bags", tmp_path / "none", 0).units()
    with pytest.raises(InputError, match="unknown source 'bag'; known: tabletop, elsewhere, bags, bridge"):
        open_source("bag", tmp_path, 0)


def test_a_new_instruction_a_gap_and_a_jump_begin_new_episodes(tmp_path, episode):
    def jumping(time):
        joints = sway(time)
        joints[0] += 0.8 * (time > START + 4.5)
        return joints

    made = episode(6.0, joints_at=jumping)
    made.add(START, "/vlaser/world_state", told("one"))
    made.add(START + 1.5, "/vlaser/world_state", told("two"))
    made.messages = [entry for entry in made.messages if not (entry[1].endswith("image_raw") and START + 2.45 < entry[0] < START + 3.35)]
    made.write(tmp_path / "a.mcap")
    found, damage = read_all(BagEpisodes(tmp_path))
    assert [each.instruction for each in found] == ["one", "two", "two", "two"]
    assert damage.counts["the arm moved further in a step than the contract allows"] >= 1
    assert max(np.abs(each.actions[:, :3]).max() for each in found) < 0.05
    assert len({each.id for each in found}) == 4


def test_bags_that_cannot_be_used_are_counted_and_an_unlabelled_one_takes_the_users_words(tmp_path, episode):
    episode(2.0).write(tmp_path / "good.mcap")
    episode(2.0, contract=None, image_topic="/other", joint_topic="/states").write(tmp_path / "nameless.mcap")
    (tmp_path / "cut.mcap").write_bytes((tmp_path / "good.mcap").read_bytes()[:400])
    found, damage = read_all(BagEpisodes(tmp_path, instruction="wave"))
    assert [each.instruction for each in found] == ["wave"] and damage.counts["bag cannot be used"] == 2
    data = BagEpisodes(tmp_path / "nameless.mcap", embodiment="widowx", images={"image_0": "/other"}, joints="/states")
    require(data, ROBOT, Damage())


def test_an_empty_folder_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="vlaser record"):
        BagEpisodes(tmp_path).units()


def test_a_bag_is_read_through_once_for_all_its_episodes(tmp_path, episode, monkeypatch):
    """In order, and as often as there is a way back."""
    made = episode(4.0)
    made.add(START, "/vlaser/world_state", told("one thing"))
    made.add(START + 2.0, "/vlaser/world_state", told("another"))
    made.write(tmp_path / "a.mcap")
    found, _ = read_all(BagEpisodes(tmp_path / "a.mcap"))
    assert [one.instruction for one in found] == ["one thing", "another"]
    passes = []
    begin = BagViews.__iter__
    monkeypatch.setattr(BagViews, "__iter__", lambda self: passes.append(self) or begin(self))
    shown = [frame for one in found for frame in one.frames("image_0")]
    assert len(passes) == 1 and len(shown) == len(found[0]) + len(found[1])
    np.testing.assert_array_equal(next(found[0].frames("image_0", [2])), picture(4))
    assert len(passes) == 2
