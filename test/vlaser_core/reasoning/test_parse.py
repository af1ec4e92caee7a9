from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlaser_core.reasoning.parse import parse_boxes, parse_grounding, parse_plan, parse_points, parse_policy_answer, parse_yes_no
from vlaser_core.reasoning.types import Grounding

FRAGMENTS = [
    *"[](),.-<>/ \n\t0123456789", "[[", "]]", "<box>", "</box>", "<point>", "</point>", "<ref>", "</ref>",
    "1000", "1001", "999", "-1", "0.5", "1e3", "412, 633", "[1, 2, 3, 4]", "nan", "inf", "１２", "²", "٣", "grasp ", "hidden", "held",
    " angle ", " phase ", "1. ", "2) ", "Step 3: ", "the ", "carrot",
    "99999999999999999999", "\x00", "\u202e", "🥕", "，",
]  # fmt: skip


def assert_all_parsers_hold(text: str) -> Grounding:
    boxes, wrong = parse_boxes(text)
    points, also_wrong = parse_points(text)
    assert wrong == also_wrong
    assert all(len(box) == 4 and 0 <= box[0] < box[2] <= 1000 and 0 <= box[1] < box[3] <= 1000 for box in boxes)
    assert all(len(point) == 2 and all(0 <= value <= 1000 for value in point) for point in points)
    assert all(part in text and len(part) <= 80 for part in wrong)
    grounding = parse_grounding(text, "carrot", 320, 240, 0.5)
    assert (grounding.boxes, grounding.points, grounding.malformed) == (boxes, points, wrong)
    plan = parse_plan(text, "goal")
    assert all(step.text and (step.target is None or step.target) for step in plan.steps)
    assert text.strip() or plan.malformed
    answer = parse_policy_answer(text)
    if answer is not None:
        for point in (answer.grasp, answer.release, answer.gripper):
            assert point is None or all(0 <= value <= 1000 for value in point)
    assert parse_yes_no(text) in (True, False, None)
    return grounding


@pytest.mark.timeout(600)  # five seconds of work, on a machine that may be busy
def test_a_hundred_thousand_adversarial_texts_give_only_valid_regions():
    rng, answers = random.Random(0), {"found": 0, "malformed": 0}
    for _ in range(100_000):
        grounding = assert_all_parsers_hold("".join(rng.choices(FRAGMENTS, k=rng.randrange(0, 20))))
        answers["found"] += grounding.found
        answers["malformed"] += bool(grounding.malformed)
    assert min(answers.values()) > 2000, "the fragments make answers of both kinds, or nothing was tried"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400))
def test_any_unicode_text_is_survived(text):
    assert_all_parsers_hold(text)


@pytest.mark.parametrize("unit", ["[", "]", "[1,", "<ref>", "1. ", " ", "[1, 2, 3, 4]", "the ", "\n", "[[1, 2", "grasp [["])
def test_parsing_time_grows_linearly_with_a_hostile_text(unit):
    began = time.thread_time()  # of this thread alone, whatever else the machine does
    assert_all_parsers_hold(unit * (100_000 // len(unit)))
    assert time.thread_time() - began < 5


def test_boxes_are_found_with_and_without_their_tags():
    for text in ("<box>[[1, 2, 30, 40], [5,6,7,8]]</box>", "[[1, 2, 30, 40], [5,6,7,8]]", "it is at [1, 2, 30, 40] and [ 5 ,6, 7, 8 ]."):
        assert parse_boxes(text) == (((1, 2, 30, 40), (5, 6, 7, 8)), ())
    assert parse_points("<point>[[0, 1000]]</point>") == (((0, 1000),), ())


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("[[1, 2, 3, 1001]]", "[1, 2, 3, 1001]"),
        ("[[30, 2, 3, 40]]", "[30, 2, 3, 40]"),
        ("[[3, 40, 30, 40]]", "[3, 40, 30, 40]"),
        ("[[-1, 2]]", "[-1, 2]"),
        ("[[0.5, 0.5]]", "[0.5, 0.5]"),
        ("[[1, 2, 3]]", "[1, 2, 3]"),
        ("<box>[[12, 34, 5", "[12, 34, 5"),
        ("[[１, 2]]", None),
    ],
)
def test_wrong_coordinates_are_reported_and_never_repaired(text, excerpt):
    boxes, malformed = parse_boxes(text)
    points, _ = parse_points(text)
    assert boxes == () and points == ()
    assert malformed == ((excerpt or "[１, 2]"),)


def test_a_valid_region_beside_a_malformed_one_is_kept():
    text = "<ref>plate</ref><box>[[1, 2, 3, 4], [9, 9, 1, 1]]</box> <ref>cup</ref><point>[[7, 8]]</point>"
    grounding = parse_grounding(text, "x", 200, 100, 0.25)
    assert grounding.boxes == ((1, 2, 3, 4),) and grounding.points == ((7, 8),)
    assert grounding.labels == ("plate", "cup") and grounding.scores == (0.25, 0.25)
    assert grounding.malformed == ("[9, 9, 1, 1]",)
    assert grounding.points_px() == (pytest.approx((1.4, 0.8)),)


@pytest.mark.parametrize(
    "text",
    [
        "1. reach the carrot <point>[[412, 633]]</point>\n2. move over the plate",
        "Sure! 1) reach the carrot [[412, 633]] 2) move over the plate.",
        "- reach the carrot [[412, 633]]\n- move over the plate",
        "Step 1: reach the carrot [[412, 633]]\nStep 2: move over the plate",
    ],
)
def test_plans_are_read_in_the_forms_models_write(text):
    plan = parse_plan(text, "put carrot on plate")
    assert [(step.text, step.target, step.point) for step in plan.steps] == [
        ("reach the carrot", "carrot", (412, 633)),
        ("move over the plate", "plate", None),
    ]
    assert plan.malformed == ()


def test_a_step_with_a_point_outside_the_picture_keeps_its_words_and_reports_the_point():
    plan = parse_plan("1. reach the cup [[1200, 3]]", "g")
    assert plan.steps[0].text == "reach the cup" and plan.steps[0].point is None
    assert plan.malformed == ("[1200, 3]",)


def test_an_empty_plan_is_malformed_and_a_finished_one_is_not():
    assert parse_plan("  ", "g").malformed and not parse_plan("  ", "g").steps
    finished = parse_plan("The task is done.", "g")
    assert finished.steps == () and finished.malformed == ()


@pytest.mark.parametrize("start", ["grasp held angle 180", "grasp [[1, 1001]] angle 3", "grasp [[1, 2]] angle x"])
def test_a_policy_answer_out_of_range_is_none(start):
    rest = " release hidden gripper hidden height 3 phase carry"
    assert parse_policy_answer("grasp held angle 179" + rest) is not None
    assert parse_policy_answer(start + rest) is None


def test_yes_and_no_are_only_read_at_the_beginning():
    assert parse_yes_no("Yes, it is.") is True and parse_yes_no(" no") is False
    assert parse_yes_no("nothing") is None and parse_yes_no("I say yes") is None
