from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from vlaser_core.data.families import CATEGORY, FAMILIES, conversation, corpus, policy_answer, task_answer
from vlaser_core.data.phrasing import Scene
from vlaser_core.data.synthetic import synthetic_scene, synthetic_truth, without_pixels
from vlaser_core.data.truth import PHASES
from vlaser_core.data.vocabulary import with_article
from vlaser_core.errors import InputError
from vlaser_core.reasoning.parse import parse_plan, parse_policy_answer


def scenes(count: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return [(synthetic_truth(rng), rng) for _ in range(count)]


def test_a_covered_object_is_said_not_visible_and_never_denied():
    for truth, rng in scenes(300, seed=5):
        hidden = without_pixels(truth, truth.source)
        for turn in conversation(hidden, rng, turns=len(FAMILIES)):
            named = any(phrase in turn.question for phrase in hidden.object(hidden.source).phrases)
            if turn.family in ("ground_box", "ground_point") and named:
                assert turn.answer == "not visible"
            if turn.family in ("presence", "presence_located"):
                assert not any(with_article(phrase) in turn.question for phrase in hidden.object(hidden.source).phrases)
            if turn.family in ("spatial_image", "distance", "taller", "grasp_point", "colour", "holding"):
                assert not named, f"{turn.question!r} asks about what nobody can see"


@pytest.mark.parametrize("phase", PHASES)
def test_plan_answers_parse_back_to_the_steps_left(phase):
    ((truth, rng),) = scenes(1, seed=8)
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
    ((truth, _),) = scenes(1)
    with pytest.raises(InputError):
        policy_answer(dataclasses.replace(truth, **changes))


def test_each_category_says_its_own_about_the_task():
    for truth, _ in scenes(100, seed=3):
        source, target, held = truth.object(truth.source), truth.object(truth.target), truth.object(truth.source).held
        read = parse_policy_answer(f"{task_answer(truth, ['grounding'])} height {truth.gripper_height_mm} phase {truth.phase}")
        assert read.grasp == (None if held else truth.grasp_point) and (read.release, read.gripper) == (truth.release_point, truth.gripper_point)
        spatial = task_answer(truth, ["spatial"])
        numbers = [int(number) * (-1 if way in ("back", "right") else 1) for way, number in re.findall(r"(forward|back|left|right) (\d+)", spatial)]
        ways = [] if held else [np.subtract(source.position, truth.gripper_position)[:2]]
        assert numbers == pytest.approx(1000 * np.concatenate([*ways, np.subtract(target.position, source.position)[:2]]), abs=0.51)
        assert task_answer(truth, ["qa"]).endswith(f"phase {truth.phase}") and str(truth.gripper_height_mm) in task_answer(truth, ["qa"])
        plan = next(iter(conversation(truth, np.random.default_rng(0), 1, ["plan"]))).answer
        assert task_answer(truth, ["planning"]).count(",") == plan.count("\n")
        assert task_answer(truth, ["grounding", "qa"]) == f"{task_answer(truth, ['grounding'])} {task_answer(truth, ['qa'])}"


def test_without_a_task_or_a_robot_less_is_said_and_nothing_made_up():
    ((truth, _),) = scenes(1, seed=3)
    assert task_answer(dataclasses.replace(truth, task="", source="", target="", instruction=""), ["grounding", "spatial", "qa", "planning"]) == ""
    assert task_answer(truth, ["simulation"]) == ""
    alone = dataclasses.replace(truth, robot=False, gripper_position=None, gripper_point=None, gripper_height_mm=None, openness=None, grasp_angle_deg=None, phase="reach")
    assert "gripper" not in task_answer(alone, ["grounding", "spatial", "qa"]) and task_answer(alone, ["qa"]) == "phase reach"
    far = [dataclasses.replace(thing, position=(3.0, 0.0, 0.0)) if thing.name == truth.target else thing for thing in truth.objects]
    assert task_answer(dataclasses.replace(alone, objects=tuple(far)), ["spatial"]) == ""


def test_contradicting_phase_and_success_gives_no_plan():
    ((truth, rng),) = scenes(1)
    truth = dataclasses.replace(truth, phase="done", success=False)
    assert conversation(truth, rng, turns=2, families=["plan", "next_action"]) == []


TOLD_APART = [
    "spatial_image",
    "relation_choice",
    "spatial_robot",
    "nearest",
    "nearest_camera",
    "order",
    "extreme",
    "ground_extreme",
    "between",
]


def test_positions_too_close_to_tell_are_not_asked_about():
    ((truth, rng),) = scenes(1)
    here = {"point": (500, 500), "box": (400, 400, 600, 600), "position": (0.3, 0.0, 0.0), "visible_fraction": 1.0, "camera_distance": 0.5}
    objects = tuple(dataclasses.replace(thing, **here) for thing in truth.objects)
    truth = dataclasses.replace(truth, objects=objects)
    for _ in range(50):
        assert conversation(truth, rng, turns=9, families=TOLD_APART) == []


def test_unknown_family_name_is_refused_with_the_known_ones():
    ((truth, rng),) = scenes(1)
    with pytest.raises(InputError, match="ground_box"):
        conversation(truth, rng, families=["ground_boxes"])


def test_same_seed_same_conversation_and_corpus():
    first, second = [conversation(synthetic_truth(np.random.default_rng(4)), np.random.default_rng(9)) for _ in range(2)]
    assert first == second
    texts = list(corpus(scenes=50))
    assert texts == list(corpus(scenes=50)) and len(texts) > 300
    assert all(text.isascii() for text in texts)


def test_every_family_has_a_category_of_the_record():
    assert set(CATEGORY) == set(FAMILIES) and set(CATEGORY.values()) == {"grounding", "qa", "spatial", "planning"}


def test_without_a_robot_nothing_is_asked_about_one_and_all_categories_remain():
    rng, categories = np.random.default_rng(3), set()
    for _ in range(60):
        truth = synthetic_truth(rng, extras=3, robot=False)
        for turn in conversation(truth, rng, turns=len(FAMILIES)):
            assert not any(word in turn.question for word in ("gripper", "robot", "fingers", " arm ")), turn
            categories.add(CATEGORY[turn.family])
    assert len(categories) == 4


def test_two_things_of_the_same_names_are_not_asked_for_by_name():
    ((truth, rng),) = scenes(1, seed=1)
    twin = dataclasses.replace(truth.objects[0], name="twin", held=False)
    truth = dataclasses.replace(truth, objects=(*truth.objects, twin), pixels=None)
    for _ in range(20):
        for turn in conversation(truth, rng, turns=len(FAMILIES)):
            assert turn.family == "count" or not any(f"the {phrase}" in turn.question for phrase in twin.phrases), turn


def test_an_absent_thing_is_truly_absent():
    """Whatever is asked about in vain differs from all that is here in noun or clearly in colour."""
    rng = np.random.default_rng(12)
    for _ in range(400):
        truth = synthetic_scene(rng)
        phrase = Scene(truth).absent(rng)
        here = {word for thing in truth.objects for name in thing.phrases for word in name.split()}
        *colour, noun = phrase.split()
        if noun in here:
            assert colour, f"{phrase} is among {here}"
            assert all(thing.colour != colour[0] for thing in truth.objects if any(noun in name.split() for name in thing.phrases))


def test_yes_and_no_come_about_equally_often():
    rng, said = np.random.default_rng(2), {}
    for _ in range(1500):
        for turn in conversation(synthetic_scene(rng), rng, turns=12):
            if turn.answer.split()[0] in ("yes", "no"):
                said.setdefault(turn.family, []).append(turn.answer.startswith("yes"))
    assert len(said) > 12
    for family, answers in said.items():
        if family not in ("done", "on_top", "holding", "outcome"):  # as often as the scene has it
            assert 0.25 < np.mean(answers) < 0.75, f"{family}: {np.mean(answers):.2f} yes of {len(answers)}"


def test_lettered_answers_favour_no_letter():
    rng, letters = np.random.default_rng(6), {}
    for _ in range(700):
        for turn in conversation(synthetic_scene(rng), rng, turns=5, families=[name for name in FAMILIES if name.endswith("_choice")]):
            letters.setdefault(turn.family, []).append(turn.answer)
    assert len(letters) == 5
    for family, said in letters.items():
        shares = [said.count(letter) / len(said) for letter in "ABC"]
        assert max(shares) - min(shares) < 0.12, f"{family}: {shares}"


def test_the_tokenizers_corpus_holds_every_word_that_may_be_asked_or_answered():
    known = {word for text in corpus(scenes=300) for word in re.findall(r"[A-Za-z_]+", text)}
    rng = np.random.default_rng(77)
    for _ in range(300):
        for turn in conversation(synthetic_scene(rng), rng, turns=8):
            assert set(re.findall(r"[A-Za-z_]+", f"{turn.question} {turn.answer}")) <= known


def test_a_rest_at_the_pictures_edge_is_neither_counted_nor_asked_about():
    """What the edge cuts off is in full view as far as it goes, and yet nobody would know what it is."""
    ((truth, rng),) = scenes(1, seed=1)
    rest = dataclasses.replace(truth.objects[1], box=(970, 400, 1000, 600), point=(985, 500), visible_fraction=1.0)
    truth = dataclasses.replace(truth, objects=(truth.objects[0], rest), pixels=None)
    for _ in range(30):
        for turn in conversation(
            truth, rng, turns=len(FAMILIES), families=["count", "order", "extreme", "ground_box", "objects", "distance", "colour"]
        ):
            assert turn.family in ("ground_box", "colour"), turn
            assert not any(f"the {phrase}" in turn.question for phrase in rest.phrases), turn
            assert "985" not in turn.question
