"""A second opinion on generated questions: each answer is read back from its text and held against the scene's truth.

Nothing here uses the code that wrote the answers. Objects are found by searching the question's words, numbers by
taking all digits out of the answer, plans by asking what physically remains to be done. A disagreement is a bug in
one of the two, and both are worth knowing before a model learns it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from vlaser_core.data.phrasing import Turn
from vlaser_core.data.truth import ObjectTruth, SceneTruth


@dataclass(frozen=True)
class Disagreement:
    """An answer and what the truth says instead."""

    family: str
    question: str
    answer: str
    expected: str


def _named(truth: SceneTruth, text: str) -> list[ObjectTruth]:
    """Objects whose phrases stand in the text, in the text's order; the longest phrase wins where several begin."""
    hits: list[tuple[int, int, ObjectTruth]] = []
    for thing in truth.objects:
        for phrase in thing.phrases:
            for found in re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", text):
                hits.append((found.start(), found.end(), thing))
    hits.sort(key=lambda hit: (hit[0], -hit[1]))
    named, end = [], -1
    for start, stop, thing in hits:
        if start >= end:
            named.append(thing)
            end = stop
    return named


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _expected_numbers(values: Iterable[int] | None) -> tuple[int, ...] | None:
    return None if values is None else tuple(values)


def _region(answer: str, truth_values: tuple[int, ...] | None) -> str | None:
    """None when the answer states exactly these numbers (or states that nothing is seen), else what it should state."""
    if truth_values is None:
        return None if answer == "not visible" else "not visible"
    return None if _numbers(answer) == truth_values else str(truth_values)


def _expect(answer: str, expected: str) -> str | None:
    return None if answer == expected else expected


def _at(truth: SceneTruth, question: str) -> ObjectTruth | None:
    point = _numbers(question)[-2:]
    return next((thing for thing in truth.objects if thing.point == point), None)


def _remaining(truth: SceneTruth) -> list[str]:
    """First words of the steps that physically remain, from the far end: what is undone stays in the plan."""
    if truth.phase == "done":
        return []
    if truth.phase == "retreat":
        return ["move"]
    verbs = ["release"]
    for verb, over in (
        ("lower", ("release",)),
        ("move", ("release", "lower")),
        ("lift", ("release", "lower", "carry")),
        ("grasp", ("release", "lower", "carry", "lift")),
        ("reach", ("release", "lower", "carry", "lift", "grasp", "descend")),
    ):
        if truth.phase not in over:
            verbs.insert(0, verb)
    return verbs


def _check_steps(truth: SceneTruth, lines: list[str]) -> str | None:
    """What is wrong with steps (numbers already taken off), or None."""
    verbs = [line.split()[0] for line in lines]
    if verbs != _remaining(truth):
        return f"steps {_remaining(truth)}"
    for line in lines:
        verb = line.split()[0]
        if line == "move away":
            continue
        expected = truth.target if verb == "move" else truth.source
        if [thing.name for thing in _named(truth, line)] != [expected]:
            return f"{verb} names {expected}"
        point = {"reach": truth.grasp_point, "move": truth.release_point}.get(verb)
        if "<point>" in line and _numbers(line.split("<point>")[1]) != point:
            return f"{verb} at {point}"
    return None


def _spatial(truth: SceneTruth, question: str) -> str | None:
    things = _named(truth, question)
    if len(things) != 2:
        return None
    if "near" in question.lower() or "closer" in question:
        first, second = (math.dist((0.0, 0.0), thing.position[:2]) for thing in things)
        return things[0].name if first < second else things[1].name
    in_image = "image" in question or "picture" in question
    if any(thing.point is None for thing in things):
        return None
    # Both frames reduced to "how far right" and "how far up or away" the first is of the second.
    ours, theirs = ((thing.point[0], -thing.point[1]) if in_image else (-thing.position[1], thing.position[0]) for thing in things)
    right, away = ours[0] - theirs[0], ours[1] - theirs[1]
    for word, value in {"left": -right, "right": right, "above": away, "below": -away, "behind": away, "front": -away}.items():
        if re.search(rf"\b{word}\b", question):
            return "yes" if value > 0 else "no"
    return None


def _verdict(truth: SceneTruth, turn: Turn) -> str | None:
    """None when right, else the expected answer."""
    question, answer = turn.question, turn.answer
    named = _named(truth, question)
    if turn.family in ("ground_box", "ground_point"):
        field = "box" if turn.family == "ground_box" else "point"
        return _region(answer, _expected_numbers(getattr(named[0], field)) if named else None)
    if turn.family == "gripper_point":
        return _region(answer, truth.gripper_point)
    if turn.family == "gripper_height":
        return _region(answer, (truth.gripper_height_mm,))
    if turn.family == "placement":
        return _region(answer, truth.release_point) if named and named[0].name == truth.source else "a question about the source"
    if turn.family == "affordance":
        if any(thing.held for thing in named):
            return _expect(answer, "it is held")
        return _region(answer, None if truth.grasp_point is None else (*truth.grasp_point, truth.grasp_angle_deg))
    if turn.family == "presence":
        return _expect(answer, "yes" if named and named[0].box is not None else "no")
    if turn.family == "colour":
        thing = named[0] if named else _at(truth, question)
        return _expect(answer, thing.colour if thing else "an object that is there")
    if turn.family == "name_at":
        thing = _at(truth, question)
        return None if thing and answer in thing.phrases else f"a name of {thing.name if thing else 'nothing'}"
    if turn.family == "objects":
        said = sorted(thing.name for part in answer.split(", ") for thing in _named(truth, part))
        seen = sorted(thing.name for thing in truth.objects if thing.visible_fraction > 0)
        return None if said == seen else str(seen)
    if turn.family == "gripper_state":
        held = [thing.name for thing in truth.objects if thing.held]
        if held:
            said = [thing.name for thing in _named(truth, answer)]
            return None if answer.startswith("holding") and said == held else f"holding {held[0]}"
        return _expect(answer, "open" if truth.openness > 0.5 else "closed")
    if turn.family == "phase":
        return _expect(answer, truth.phase)
    if turn.family == "done":
        return _expect(answer, "yes" if truth.success else "no")
    if turn.family in ("plan", "next_action"):
        if answer == "the task is done":
            return None if truth.phase == "done" and truth.success else "steps, the task is not done"
        lines = [re.sub(r"^\d+\. ", "", line) for line in answer.split("\n")]
        if turn.family == "next_action":
            if answer == "move away":
                return _expect(truth.phase, "retreat")
            wanted = _remaining(truth)[:1]
            names = [thing.name for thing in _named(truth, answer)]
            right = wanted == answer.split()[:1] and names == [truth.target if wanted == ["move"] else truth.source]
            return None if right else str(wanted)
        if [int(line.split(".")[0]) for line in answer.split("\n")] != list(range(1, len(lines) + 1)):
            return "steps numbered from 1"
        return _check_steps(truth, lines)
    if turn.family in ("spatial_image", "spatial_robot"):
        return _expect(answer, _spatial(truth, question) or "a question about two objects")
    if turn.family == "nearest":
        said = _named(truth, answer)
        return None if said and said[0].name == _spatial(truth, question) else str(_spatial(truth, question))
    return f"a family this checker knows; {turn.family!r} is new to it"


def check(truth: SceneTruth, turns: Iterable[Turn]) -> list[Disagreement]:
    """Every turn whose answer the truth does not bear out."""
    verdicts = ((turn, _verdict(truth, turn)) for turn in turns)
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
