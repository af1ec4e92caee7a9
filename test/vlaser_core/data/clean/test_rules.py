from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from vlaser_core.data.clean.rules import Rules
from vlaser_core.data.clean.rules_of_pictures import PictureRules
from vlaser_core.data.clean.rules_of_places import PlaceRules
from vlaser_core.data.clean.rules_of_words import WordRules, goes_round
from vlaser_core.data.engine import Part, build
from vlaser_core.data.record import Message, Record
from vlaser_core.data.source import Picture, Sample


def sample(question: str, answer: str, category: str = "qa", picture: bytes = b"") -> Sample:
    said = Message("human", f"<image>\n{question}"), Message("gpt", answer)
    record = Record("1", ("a.png",), 64, 48, said, category, "f", "s", "d", "train", "CC0-1.0", "p")
    return Sample(record, (Picture("a.png", picture),))


@pytest.mark.parametrize(
    ("question", "answer", "fault"),
    [
        ("What?", "I'm sorry, but I cannot see it.", "refusal"),
        ("What?", "As an AI language model, I have no eyes.", "refusal"),
        ("What?", "There is no image provided.", "refusal"),
        ("What?", "a cup<|im_end|>", "control tokens"),
        ("<img>What?", "a cup", "control tokens"),
        ("What?", "a c\ufffdp", "unreadable"),
        ("What?", "a\x00", "unreadable"),
        ("What?", "a" * 9000, "too long"),
        ("What?", "on the left " * 6, "circles"),
        ("What is this thing?", "what is THIS thing", "repeats the question"),
        ("Is it red? Answer yes or no.", "It could be.", "yes or no"),
        ("Which? A. red B. blue Answer with the letter.", "C", "a letter was asked"),
        ("Which? A. red B. blue Answer with the letter.", "red", "a letter was asked"),
        ("How many cups are there?", "Quite many.", "a number was asked"),
    ],
)
def test_words_that_teach_nothing_are_named_by_their_rule(question, answer, fault):
    assert fault in WordRules().fault(sample(question, answer))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What?", "a cup"),
        ("Is it red? Answer yes or no.", "Yes, it is."),
        ("Is it red? Answer yes or no.", "'no'"),
        ("Is there a cup? Say yes or no in a sentence.", "It is there."),
        ("Which? A. red B. blue Answer with the letter.", "(B) blue"),
        ("Which? A. red B. blue Answer with the letter.", "The answer is B."),
        ("What does the letter on the box say?", "It is an E."),
        ("How many cups are there?", "There is a single cup."),
        ("How many cups are there?", "No cups."),
        ("How many times did you sort the cups, and how?", "By colour."),
        ("What do you see?", "I am sorry to say that the cup is broken."[5:]),
        ("Count from one.", "1 1 1 2 3"),
    ],
)
def test_words_that_are_well_are_left_alone(question, answer):
    assert WordRules().fault(sample(question, answer)) == ""


def test_going_round_is_told_from_saying_twice():
    assert goes_round("the cup and the cup and the cup and the cup and the cup and", 4)
    assert not goes_round("very very red, and very very round, and very small", 4)
    assert not goes_round("<point>[[1, 1], [1, 1], [1, 1], [1, 1], [1, 1], [1, 1]]</point>", 4)
    assert not goes_round("", 4)


