from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlaser_core.data.labels.answers import parse_pairs, parse_score


@pytest.mark.parametrize(
    "text",
    [
        "Question: What is it?\nAnswer: A red cup.",
        "question:  What is it?\n\nANSWER: A red\n  cup.",
        "**Question:** What is it?\n**Answer:** A red cup.",
        "Sure, here it is:\n\n1. Question: What is it?\n   Answer: A red cup.",
        "```\nQuestion: What\nis it?\nAnswer: A red cup.\n```",
        "Q: What is it?\nA: A red cup.",
        "What is it?\n\nA red cup.",
    ],
)
def test_a_question_and_its_answer_are_found(text):
    assert parse_pairs(text) == [("What is it?", "A red cup.")]


def test_several_pairs_stay_apart():
    text = "Question 1: One?\nAnswer 1: 1.\n\nQuestion 2: Two?\nAnswer 2: 2."
    assert parse_pairs(text) == [("One?", "1."), ("Two?", "2.")]


def test_lettered_options_belong_to_the_question():
    text = "Question: Which?\nA: red\nB: blue\nAnswer: A"
    assert parse_pairs(text) == [("Which? A: red B: blue", "A")]


def test_numbered_steps_stay_in_one_answer():
    assert parse_pairs("Question: How?\nAnswer: 1. reach it\n2. grasp it")[0][1] == "1. reach it 2. grasp it"


@pytest.mark.parametrize("text", ["", "  \n", "Question: What?", "Question:\nAnswer: Yes.", "Answer: Yes.", "Only words", "One.\n\nTwo."])
def test_half_of_a_pair_is_none(text):
    assert parse_pairs(text) == []


def test_a_reply_without_marks_answers_the_familys_own_question_where_it_has_one():
    assert parse_pairs("A red\ncup.", "What is there?") == [("What is there?", "A red cup.")]
    assert parse_pairs("  ", "What is there?") == []


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("3", 3), ("**2**", 2), ("Score: 1", 1), ("Score: 2/3", 2), ("2 - mostly right", 2), ("I rate this pair a 3.", 3), ("The score is 1.", 1),
        ("On a scale of 1-3, I give 2.", 2), ("From 1 to 3: 3", 3), ("1, 2 or 3? I say 2", 2), ("There are 2 cups. Score: 3", 3), ("rating (1)", 1),
        ("Excellent and precise.", 3), ("acceptable", 2), ("The answer is wrong.", 1),
    ],
)  # fmt: skip
def test_a_score_is_read(text, score):
    assert parse_score(text) == score


@pytest.mark.parametrize(
    "text", ["", "4", "0", "12", "2.5", "1/0.3333", "Not good.", "good but wrong", "I cannot tell", "1-3", "[1, 2]", "十"]
)
def test_what_holds_no_score_is_not_given_two(text):
    assert parse_score(text) in ((None, 1) if text == "1/0.3333" else (None,))


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_them(text):
    assert parse_score(text) in (None, 1, 2, 3)
    assert all(question and answer for question, answer in parse_pairs(text))
