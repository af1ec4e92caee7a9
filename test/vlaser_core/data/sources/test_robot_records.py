from __future__ import annotations

import pickle

import numpy as np
import pytest

from vlaser_core.data.robot.episode import Episode
from vlaser_core.data.source import Unit
from vlaser_core.data.sources import SOURCES, open_source
from vlaser_core.data.sources.robot import RobotRecords
from vlaser_core.errors import InputError

STATE = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")
MOVE = ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper")


def lit(steps):
    for step in steps:
        yield np.full((24, 32, 3), step * 4, np.uint8)


class Robots:
    name, licence, get = "robots", "none", "write some"

    def __init__(self, **changes):
        self.changes = changes

    def units(self):
        return [Unit("robots", "all", 6)]

    def episodes(self, unit, damage):
        for number in range(6):
            steps = 20
            grip = np.where(np.arange(steps) < 10, 1.0, 0.0)
            moves = np.zeros((steps, 7))
            moves[:, [0, 1, 2][number % 3]] = 0.03 * (1 if number < 3 else -1)
            moves[:, 6] = grip
            states = np.zeros((steps, 7))
            states[:, 6] = grip
            made = {"instructions": (f"task {number}",), "cameras": {"image_0": lit}} | self.changes
            yield Episode(f"e{number}", "robots", proprio=states, actions=moves, proprio_names=STATE, action_names=MOVE, rate_hz=5.0, **made)


def test_answers_follow_from_states_and_actions(kit):
    samples, damage = kit.read_all(RobotRecords(Robots(), moments=8, base_axes=True))
    assert not damage.counts
    ways = {"e0": "forward", "e1": "left", "e2": "up", "e3": "backward", "e4": "right", "e5": "down"}
    families = set()
    for sample in samples:
        record, answer = sample.record, sample.record.conversations[1].value
        families.add(record.family)
        episode, step = record.id.split(".")[:2]
        if record.family == "gripper_state":
            assert answer == ("open" if int(step) < 10 else "closed")
        if record.family == "next_gripper":
            assert answer == ("it closes" if 6 <= int(step) <= 10 else "it stays as it is")
        if record.family == "next_motion":
            assert answer == ways[episode]
        if record.family == "which_instruction":
            assert answer.endswith(f"task {episode[1:]}") and len(record.images) == 4
    assert families == {"gripper_state", "next_gripper", "next_motion", "which_instruction"}


def test_without_known_axes_no_direction_is_told_and_no_instruction_no_choice(kit):
    samples, _ = kit.read_all(RobotRecords(Robots(instructions=()), moments=8))
    assert {sample.record.family for sample in samples} == {"gripper_state", "next_gripper"}


def test_an_episode_without_the_camera_is_counted(kit):
    for data in (RobotRecords(Robots(), camera="wrist"), RobotRecords(Robots(cameras={}))):
        samples, damage = kit.read_all(data)
        assert not samples and damage.counts == {"camera missing": 6}


def test_every_registered_source_says_how_to_get_it_and_travels_to_workers(tmp_path):
    for name in SOURCES:
        source = pickle.loads(pickle.dumps(open_source(name, tmp_path)))
        with pytest.raises(InputError) as error:
            source.units()
        assert source.get in str(error.value), name
        assert source.licence and source.name
    with pytest.raises(InputError, match="unknown data source 'nope'.*robopoint"):
        open_source("nope", tmp_path)
