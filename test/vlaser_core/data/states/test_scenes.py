from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from vlaser_core.data.check import check
from vlaser_core.data.damaged import Damaged
from vlaser_core.data.families import CATEGORY, FAMILIES, conversation
from vlaser_core.data.states import Scenes, load_things, read_recording, write_recording
from vlaser_core.errors import ConfigError


def scenes(recording):
    return Scenes(recording, load_things())


def truths(states, **changes):
    found = scenes(states.recording(**changes))
    return {name: found.truth(number) for number, name in enumerate(states.frames)}


def test_things_are_where_the_state_and_the_pixels_say(states):
    truth = truths(states)["reach"]
    spoon, cloth = truth.object(states.names[0]), truth.object(states.names[1])
    x, y = states.pixel(spoon.position)
    x1, y1, x2, y2 = spoon.box
    assert x1 < 1000 * x / states.width < x2 and y1 < 1000 * y / states.height < y2
    assert (spoon.colour, spoon.kind, spoon.phrases) == ("", "spoon", ("spoon",))
    assert cloth.colour == "blue" and cloth.phrases == ("blue towel", "blue cloth", "towel", "cloth")
    assert spoon.size == (0.12, 0.03, 0.02) and spoon.position == (0.3, -0.1, 0.01) and spoon.support == "surface"
    assert spoon.camera_distance == pytest.approx(float(np.linalg.norm(states.eye - (0.3, -0.1, 0.01))), abs=1e-4)
    assert truth.gripper_height_mm == 200 and truth.openness == 1.0 and truth.gripper_position == (0.2, 0.1, 0.2)
    assert all(abs(value / 1000 - at) < 0.002 for value, at in zip(truth.grasp_point, (x / states.width, y / states.height), strict=True))


def test_phases_follow_from_where_things_are_and_what_is_close_to_call_has_none(states):
    phases = {name: truth.phase for name, truth in truths(states).items()}
    assert phases == {name: name for name in states.frames} | {"missed": "reach", "undecided": ""}


def test_a_size_that_is_not_known_is_not_asked_about(states):
    recording, rng = states.recording(), np.random.default_rng(4)
    extents = recording.extents.copy()
    extents[:, 1] = 0
    truth = scenes(dataclasses.replace(recording, extents=extents)).truth(0)
    assert [thing.size is None for thing in truth.objects] == [False, True, False] and truth.phase == ""
    for _ in range(5):
        turns = conversation(truth, rng, turns=len(FAMILIES))
        assert check(truth, turns) == [] and not {"plan", "phase"} & {turn.family for turn in turns}


def test_every_answer_about_recorded_states_is_borne_out(states):
    asked, rng = Counter(), np.random.default_rng(0)
    for truth in truths(states).values():
        for _ in range(7):
            turns = conversation(truth, rng, turns=len(FAMILIES))
            assert check(truth, turns) == []
            asked.update(turn.family for turn in turns)
    assert {CATEGORY[family] for family in asked} == {"grounding", "qa", "spatial", "planning"}
    # What this simulator does not tell is not asked: a grasp's angle, the reach; nothing is far from a quarter's borders.
    assert set(FAMILIES) - set(asked) <= {"affordance", "reachable", "ground_extreme", "ground_colour", "occluded", "taller", "region", "closest_to", "tidy"}
    assert {"plan", "recovery", "outcome", "fault", "gripper_state", "free_space", "spatial_robot", "presence"} <= set(asked)


def test_a_failed_attempt_is_told_and_mended(states):
    truth, rng = truths(states)["missed"], np.random.default_rng(1)
    turns = {turn.family: turn for _ in range(20) for turn in conversation(truth, rng, 9, ["outcome", "fault", "recovery"])}
    assert turns["outcome"].answer == "no" and turns["fault"].answer == "the gripper does not hold the spoon"
    assert turns["recovery"].answer.startswith("1. open the gripper\n2. reach the spoon <point>")


