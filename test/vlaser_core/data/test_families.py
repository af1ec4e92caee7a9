from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from vlaser_core.data.check import check, check_policy_answer
from vlaser_core.data.families import FAMILIES, Turn, conversation, corpus, policy_answer
from vlaser_core.data.synthetic import synthetic_truth, without_pixels
from vlaser_core.data.truth import PHASES
from vlaser_core.errors import InputError
from vlaser_core.reasoning.parse import parse_plan, parse_policy_answer


def scenes(count: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return [(synthetic_truth(rng), rng) for _ in range(count)]


def test_checker_agrees_with_every_generated_answer_and_every_family_occurs():
    asked: dict[str, set[str]] = {}
    for truth, rng in scenes(2500):
        turns = conversation(truth, rng, turns=len(FAMILIES))
        assert check(truth, turns) == []
        assert check_policy_answer(truth, policy_answer(truth)) == []
        for turn in turns:
            asked.setdefault(turn.family, set()).add(turn.answer)
    assert set(asked) == set(FAMILIES)
    assert asked["presence"] == asked["spatial_image"] == asked["spatial_robot"] == asked["done"] == {"yes", "no"}
    assert "not visible" in asked["ground_box"] & asked["ground_point"] & asked["affordance"]
    assert "it is held" in asked["affordance"]


def test_checker_reports_answers_taken_from_another_scene():
    wrong, total = {}, {}
    for (truth, rng), (other, _) in itertools.pairwise(scenes(1500, seed=3)):
        if other.task != truth.task:
            continue
        moved = dataclasses.replace(truth, objects=other.objects, phase=other.phase, success=other.success, openness=other.openness)
        fields = ("grasp_point", "release_point", "gripper_point", "gripper_height_mm", "grasp_angle_deg")
        moved = dataclasses.replace(moved, **{field: getattr(other, field) for field in fields})
        turns = conversation(truth, rng, turns=len(FAMILIES))
        for turn in turns:
            total[turn.family] = total.get(turn.family, 0) + 1
        for fault in check(moved, turns):
            wrong[fault.family] = wrong.get(fault.family, 0) + 1
        if policy_answer(moved) != policy_answer(truth):
            assert check_policy_answer(moved, policy_answer(truth))
    for family in ("ground_box", "ground_point", "gripper_point", "gripper_height", "affordance", "placement"):
        assert wrong[family] > 0.7 * total[family]
    for family in ("phase", "plan", "next_action", "gripper_state", "nearest", "spatial_image", "spatial_robot", "done"):
        assert wrong[family] > 0.05 * total[family]


def test_an_unknown_family_is_a_disagreement_not_a_pass():
    (truth, _), = scenes(1)
    assert check(truth, [Turn("invented", "What?", "that")])


def test_a_covered_object_is_said_not_visible_and_never_denied():
    for truth, rng in scenes(300, seed=5):
        hidden = without_pixels(truth, truth.source)
        for turn in conversation(hidden, rng, turns=len(FAMILIES)):
            named = any(phrase in turn.question for phrase in hidden.object(hidden.source).phrases)
            if turn.family in ("ground_box", "ground_point") and named:
                assert turn.answer == "not visible"
            if turn.family == "presence" and turn.answer == "no":
                assert not named


@pytest.mark.parametrize("phase", PHASES)
def test_plan_answers_parse_back_to_the_steps_left(phase):
    (truth, rng), = scenes(1, seed=8)
    truth = dataclasses.replace(truth, phase=phase, success=phase == "done", grasp_point=(10, 20), release_point=(990, 1000))
    (turn,) = conversation(truth, rng, turns=1, families=["plan"])
    plan = parse_plan(turn.answer, truth.instruction)
    assert plan.malformed == ()
    expected = {"reach": 6, "descend": 5, "grasp": 5, "lift": 4, "carry": 3, "lower": 2, "release": 1, "retreat": 1, "done": 0}[phase]
    assert len(plan.steps) == expected
    if phase == "reach":
        assert plan.steps[0].point == (10, 20) and plan.steps[3].point == (990, 1000)
        assert plan.steps[0].target == truth.object(truth.source).phrases[0]
        assert plan.steps[3].target == truth.object(truth.target).phrases[0]


def test_policy_answer_reads_back_exactly():
    for truth, _ in scenes(400, seed=2):
        read = parse_policy_answer(policy_answer(truth))
        held = truth.object(truth.source).held
        assert read is not None and read.held == held
        assert read.grasp == (None if held else truth.grasp_point)
        assert (read.angle_deg, read.release, read.gripper) == (truth.grasp_angle_deg, truth.release_point, truth.gripper_point)
        assert (read.height_mm, read.phase) == (truth.gripper_height_mm, truth.phase)


@pytest.mark.parametrize("changes", [{"gripper_height_mm": 1001}, {"gripper_height_mm": -1}, {"grasp_angle_deg": 180}, {"phase": "flying"}])
def test_a_scene_off_the_scale_is_refused_not_clipped(changes):
    (truth, _), = scenes(1)
    with pytest.raises(InputError):
        policy_answer(dataclasses.replace(truth, **changes))


def test_contradicting_phase_and_success_gives_no_plan():
    (truth, rng), = scenes(1)
    truth = dataclasses.replace(truth, phase="done", success=False)
    assert conversation(truth, rng, turns=2, families=["plan", "next_action"]) == []


def test_positions_too_close_to_tell_are_not_asked_about():
    (truth, rng), = scenes(1)
    objects = tuple(dataclasses.replace(thing, point=(500, 500), position=(0.3, 0.0, 0.0)) for thing in truth.objects)
    truth = dataclasses.replace(truth, objects=objects)
    for _ in range(50):
        assert conversation(truth, rng, turns=3, families=["spatial_image", "spatial_robot", "nearest"]) == []


def test_unknown_family_name_is_refused_with_the_known_ones():
    (truth, rng), = scenes(1)
    with pytest.raises(InputError, match="ground_box"):
        conversation(truth, rng, families=["ground_boxes"])


def test_same_seed_same_conversation_and_corpus():
    first, second = [conversation(synthetic_truth(np.random.default_rng(4)), np.random.default_rng(9)) for _ in range(2)]
    assert first == second
    texts = list(corpus(scenes=50))
    assert texts == list(corpus(scenes=50)) and len(texts) > 300
    assert all(text.isascii() for text in texts)