@pytest.mark.parametrize(
    ("question", "answer", "fault"),
    [
        ("Where?", "[1200, 5]", "cannot be"),
        ("Where?", "[500, 5, 100, 50]", "cannot be"),
        ("Where?", "[1, 2, 3]", "cannot be"),
        ("Where?", "[0.1, 0.2]", "cannot be"),
        ("Where?", "<box>[[1, 1, 3, 300]]</box>", "hardly any size"),
        ("Where?", "<box>[[0, 0, 1000, 1000]]</box>", "whole picture"),
        ("Where?", "<point>[[5, 5], [5, 5]]</point>", "told twice"),
        ("Where?", f"<point>[{', '.join(f'[{n}, 1]' for n in range(100))}]</point>", "too many"),
        ("Where? Answer with a box.", "<point>[[5, 5]]</point>", "another kind"),
        ("Where? Answer with a point.", "<box>[[5, 5, 50, 50]]</box>", "another kind"),
        ("Where? Answer with a point.", "It stands on the left side of the table, behind it.", "words are given"),
        ("Give a point on the object in the box [[10, 10, 50, 50]].", "<point>[[60, 20]]</point>", "outside the question's box"),
        ("Give the box of the thing at [[60, 20]].", "<box>[[10, 10, 50, 50]]</box>", "does not hold"),
    ],
)
def test_places_that_contradict_themselves_are_named_by_their_rule(question, answer, fault):
    assert fault in PlaceRules().fault(sample(question, answer, "grounding"))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Where? Answer with a box.", "not visible"),
        ("Where? Answer with a box.", "There is none."),
        ("Find the cup, the ball. Answer with a JSON list of bbox_2d and label.", '[{"bbox_2d": [1, 2, 30, 40], "label": "cup"}]'),
        ("Give a point on the object in the box [[10, 10, 50, 50]].", "<point>[[50, 20]]</point>"),
        ("Which object is left of the one at [[60, 20]]?", "<box>[[10, 10, 50, 50]]</box>"),
        ("Answer with a box or answer with a point.", "<point>[[5, 5]]</point>"),
    ],
)
def test_places_that_are_well_are_left_alone(question, answer):
    assert PlaceRules().fault(sample(question, answer, "grounding")) == ""


def test_numbers_in_brackets_are_places_only_where_places_are_asked_for():
    assert PlaceRules().fault(sample("Where in metres?", "[0.1, 0.2, 0.4]", "spatial")) == ""


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind)
    return data.getvalue()


NOISE = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("picture", "fault"),
    [
        (encoded(NOISE), ""),
        (encoded(NOISE, "JPEG"), ""),
        (encoded(NOISE[..., 0]), ""),
        (encoded(NOISE[:10]), "too small"),
        (encoded(NOISE[:30, :30].repeat(30, axis=1)), "too long"),
        (encoded(np.full((60, 80, 3), 128, np.uint8)), "shows nothing"),
        (b"", "cannot be decoded"),
        (b"no picture", "cannot be decoded"),
    ],
)
def test_pictures_that_show_nothing_are_named_by_their_rule(picture, fault):
    found = PictureRules().fault(sample("What?", "A cup.", picture=picture))
    assert fault in found and bool(fault) == bool(found)


def test_each_record_is_counted_under_the_first_rule_it_breaks_and_the_others_pass(tmp_path, noise):
    class Mixed(noise):
        def record(self, identity: str, image: str, answer: int):
            said = {0: "As an AI, I do not know.", 1: "<box>[[1, 1, 2, 2]]</box> "}.get(int(identity) % 4, "<point>[[5, 5]]</point>")
            whole = super().record(identity, image, answer)
            return Record(**{**vars(whole), "conversations": (Message("human", "<image>\nWhere?"), Message("gpt", said))})

    report = build([Part(Mixed())], tmp_path / "set", stages=[Rules()], workers=0)
    assert report.records == 24 and report.left_out == {"rules": {"the answer is a refusal": 12, "a box of hardly any size": 12}}
    assert report.examples["rules"]["the answer is a refusal"][0].startswith("noise/u")


def test_a_unit_of_which_nothing_is_left_is_an_empty_unit(tmp_path, noise):
    report = build([Part(noise())], tmp_path / "set", stages=[Rules(pictures=PictureRules(smallest_side=1000))], workers=0)
    assert report.records == 0 and report.left_out == {"rules": {"a picture is too small": 48}} and report.written == 4


def test_rules_of_another_strictness_are_another_build():
    assert Rules().settings != Rules(words=WordRules(rounds=9)).settings
    assert len(Rules().settings) == len(vars(WordRules())) + len(vars(PlaceRules())) + len(PictureRules().settings)
