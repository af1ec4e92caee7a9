"""A second opinion on generated questions: each answer is read back from its text and held against the scene's truth.

Nothing here uses the code that wrote the answers. Objects are found by searching the question's words, boxes and points
are measured on the pixel map, numbers are taken out of the answer as digits, plans follow from what physically remains
to be done. A disagreement is a bug in one of the two, and both are worth knowing before a model learns it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vlaser_core.data.check import facts, places, plans, relations
from vlaser_core.data.check.look import Look
from vlaser_core.data.phrasing import Turn
from vlaser_core.data.truth import SceneTruth

_VERDICTS: dict[str, places.Verdict] = {
    "ground_box": places.box, "ground_point": places.point, "ground_sentence": places.sentence, "ground_json": places.json_list,
    "ground_kind": places.every, "ground_colour": places.every_colour, "ground_extreme": places.extreme, "ground_choice": places.choice,
    "gripper_point": places.gripper, "affordance": places.affordance, "grasp_point": places.grasp, "placement": places.placement,
    "free_space": places.free, "free_beside": places.beside, "presence_located": places.located, "task_object": places.task_box,
    "presence": facts.presence, "colour": facts.colour, "colour_choice": facts.colour_choice, "is_colour": facts.is_colour,
    "name_at": facts.name_at, "name_choice": facts.name_choice, "objects": facts.objects, "count": facts.count, "occluded": facts.occluded,
    "rests_on": facts.rests_on, "gripper_state": facts.gripper_state, "gripper_height": facts.gripper_height, "holding": facts.holding,
    "phase": facts.phase, "done": facts.done, "outcome": facts.outcome, "fault": facts.fault,
    "spatial_image": relations.in_picture, "relation_choice": relations.side_choice, "spatial_robot": relations.from_robot,
    "nearest": relations.nearer_robot, "nearest_camera": relations.nearer_camera, "closest_to": relations.closest,
    "distance": relations.distance, "between": relations.between, "order": relations.order, "extreme": relations.extreme,
    "region": relations.region, "taller": relations.taller, "on_top": relations.on_top, "reachable": relations.reachable,
    "gripper_side": relations.from_gripper, "gripper_distance": relations.gripper_distance,
    "plan": plans.plan, "next_action": plans.next_action, "next_step": plans.next_step, "steps_count": plans.steps_count,
    "step_choice": plans.step_choice, "step_done": plans.step_done, "feasible": plans.feasible, "obstacle": plans.obstacle,
    "tidy": plans.tidy, "recovery": plans.recovery,
}  # fmt: skip


@dataclass(frozen=True)
class Disagreement:
    """An answer and what the truth says instead."""

    family: str
    question: str
    answer: str
    expected: str


def _verdict(look: Look, turn: Turn) -> str | None:
    if turn.family not in _VERDICTS:
        return f"a family this checker knows; {turn.family!r} is new to it"
    try:
        return _VERDICTS[turn.family](look, turn.question, turn.answer)
    except (LookupError, ValueError, TypeError) as error:
        # A question that names other objects than its family is about, or a truth that lacks what the family needs.
        return f"a question that can be read: {type(error).__name__}: {error}"


def check(truth: SceneTruth, turns: Iterable[Turn]) -> list[Disagreement]:
    """Every turn whose answer the truth does not bear out."""
    look = Look(truth)
    verdicts = ((turn, _verdict(look, turn)) for turn in turns)
    return [Disagreement(turn.family, turn.question, turn.answer, expected) for turn, expected in verdicts if expected is not None]


def check_policy_answer(truth: SceneTruth, text: str) -> list[Disagreement]:
    """The policy's answer, word by word against the truth."""
    words = re.findall(r"[a-z]+|\d+", text)
    held = any(thing.held and thing.name == truth.source for thing in truth.objects)

    def place(point: tuple[int, int] | None) -> list[str]:
        return ["hidden"] if point is None else [str(point[0]), str(point[1])]

    expected = ["grasp", *(["held"] if held else place(truth.grasp_point)), "angle", str(truth.grasp_angle_deg), "release"]
    expected += [*place(truth.release_point), "gripper", *place(truth.gripper_point)]
    expected += ["height", str(truth.gripper_height_mm), "phase", truth.phase]
    return [] if words == expected else [Disagreement("policy", truth.instruction, text, " ".join(expected))]
