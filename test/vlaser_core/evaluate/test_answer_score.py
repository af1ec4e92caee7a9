from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.data.families import FAMILIES, conversation
from vlaser_core.data.synthetic import synthetic_scene
from vlaser_core.data.truth import SURFACE, PixelMap, SceneTruth
from vlaser_core.evaluate.answer_score import overlap, score_answer


def right(reference: str, said: str, question: str = "?", family: str = "f", truth: SceneTruth | None = None) -> float:
    return score_answer(family, question, reference, said, truth).score


def test_every_familys_own_answer_is_right():
    """Else a perfect model would be told it is wrong."""
    rng, seen = np.random.default_rng(5), set()
    for _ in range(150):
        truth = synthetic_scene(rng)
        for turn in conversation(truth, rng, turns=8):
            seen.add(turn.family)
            assert right(turn.answer, turn.answer, turn.question, turn.family, truth) == 1.0, turn
    assert len(seen) > 0.9 * len(FAMILIES)


@pytest.mark.parametrize(
    ("reference", "said", "expected"),
    [
        ("the plate", "The  plate.", 1),
        ("the plate", "plate", 0),
        ("yes", "Yes, it is.", 1),
        ("no", "yes", 0),
        ("no", "not at all", 0),
        ("B", "B. below", 1),
        ("B", "A", 0),
        ("<box>[[100, 100, 300, 300]]</box>", "[[120, 100, 300, 320]]", 1),
        ("<box>[[100, 100, 300, 300]]</box>", "<box>[[250, 250, 450, 450]]</box>", 0),
        ("<box>[[100, 100, 300, 300]]</box>", "<box>[[100, 100, 300, 300], [0, 0, 9, 9]]</box>", 0),
        ("<box>[[100, 100, 300, 300]]</box>", "<box>[[100, 100, 300, 300], [0, 0", 0),
        ("<point>[[500, 500]]</point>", "<point>[[520, 470]]</point>", 1),
        ("<point>[[500, 500]]</point>", "<point>[[500, 551]]</point>", 0),
        ("<point>[[500, 500]]</point>", "not visible", 0),
        ("not visible", "<point>[[500, 500]]</point>", 0),
        ("<point>[[1, 1], [900, 1]]</point>", "<point>[[900, 1], [1, 1]]</point>", 0),
        ("yes <point>[[5, 5]]</point>", "no <point>[[5, 5]]</point>", 0),
        ("<point>[[5, 5]]</point> angle 178", "<point>[[5, 5]]</point> angle 3", 1),
        ("<point>[[5, 5]]</point> angle 178", "<point>[[5, 5]]</point> angle 90", 0),
        ('[{"bbox_2d": [0, 0, 10, 10], "label": "cup"}]', '[{"bbox_2d": [0, 0, 10, 11], "label": "cup"}]', 1),
        ('[{"bbox_2d": [0, 0, 10, 10], "label": "cup"}]', '[{"bbox_2d": [0, 0, 10, 11], "label": "mug"}]', 0),
        ("yes", "", 0),
    ],
)
def test_what_is_right(reference, said, expected):
    assert right(reference, said) == expected


def test_a_length_is_scored_by_how_far_off_it_is():
    question = "How far apart are they, in cm?"
    assert [right("20", said, question) for said in ("20", "21", "25", "31", "far")] == [1.0, 1.0, pytest.approx(0.6), 0.0, 0.0]
    assert right("0", "0", question) == 1.0 and right("0", "1", question) == 0.0
    assert right("20", "21", "How many are there?") == 0.0


def test_a_point_counts_on_the_objects_own_pixels():
    """However far from the reference's own point, and not however near."""
    truth = synthetic_scene(np.random.default_rng(1))
    thing = next(t for t in truth.objects if t.point is not None)
    drawn = np.ones((100, 100), np.uint8)
    drawn[10:60, 20:30] = 0
    truth = SceneTruth(objects=(thing,), pixels=PixelMap.of(drawn, (thing.name, SURFACE)))
    reference = f"<point>[[{thing.point[0]}, {thing.point[1]}]]</point>"
    assert right(reference, "<point>[[250, 590]]</point>", truth=truth) == 1.0
    assert right(reference, "<point>[[250, 700]]</point>", truth=truth) == 0.0


def test_overlap_is_reported_also_where_it_is_too_small():
    verdict = score_answer("f", "?", "<box>[[0, 0, 100, 100]]</box>", "<box>[[50, 0, 150, 100]]</box>")
    assert verdict.score == 0.0 and verdict.overlap == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (20, 20, 30, 30)) == 0.0
