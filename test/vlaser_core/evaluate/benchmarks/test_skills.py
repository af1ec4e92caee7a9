from __future__ import annotations

import pytest

from vlaser_core.evaluate.benchmarks.skills import Skill, any_json, compare, fenced_json, skills_of, subtasks, total
from vlaser_core.evaluate.benchmarks.vlabench import VlaBench

PICK, PLACE = Skill("pick", entity=1), Skill("place", container=4)
RIGHT = [PICK, PLACE]


def test_a_sequence_is_cut_into_its_patterns():
    sequence = [Skill("lift"), Skill("pick", 1), Skill("pour", container=3), Skill("place", container=2), Skill("press", 5), Skill("pick", 7)]
    assert subtasks(sequence) == [("pick-pour-place", 1, 2), ("press", 5, None)]


@pytest.mark.parametrize(
    ("given", "skill", "entity", "both", "exact"),
    [
        (RIGHT, 100, 100, 100, 100),
        # The wrong thing: half the targets, and the sub-task is another.
        ([Skill("pick", 2), PLACE], 100, 50, 50, 0),
        # A pick alone is no sub-task.
        ([PICK], 50, 50, 50, 0),
        ([Skill("pick", 1), Skill("lift")], 50, 50, 50, 0),
        # More than asked for does not lower the first three; the first sub-task still stands first.
        ([*RIGHT, Skill("press", 9)], 100, 100, 100, 100),
        ([Skill("press", 9), *RIGHT], 100, 100, 100, 0),
        ([], 0, 0, 0, 0),
    ],
)
def test_the_four_scores(given, skill, entity, both, exact):
    assert compare(RIGHT, given, ordered=True) == {"skill": skill, "entity": entity, "skill_with_entity": both, "exact": exact}


def test_order_counts_except_where_it_does_not():
    first, second = [PICK, PLACE], [Skill("pick", 2), Skill("place", container=4)]
    right, turned = first + second, second + first
    assert compare(right, turned, ordered=True)["exact"] == 0 and compare(right, turned, ordered=False)["exact"] == 100
    # Ordered, the second sub-task must stand behind the right first one.
    assert compare(right, first + [Skill("pick", 2), Skill("insert", container=4)], ordered=True)["exact"] == 50


def test_upstreams_total_leaves_two_of_four_parts_out():
    perfect = compare(RIGHT, RIGHT, ordered=True)
    assert total(perfect, all_four=False) == pytest.approx(0.8) and total(perfect, all_four=True) == pytest.approx(1.0)


def test_a_plan_is_read_in_a_json_fence_or_as_a_person_would():
    text = '[{"name": "pick", "params": {"target_entity_name": "1"}}, {"name": "place", "params": {"target_container_name": 4}}]'
    right = ([{"name": "pick", "params": {"target_entity_name": 1}}, {"name": "place", "params": {"target_container_name": 4}}], True)
    judge = VlaBench().judge
    assert fenced_json(text) is None and any_json(text) == any_json(f"```\n{text}\n```") == any_json(f"The plan: {text}.")
    assert any_json(f'So: {{"steps": {text}}}, done') == {"steps": any_json(text)}
    assert judge(right, text, "upstream").fault and judge(right, text, "corrected").score == pytest.approx(1.0)
    # "1" is not 1 upstream: one of two entities.
    assert judge(right, f"```json\n{text}\n```", "upstream").score == pytest.approx(0.4 + 0.4 * 0.5)


@pytest.mark.parametrize("text", ["", "```json\n{]\n```", "```json\n3\n```", '```json\n[{"name": "pick"}]\n```', '```json\n["pick"]\n```', "[" * 5000])
def test_what_is_no_plan_is_named_and_wrong(text):
    verdict = VlaBench().judge(([{"name": "press", "params": {"target_entity_name": 1}}], True), text, "upstream")
    assert verdict.score == 0 and verdict.fault == "no plan in the answer"


def test_what_no_skill_can_be_counted_with_is_no_error():
    assert skills_of([{"name": "pick", "params": {"target_entity_name": [1, 2]}}]) == [Skill("pick", "[1, 2]")]