def test_before_a_photograph_nothing_is_said_to_be_absent_or_all(states):
    rng, asked = np.random.default_rng(2), Counter()
    for truth in truths(states, complete=False).values():
        for _ in range(5):
            turns = conversation(truth, rng, turns=len(FAMILIES))
            assert check(truth, turns) == []
            asked.update(turn.family for turn in turns)
    assert not set(asked) & {"presence", "presence_located", "count", "objects", "order", "extreme", "ground_extreme", "ground_kind", "feasible"}
    assert {"ground_box", "plan", "spatial_robot"} <= set(asked)


def test_of_two_arms_no_gripper_is_asked_about(states):
    recording = states.recording()
    away = np.array([[[0.2, -0.3, 0.3, 0, 0, 0, 1, 1.0]]] * len(recording))
    two = dataclasses.replace(
        recording, about=dataclasses.replace(recording.about, arms=2), grippers=np.concatenate([recording.grippers, away], axis=1),
        held=np.concatenate([recording.held, np.full_like(recording.held, -1)], axis=1),
    )  # fmt: skip
    found, rng, asked = scenes(two), np.random.default_rng(3), Counter()
    for number, phase in enumerate(states.frames):
        truth = found.truth(number)
        turns = [turn for _ in range(5) for turn in conversation(truth, rng, turns=len(FAMILIES))]
        assert check(truth, turns) == [] and truth.gripper_point is None
        assert truth.phase == {"missed": "reach", "undecided": ""}.get(phase, phase)
        asked.update(turn.family for turn in turns)
    assert not set(asked) & {"gripper_point", "gripper_state", "gripper_height", "gripper_side", "gripper_distance", "recovery", "outcome"}
    assert {"plan", "holding", "phase"} <= set(asked)


def test_how_much_of_a_hidden_thing_shows_is_never_guessed(states):
    apart = ((0.3, -0.1), 0.0, (0.6, -0.3, 0.2), 1.0, False, False, 0, False)  # nothing borders on anything
    recording = states.recording({"apart": apart, "done": states.frames["done"]})
    found = scenes(dataclasses.replace(recording, alone=np.full_like(recording.alone, -1)))
    assert {thing.visible_fraction for thing in found.truth(0).objects} == {1.0}
    with pytest.raises(Damaged, match="how much of a thing shows is not recorded: table_cloth.* in frame 1|recorded: bridge_spoon.* in frame 1"):
        found.truth(1)


def test_what_is_written_is_what_is_read(states, tmp_path):
    recording = states.recording()
    write_recording(tmp_path / "task" / "episode-000003", recording)
    again = read_recording(tmp_path / "task" / "episode-000003.npz")
    assert again.about == recording.about
    for name in ("images", "shown", "alone", "poses", "extents", "held", "support", "grippers", "camera", "intrinsics", "attempt", "success"):
        np.testing.assert_array_equal(getattr(again, name), getattr(recording, name))
    assert sorted(path.name for path in (tmp_path / "task").iterdir()) == ["episode-000003.json", "episode-000003.npz"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"shown": np.zeros((8, 4, 4), np.uint8)}, "array of a wrong shape: shown is"),
        ({"poses": np.full((8, 3, 7), np.nan)}, "array not finite: poses"),
        ({"held": np.full((8, 1), 3)}, "number out of range: held goes from 3 to 3"),
        ({"source": "hammer"}, "things do not fit the task"),
        ({"format": 2}, "recording of another format: 2, expected 1"),
    ],
)
def test_parts_that_do_not_fit_are_told(states, changes, reason):
    with pytest.raises(Damaged, match=reason):
        states.recording(**changes)


def test_a_thing_without_words_is_named_with_the_file_to_add_it_to(states):
    with pytest.raises(Damaged, match="thing without words: RoboTwin's 'bridge_spoon_generated_modified' is not in .*things.yaml"):
        scenes(states.recording(simulator="RoboTwin"))


@pytest.mark.parametrize(
    ("line", "fault"),
    [("{name: a, colour: teal, kind: mug}", "colour 'teal' is not one of red"), ("{name: a}", "state its kind, phrases, or ignored"), ("{name: a, kinds: mug}", "kinds")],
)
def test_a_line_of_words_that_is_wrong_is_told(tmp_path, line, fault):
    (tmp_path / "things.yaml").write_text(f"Sim:\n  - {line}\n")
    with pytest.raises(ConfigError, match=fault):
        load_things(tmp_path / "things.yaml")
