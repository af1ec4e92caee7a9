"""What becomes of a replayed SimplerEnv episode; the simulator itself is stood in for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sim_bridge.simpler.suites import suite
from sim_bridge.states.simpler import REPLAY, Plan, attempt, path_of, recording_of, spoilt
from vlaser_core.data.check import check
from vlaser_core.data.families import FAMILIES, conversation
from vlaser_core.data.states import Scenes, load_things, read_recording, write_recording
from vlaser_core.data.states.recording import ARM, FIRST, NOTHING, SCENERY, TOP

OPEN, SHUT = 1.0, -1.0
EPISODE = next(episode for episode in suite("widowx") if episode.task == "widowx_carrot_on_plate")


@pytest.fixture(scope="module")
def replay():
    """The program that runs in the simulator's Python, imported here."""
    spec = importlib.util.spec_from_file_location("replay_main", REPLAY / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(*runs):
    """Actions whose gripper does (command, how often) one after the other."""
    actions = np.zeros((sum(count for _, count in runs), 7))
    actions[:, 6] = np.concatenate([np.full(count, value) for value, count in runs])
    return actions


@pytest.mark.parametrize(
    ("runs", "held", "tried"),
    [
        ([(OPEN, 9)], [False], 0),
        ([(OPEN, 9), (SHUT, 1)], [False], 0),  # the fingers are still closing
        ([(OPEN, 9), (SHUT, 5)], [False, False], 1),
        ([(OPEN, 9), (SHUT, 5)], [False, True], 1),
        ([(OPEN, 9), (SHUT, 15)], [False, True, True], 2),
        ([(OPEN, 9), (SHUT, 15)], [False, False], 0),  # it never had hold of anything
        ([(OPEN, 9), (SHUT, 15), (OPEN, 5)], [True, True, False], 3),
        ([(OPEN, 9), (SHUT, 15), (OPEN, 20)], [True, True, False], 0),
    ],
)
def test_what_was_just_tried_follows_from_commands_and_hold(runs, held, tried):
    assert attempt(commands(*runs)[:, 6], np.array(held), 0.3) == tried


def test_fingers_that_have_not_moved_yet_have_not_failed():
    assert attempt(commands((OPEN, 9), (SHUT, 5))[:, 6], np.array([False, False]), 0.99) == 0


def test_a_spoilt_episode_differs_in_its_gripper_alone_and_there_for_a_reason():
    actions, kinds = commands((OPEN, 12), (SHUT, 20), (OPEN, 8)), set()
    for seed in range(20):
        done = spoilt(actions, np.random.default_rng(seed))
        np.testing.assert_array_equal(done[:, :6], actions[:, :6])
        early, dropped = done[:12, 6].min() < 0, (done[12:32, 6] > 0).any()
        assert early != dropped, "it closes too early, or lets go on the way"
        kinds.add("early" if early else "dropped")
    assert kinds == {"early", "dropped"}
    np.testing.assert_array_equal(spoilt(commands((OPEN, 5)), np.random.default_rng(0)), commands((OPEN, 5)))


@pytest.fixture
def replayed():
    """(about, arrays) as `replay` writes them: a carrot beside a plate, then in the hand."""
    height, width, frames = 60, 80, 2
    actors = np.full((frames, height, width), 1, np.uint16)  # 1: the table and the room
    actors[:, 30:36, 20:40], actors[:, 30:50, 50:70], actors[:, 0:20, 30:34] = 5, 6, 3
    tall = np.zeros((frames, height, width), np.float32)
    tall[:, :10] = 0.4  # a wall behind the table is of the same actor
    pose = np.tile(np.eye(4), (frames, 2, 1, 1))
    pose[:, 0, :3, 3], pose[:, 1, :3, 3] = (0.3, 0.1, 0.02), (0.3, -0.1, 0.01)
    pose[1, 0, 2, 3] = 0.15
    camera = np.tile(np.array([[0, -1, 0, 0], [-1, 0, 0, 0.3], [0, 0, -1, 1.0]]), (frames, 1, 1))
    tool = np.tile(np.eye(4), (frames, 1, 1))
    tool[:, :3, 3] = (0.3, 0.1, 0.15)
    about = {
        "things": ["bridge_carrot_generated_modified", "bridge_plate_objaverse_larger"], "ids": [5, 6], "robot_ids": [2, 3], "surface_ids": [1],
        "scenery_ids": [9], "surface_height": 0.0, "source": "bridge_carrot_generated_modified", "target": "bridge_plate_objaverse_larger",
        "overlay": "/data/real_inpainting/bridge_real_eval_1.png", "instruction": "put carrot on plate",
    }  # fmt: skip
    arrays = {
        "images": np.zeros((frames, height, width, 3), np.uint8), "actors": actors, "heights": tall, "alone": np.full((frames, 2), -1), "poses": pose,
        "extents": np.tile([[0.1, 0.03, 0.03], [0.11, 0.11, 0.02]], (frames, 1, 1)), "held": np.array([[False, False], [True, False]]),
        "support": np.array([[-1, -1], [-1, -1]]), "tool": tool, "openness": np.array([1.0, 0.3]), "camera": camera,
        "intrinsics": np.tile(np.array([[70.0, 0, 40], [0, 70, 30], [0, 0, 1]]), (frames, 1, 1)), "steps": np.array([9, 14]),
        "success": np.array([False, False]),
    }  # fmt: skip
    return about, arrays


def test_a_replayed_episode_becomes_a_recording_that_can_be_asked_about(replayed, tmp_path):
    plan = Plan(EPISODE, commands((OPEN, 9), (SHUT, 5)), (9, 14))
    recording = recording_of(plan, *replayed)
    assert set(np.unique(recording.shown)) == {NOTHING, TOP, ARM, FIRST, FIRST + 1}
    assert (recording.shown[0, 5, 5], recording.shown[0, 25, 5]) == (NOTHING, TOP), "of what is one actor, only the level part is the table's top"
    assert recording.held.tolist() == [[-1], [0]] and recording.support.tolist() == [[-1, -1], [-2, -1]] and recording.attempt.tolist() == [0, 1]
    assert recording.about.complete and recording.about.source == "bridge_carrot_generated_modified"
    write_recording(path_of(tmp_path, EPISODE), recording)
    scenes, rng = Scenes(read_recording(tmp_path / "widowx_carrot_on_plate" / "episode-000240.npz"), load_things()), np.random.default_rng(0)
    assert (scenes.truth(0).phase, scenes.truth(1).phase) == ("descend", "carry")
    for frame in (0, 1):
        assert check(scenes.truth(frame), conversation(scenes.truth(frame), rng, len(FAMILIES))) == []


def test_before_a_photograph_of_more_and_for_a_helper_as_goal_less_is_said(replayed):
    about, arrays = replayed
    sink = recording_of(Plan(EPISODE, commands((OPEN, 13)), (9, 13)), about | {"overlay": "bridge_sink.png", "target": "dummy_sink_target_plane"}, arrays)
    assert not sink.about.complete and sink.about.source == sink.about.target == ""
    arrays["actors"][:, 20:60, 0:10] = 9
    assert SCENERY in recording_of(Plan(EPISODE, commands((OPEN, 13)), (9, 13)), about, arrays).shown


def shape(vertices, scale=1.0, at=np.eye(4)):
    geometry = SimpleNamespace(vertices=np.array(vertices, float), scale=np.full(3, scale))
    return SimpleNamespace(geometry=geometry, get_local_pose=lambda: SimpleNamespace(to_transformation_matrix=lambda: at))


def test_a_thing_is_measured_as_it_lies(replay):
    turned = np.eye(4)
    turned[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # its x axis heads along y
    turned[:3, 3] = (0.5, 0.2, 0.1)
    rod = shape([[0, 0, 0], [4, 0, 1], [0, 0, 1], [4, 0, 0], [2, 1, 0]], scale=0.05)
    actor = SimpleNamespace(pose=SimpleNamespace(to_transformation_matrix=lambda: turned), get_collision_shapes=lambda: [rod])
    pose, extents = replay.as_it_lies(actor, np.eye(4))
    np.testing.assert_allclose(extents, (0.2, 0.05, 0.05))
    np.testing.assert_allclose(pose[:3, 3], (0.475, 0.3, 0.125))
    np.testing.assert_allclose(pose[:3, :3], turned[:3, :3])
    box = SimpleNamespace(geometry=SimpleNamespace(half_lengths=[0.1, 0.2, 0.3]), get_local_pose=rod.get_local_pose)
    assert np.ptp(replay.corners_of(box), axis=0).tolist() == [0.2, 0.4, 0.6]
    with pytest.raises(TypeError, match="SimpleNamespace"):
        replay.corners_of(SimpleNamespace(geometry=SimpleNamespace(), get_local_pose=rod.get_local_pose))


class Drawn:
    """Actors of a flat world: each covers a rectangle, later ones cover earlier ones."""

    def __init__(self, name, number, rows, columns):
        self.name, self.id, self.rows, self.columns, self.hidden = name, number, rows, columns, False

    def hide_visual(self):
        self.hidden = True

    def unhide_visual(self):
        self.hidden = False


def test_how_much_would_show_alone_is_drawn_only_where_something_may_hide_a_part(replay):
    table = Drawn("arena", 1, slice(0, 40), slice(0, 40))
    near, hidden, apart = Drawn("a", 5, slice(10, 20), slice(10, 20)), Drawn("b", 6, slice(10, 20), slice(15, 30)), Drawn("c", 7, slice(30, 35), slice(5, 9))
    order = [table, hidden, near, apart]

    def actors():
        drawn = np.zeros((40, 40), np.uint16)
        for actor in order:
            if not actor.hidden:
                drawn[actor.rows, actor.columns] = actor.id
        return drawn

    world = SimpleNamespace(
        arena=table, get_actors=lambda: order, update_render=lambda: None, agent=SimpleNamespace(robot=SimpleNamespace(get_links=lambda: []))
    )
    eye = SimpleNamespace(take_picture=lambda: None, get_images=lambda: {"Segmentation": np.stack([actors(), actors()], axis=-1)})
    things, seen = {actor.name: actor for actor in order[1:]}, actors()
    assert replay.alone(world, eye, seen, things, "b") == 150 and int((seen == 6).sum()) == 100
    assert replay.alone(world, eye, seen, things, "c") == -1
    assert not any(actor.hidden for actor in order)
