"""Verdicts on grounding: each function returns None for a right answer, else what would be right."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

from vlaser_core.data.check.facts import goal_fits
from vlaser_core.data.check.look import Look, colour_in, numbers, options

HIDDEN = "not visible"
Verdict = Callable[[Look, str, str], "str | None"]


def _quads(answer: str) -> list[tuple[int, ...]]:
    values = numbers(answer)
    return [values[index : index + 4] for index in range(0, len(values), 4)]


def _pairs(answer: str) -> list[tuple[int, ...]]:
    values = numbers(answer)
    return [values[index : index + 2] for index in range(0, len(values), 2)]


def _one(look: Look, question: str, answer: str, right: Callable, expected: str) -> str | None:
    named = look.named(question)
    if not named or not look.visible(named[0]):
        return None if answer == HIDDEN else HIDDEN
    return None if len(named) == 1 and right(numbers(answer), named[0]) else f"the {expected} of {named[0].name}"


def box(look: Look, question: str, answer: str) -> str | None:
    return _one(look, question, answer, look.is_box, "box")


def point(look: Look, question: str, answer: str) -> str | None:
    return _one(look, question, answer, look.is_point, "point")


def sentence(look: Look, question: str, answer: str) -> str | None:
    subject = re.fullmatch(r"the (.+) is (?:at <box>\[\[[\d, ]+\]\]</box>|not visible)", answer)
    if subject is None or f"the {subject[1]}" not in question:
        return "a sentence about what was asked"
    return box(look, question, HIDDEN if answer.endswith(HIDDEN) else answer)


def json_list(look: Look, question: str, answer: str) -> str | None:
    try:
        said = [(tuple(entry["bbox_2d"]), entry["label"]) for entry in json.loads(answer)]
    except (json.JSONDecodeError, KeyError, TypeError):
        return "a JSON list of bbox_2d and label"
    if re.search(r"\b(every|all) object", question):
        wanted = sorted(look.all_visible(), key=lambda thing: look.centre(thing)[0])
    else:
        wanted = [thing for thing in look.named(question) if look.visible(thing)]
        if any(not re.search(rf"(?<!\w){re.escape(label)}(?!\w)", question) for _, label in said):
            return "labels as they were asked"
    labelled = [look.named(label) for _, label in said]
    if labelled != [[thing] for thing in wanted]:
        return str([thing.name for thing in wanted])
    return None if all(look.is_box(values, thing) for (values, _), thing in zip(said, wanted, strict=True)) else "their boxes"


def _of_kind(look: Look, question: str) -> list:
    """Visible things of which a noun stands in the question, singular or plural."""
    found = []
    for thing in look.all_visible():
        nouns = {phrase.split()[-1] for phrase in thing.phrases}
        if any(re.search(rf"\b{noun}(s|es)?\b", question) for noun in nouns):
            found.append(thing)
    return found


def every(look: Look, question: str, answer: str) -> str | None:
    """Points on all of a kind, from the left."""
    wanted = sorted(_of_kind(look, question), key=lambda thing: look.centre(thing)[0])
    said = _pairs(answer)
    right = (
        bool(wanted) and len(said) == len(wanted) and all(look.is_point(values, thing) for values, thing in zip(said, wanted, strict=True))
    )
    return None if right else f"points on {[thing.name for thing in wanted]}"


def every_colour(look: Look, question: str, answer: str) -> str | None:
    wanted = sorted((thing for thing in look.all_visible() if thing.colour == colour_in(question)), key=lambda thing: look.centre(thing)[0])
    said = _quads(answer)
    right = (
        bool(wanted) and len(said) == len(wanted) and all(look.is_box(values, thing) for values, thing in zip(said, wanted, strict=True))
    )
    return None if right else f"boxes of {[thing.name for thing in wanted]}"


def extreme(look: Look, question: str, answer: str) -> str | None:
    for words, axis, sign in ((r"left", 0, 1), (r"right", 0, -1), (r"highest|top", 1, 1), (r"lowest|bottom", 1, -1)):
        if re.search(words, question):
            wanted = min(look.all_visible(), key=lambda thing: sign * look.centre(thing)[axis])
            return None if look.is_point(numbers(answer), wanted) else f"a point on {wanted.name}"
    return "a question about a side"


def choice(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    right = [letter for letter, text in options(question).items() if look.is_box(numbers(text), thing)]
    return None if right == [answer] else str(right)


def gripper(look: Look, question: str, answer: str) -> str | None:
    at = look.truth.gripper_point
    return None if (answer == HIDDEN if at is None else numbers(answer) == at) else str(at or HIDDEN)


def affordance(look: Look, question: str, answer: str) -> str | None:
    truth = look.truth
    if any(thing.held for thing in look.named(question)):
        return None if answer == "it is held" else "it is held"
    if truth.grasp_point is None:
        return None if answer == HIDDEN else HIDDEN
    wanted = (*truth.grasp_point, truth.grasp_angle_deg)
    return None if numbers(answer) == wanted and look.named(question)[0].name == truth.source else str(wanted)


def grasp(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    return None if look.touches(numbers(answer), thing) else f"a point on {thing.name}"


def placement(look: Look, question: str, answer: str) -> str | None:
    if not goal_fits(look, question):
        return "a question about the task"
    at = look.truth.release_point
    return None if (answer == HIDDEN if at is None else numbers(answer) == at) else str(at or HIDDEN)


def free(look: Look, question: str, answer: str) -> str | None:
    return None if look.bare(numbers(answer)) else "a spot with bare surface around it"


def beside(look: Look, question: str, answer: str) -> str | None:
    spot, named = numbers(answer), look.named(question)
    if not look.bare(spot):
        return "a spot with bare surface around it"
    if "between" in question:
        boxes = [look.box(thing) for thing in named]
        (ax, ay), (bx, by) = (((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in boxes)
        far = math.dist((ax, ay), (bx, by))
        # In the middle third of the way, and the detour over the spot is short.
        detour = math.dist(spot, (ax, ay)) + math.dist(spot, (bx, by))
        return (
            None
            if detour < 1.08 * far + 4 and min(math.dist(spot, (ax, ay)), math.dist(spot, (bx, by))) > 0.3 * far
            else "a spot between them"
        )
    x1, y1, x2, y2 = look.box(named[0])
    beyond = x1 - spot[0] if "left" in question else spot[0] - x2
    return None if 10 < beyond < 260 and y1 - 50 < spot[1] < y2 + 50 else "a spot beside it"


def located(look: Look, question: str, answer: str) -> str | None:
    named = look.named(question)
    if not named or not look.visible(named[0]):
        return None if answer == "no" else "no"
    return None if answer.startswith("yes") and look.is_point(numbers(answer), named[0]) else f"yes, a point on {named[0].name}"


def task_box(look: Look, question: str, answer: str) -> str | None:
    truth = look.truth
    if not goal_fits(look, question):
        return "a question about the task"
    name = truth.source if re.search(r"pick(ed)? up|taken hold", question) else truth.target
    return None if look.is_box(numbers(answer), truth.object(name)) else f"the box of {name}"
