"""The checker agrees with the writers on every family, and notices when an answer is made wrong."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from collections import Counter

import numpy as np
import pytest

from vlaser_core.data.check import check, check_policy_answer
from vlaser_core.data.families import FAMILIES, Turn, conversation, policy_answer
from vlaser_core.data.phrasing import Scene
from vlaser_core.data.synthetic import synthetic_scene, synthetic_truth
from vlaser_core.data.truth import PHASES, SceneTruth


def test_checker_agrees_with_every_generated_answer_and_every_family_occurs():
    rng, asked = np.random.default_rng(0), {}
    for _ in range(500):
        truth = synthetic_scene(rng)
        turns = conversation(truth, rng, turns=len(FAMILIES))
        assert check(truth, turns) == []
        for turn in turns:
            asked.setdefault(turn.family, set()).add(turn.answer)
    assert set(asked) == set(FAMILIES)
    for family in ("presence", "spatial_image", "spatial_robot", "done", "is_colour", "between", "on_top", "reachable", "holding", "outcome",
                   "feasible", "step_done", "occluded"):  # fmt: skip
        assert asked[family] == {"yes", "no"}
    assert "not visible" in asked["ground_box"] & asked["ground_point"] & asked["affordance"]
    assert "it is held" in asked["affordance"] and "nothing" in asked["fault"] & asked["obstacle"]


def test_checker_agrees_where_there_is_no_pixel_map():
    rng = np.random.default_rng(4)
    for _ in range(150):
        truth = dataclasses.replace(synthetic_scene(rng), pixels=None)
        assert check(truth, conversation(truth, rng, turns=len(FAMILIES))) == []


def test_policy_answers_agree_and_another_scenes_do_not():
    rng = np.random.default_rng(3)
    truths = [synthetic_truth(rng) for _ in range(100)]
    for truth, other in itertools.pairwise(truths):
        assert check_policy_answer(truth, policy_answer(truth)) == []
        if policy_answer(other) != policy_answer(truth):
            assert check_policy_answer(truth, policy_answer(other))


def _moved(answer: str, truth: SceneTruth, rng: np.random.Generator) -> str:
    """The first coordinates put elsewhere: a point on the object farthest from it, a box shifted aside."""
    seen = [thing.point for thing in truth.objects if thing.point is not None] or [(500, 500)]

    def elsewhere(match: re.Match) -> str:
        values = [int(value) for value in match[1].split(", ")]
        if len(values) == 2:
            x, y = max(seen, key=lambda point: math.dist(point, values))
            return f"[{x}, {y}]" if math.dist((x, y), values) > 100 else f"[{(x + 500) % 1000}, {y}]"
        x1, y1, x2, y2 = values
        shift = 60 if x2 <= 940 else -60
        return f"[{x1 + shift if x1 + shift >= 0 else x1}, {y1}, {x2 + shift}, {y2}]"

    return re.sub(r"\[(\d+(?:, \d+)+)\]", elsewhere, answer, count=1)


def spoil(turn: Turn, truth: SceneTruth, rng: np.random.Generator) -> str:
    """A wrong answer of the same form."""
    answer, scene = turn.answer, Scene(truth)
    if answer in ("yes", "no"):
        return "no" if answer == "yes" else "yes"
    letters = re.findall(r"\b([A-D])\. ", turn.question)
    if answer in letters:
        return next(letter for letter in letters if letter != answer)
    if turn.family in ("plan", "recovery", "tidy") and "\n" in answer:
        lines = answer.split("\n")
        kind = rng.integers(3)
        if kind == 0:
            return "\n".join(lines[:-1])
        if kind == 1:
            return "\n".join([*lines[:-2], lines[-1], lines[-2]])
        return answer.replace("1. ", "2. ", 1)
    if turn.family == "ground_json" and answer != "[]" and rng.random() < 0.5:
        return json.dumps(json.loads(answer)[1:])
    if answer.isdigit():
        return str(int(answer) + int(rng.integers(1, 4)))
    if "[" in answer:
        return _moved(answer, truth, rng)
    if turn.family == "phase":
        return PHASES[(PHASES.index(answer) + 1) % len(PHASES)]
    if answer == "not visible" or answer.endswith("is not visible"):
        return answer.replace("not visible", "<box>[[10, 10, 20, 20]]</box>")
    if ", " in answer:
        return ", ".join(answer.split(", ")[1:])
    for words in (
        ("left", "right"),
        ("top", "bottom"),
        ("forward", "back"),
        ("open", "closed"),
        ("holding", "touching"),
        ("does not hold", "holds"),
        (" is not ", " is "),
    ):
        for one, other in (words, words[::-1]):
            if re.search(rf"\b{one.strip()}\b", answer):
                return answer.replace(one, other)
    names = [scene.name(thing.name) for thing in truth.objects]
    for name in names:
        if re.search(rf"(?<!\w){name}(?!\w)", answer):
            return answer.replace(name, next(other for other in names if other != name))
    for thing in truth.objects:  # another of its names, or its colour
        for said in (*thing.phrases, thing.colour):
            if said == answer:
                return (
                    "grey"
                    if said == thing.colour and thing.colour != "grey"
                    else "pink"
                    if said == thing.colour
                    else names[names.index(scene.name(thing.name)) - 1]
                )
    return "something else"


@pytest.mark.parametrize("pixels", [True, False], ids=["pixels", "no pixels"])
def test_every_family_notices_a_wrong_answer(pixels):
    """A mutation test of the checker: hardly a spoilt answer of any family goes through."""
    rng, made, missed, example = np.random.default_rng(5), Counter(), Counter(), {}
    for _ in range(250):
        truth = synthetic_scene(rng)
        truth = truth if pixels else dataclasses.replace(truth, pixels=None)
        for turn in conversation(truth, rng, turns=len(FAMILIES)):
            wrong = dataclasses.replace(turn, answer=spoil(turn, truth, rng))
            assert wrong.answer != turn.answer, turn
            made[turn.family] += 1
            if not check(truth, [wrong]):
                missed[turn.family] += 1
                example[turn.family] = (turn, wrong.answer)
    families = set(FAMILIES) if pixels else set(FAMILIES) - {"free_space", "free_beside"}
    assert set(made) == families
    assert not missed, example


def test_an_unknown_family_is_a_disagreement_not_a_pass():
    truth = synthetic_truth(np.random.default_rng(0))
    assert check(truth, [Turn("invented", "What?", "that")])


def test_a_question_about_nothing_here_is_a_disagreement_not_a_crash():
    truth = synthetic_truth(np.random.default_rng(0))
    for family in FAMILIES:
        assert check(truth, [Turn(family, "What about it?", "that")]), family


def test_a_damaged_pixel_map_is_told():
    truth = synthetic_truth(np.random.default_rng(0))
    damaged = dataclasses.replace(truth, pixels=dataclasses.replace(truth.pixels, data="AAAA"))
    with pytest.raises(ValueError, match="does not unpack"):
        damaged.pixels.values()
    assert check(damaged, [Turn("ground_box", f"Give the box of the {truth.objects[0].phrases[0]}.", "<box>[[1, 2, 3, 4]]</box>")])
