from __future__ import annotations

import json

import pytest

from vlaser_core.errors import InputError
from vlaser_core.reasoning.types import Answer, Grounding, Plan, PlanStep, to_pixels


def test_pixels_are_the_fraction_of_a_thousand_of_the_size():
    assert to_pixels(500, 320) == 160 and to_pixels(1000, 240) == 240


def test_a_region_outside_the_picture_or_inside_out_cannot_be_made():
    for boxes in (((1, 2, 3, 1001),), ((3, 2, 1, 4),)):
        with pytest.raises(InputError):
            Grounding("a", boxes, (), ("a",), (), "", 10, 10)
    with pytest.raises(InputError):
        PlanStep("reach", None, (-1, 3))
    with pytest.raises(InputError, match="labels"):
        Grounding("a", (), ((1, 2),), (), (), "", 10, 10)


def test_everything_becomes_json():
    grounding = Grounding("cup", ((0, 0, 500, 1000),), ((1, 2),), ("cup", "cup"), (0.5, 0.5), "t", 320, 240, ("[x1]",))
    plan = Plan("g", (PlanStep("reach the cup", "cup", (1, 2), grounding), PlanStep("wait", None, None)), "t")
    text = json.loads(json.dumps({"plan": plan.to_json(), "answer": Answer("yes", 0.9).to_json()}))
    assert text["plan"]["steps"][0]["grounding"]["boxes_px"] == [[0.0, 0.0, 160.0, 240.0]]
    assert text["plan"]["steps"][1] == {"text": "wait", "target": None, "point": None, "grounding": None}
    assert text["answer"]["score"] == 0.9
