"""Worked examples: what each benchmark's own code makes of an answer, and what a person does."""

from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.evaluate.benchmarks.numbers import first_number, mean_relative_accuracy
from vlaser_core.evaluate.benchmarks.options import fenced_letter, first_capital, first_word, same_text, stated_option
from vlaser_core.evaluate.benchmarks.places import (
    NO_TAGS,
    judge_mask,
    judge_tagged,
    number_tuples,
    paired_numbers,
    read_places,
    tagged_points,
    untagged,
)
from vlaser_core.evaluate.benchmarks.question import NO_COORDINATES


@pytest.mark.parametrize(
    ("text", "upstream", "person"),
    [
        ("B", "B", "B"),
        ("B. place oven tray", "B", "B"),
        ("The best answer is C", "C", "C"),
        # Two commas are missing in the list of beginnings: these are not cut off, and the B of `Best` is the first capital.
        ("Best answer: C", "B", "C"),
        ("Best option: D", "B", "D"),
        ("The best option is A", "A", "A"),
        # The first capital of a word is an answer as well.
        ("Considering the progress, I choose D.", "C", "D"),
        ("Answer: B", "B", "B"),
        ("the second one", "", ""),
        ("", "", ""),
    ],
)
def test_egoplan_takes_the_first_capital(text, upstream, person):
    assert first_capital(text) == upstream
    assert stated_option(text, "ABCD") == person


@pytest.mark.parametrize(
    ("text", "upstream", "person"),
    [
        ("``B``", "B", "B"),
        ("`C`", "C", "C"),
        ("The answer is {D}", "D", "D"),
        ("A", "A", "A"),
        ("(B)", "B", "B"),
        # A letter that a word follows is not seen, and nothing else is there.
        ("The answer is B because it moved.", "", "B"),
        ("I would say ``A`` or rather `B`", "A", ""),
        ("no idea", "", ""),
    ],
)
def test_mmsi_looks_into_fences_first(text, upstream, person):
    assert fenced_letter(text) == upstream
    assert stated_option(text, "ABCD") == person


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("b.", "B"),
        ("B) the cup", "B"),
        ("**C**", "C"),
        ("A red cup stands there. The answer is (D).", "D"),
        ("Option A is wrong, so the answer: C", "C"),
        ("\\boxed{A}", "A"),
        ("It is B or C", ""),
        ("A cup", ""),
        ("Because nothing fits", ""),
        ("C\nIt stands behind.", "C"),
        ("C.\n\nExplanation: A is farther away than B.", "C"),
    ],
)
def test_the_one_letter_that_is_stated(text, letter):
    assert stated_option(text, "ABCD") == letter


def test_erqa_wants_the_letter_and_nothing_else():
    assert same_text(" B. ") == "b"
    assert same_text("B) the cup") != "b"


def test_vsi_reads_up_to_the_first_space():
    assert first_word("A. left") == "A" and first_word("3.") == "3" and first_word("A) left") == "A)"
    assert first_word("There are 3") == "There"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("There are 3 boxes", 3),
        ("2.5m", 2.5),
        ("about 1,250 mm", 1250),
        ("twenty-one", 21),
        ("three hundred and twenty-one", 321),
        ("one apple, room 2", 1),
        ("-4", -4),
        ("none", None),
        ("and", None),
        ("", None),
    ],
)
def test_the_first_number_in_digits_or_words(text, number):
    assert first_number(text) == number


@pytest.mark.parametrize(
    ("given", "code", "paper"),
    [
        (10, 1.0, 1.0),
        # 4 % off: below every 1 − θ from 0.5 to 0.05.
        (10.4, 1.0, 1.0),
        # 12 % off: inside for θ = 0.5 … 0.85, eight of ten.
        (11.2, 0.8, 0.8),
        (13.5, 0.4, 0.3),  # exactly 35 % off: the code counts θ = 0.65, the paper's formula does not
        (15, 0.1, 0.0),
        (20, 0.0, 0.0),
        (0, 0.0, 0.0),
    ],
)
def test_mean_relative_accuracy(given, code, paper):
    assert mean_relative_accuracy(given, 10, strict=False) == pytest.approx(code)
    assert mean_relative_accuracy(given, 10, strict=True) == pytest.approx(paper)


def test_the_readmes_example_of_an_answer_with_points():
    text = "<point>[[254, 624], [304, 624], [351, 624], [400, 624], [460, 624], [540, 619], [645, 606], [795, 606], [925, 599]]</point>"
    assert len(tagged_points(text)) == len(paired_numbers(text)) == len(read_places(text, "vlaser")) == 9
    assert tagged_points(text)[0] == (254, 624)


def test_points_without_tags_are_read_by_all_but_the_readme():
    text = "[[100, 200]]"
    assert tagged_points(text) == [] and untagged(text) == NO_TAGS and untagged("left of it") == NO_COORDINATES
    assert paired_numbers(text) == [(100, 200)] and read_places(text, "vlaser").points == ((0.1, 0.2),)


def test_each_notation_is_read_as_itself_alone():
    assert read_places("[(0.25, 0.5), (0.25, 0.5)]", "benchmark").points == ((0.25, 0.5),)
    assert read_places("<point>[[0.25, 0.5]]</point>", "vlaser").points == () and len(read_places("[[0.25, 0.5]]", "vlaser")) == 1
    assert read_places("(320, 240)", "benchmark").refused == ("(320, 240)",)
    assert number_tuples("(1, 0.5) and (2,3,4,5)") == [(1, 0.5), (2, 3, 4, 5)]


MASK = np.zeros((100, 200), dtype=bool)
MASK[50:, 100:] = True


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("<point>[[750, 750]]</point>", 1.0),
        ("<point>[[750, 750], [100, 100]]</point>", 0.5),
        ("<point>[[750, 750], [750, 750], [100, 100]]</point>", 0.5),  # repeated places count once
        ("<point>[[1000, 1000]]</point>", 1.0),  # the far edge is the last pixel
        ("<point>[[750, 750], [1200, 50]]</point>", 0.5),  # a place outside of the picture is a wrong one
        ("<box>[[500, 500, 1000, 1000]]</box>", 1.0),
        ("[[749, 0]] is not, [[749, 999]] is", 0.5),
    ],
)
def test_a_place_is_in_the_mask_or_not(text, score):
    assert judge_mask(MASK, text, "vlaser").score == pytest.approx(score)


def test_upstream_reads_the_far_edge_as_outside_and_repeats_twice():
    assert judge_tagged(MASK.astype(float), "<point>[[1000, 1000]]</point>").score == 0.0
    assert judge_tagged(MASK.astype(float), "<point>[[750, 750], [750, 750], [100, 100]]</point>").score == pytest.approx(2 / 3)


def test_an_answer_without_coordinates_is_wrong_under_its_name():
    for verdict in (judge_mask(MASK, "to the left of the cup", "vlaser"), judge_tagged(MASK.astype(float), "to the left")):
        assert verdict.score == 0.0 and verdict.fault == NO_COORDINATES
