"""Verdicts on how things lie to one another; None for a right answer, else what would be right."""

from __future__ import annotations

import math
import re

from vlaser_core.data.check.facts import expect, options_off
from vlaser_core.data.check.look import Look, options
from vlaser_core.data.truth import ObjectTruth


def _names(answer: str, look: Look, wanted: list[ObjectTruth]) -> str | None:
    """Is the answer exactly these, in this order?"""
    said = [look.named(part) for part in answer.split(", ")]
    return None if said == [[thing] for thing in wanted] else str([thing.name for thing in wanted])


def _side(right: float, away: float, question: str) -> str | None:
    for word, value in {"left": -right, "right": right, "above": away, "below": -away, "behind": away, "front": -away}.items():
        if re.search(rf"\b{word}\b", question):
            return "yes" if value > 0 else "no"
    return None


def in_picture(look: Look, question: str, answer: str) -> str | None:
    (x, y), (u, v) = (look.centre(thing) for thing in look.named(question))
    return expect(answer, _side(x - u, v - y, question) or "a question about two objects")


def side_choice(look: Look, question: str, answer: str) -> str | None:
    (x, y), (u, v) = (look.centre(thing) for thing in look.named(options_off(question)))
    right = ("right" if x > u else "left") if abs(x - u) > abs(y - v) else ("below" if y > v else "above")
    return None if options(question).get(answer) == right else right


def from_robot(look: Look, question: str, answer: str) -> str | None:
    one, other = look.named(question)
    return expect(
        answer, _side(other.position[1] - one.position[1], one.position[0] - other.position[0], question) or "a question about two objects"
    )


def nearer_robot(look: Look, question: str, answer: str) -> str | None:
    pair = sorted(look.named(question), key=lambda thing: math.dist((0.0, 0.0), thing.position[:2]))
    return None if len(pair) == 2 and look.named(answer) == pair[:1] else pair[0].name


def nearer_camera(look: Look, question: str, answer: str) -> str | None:
    pair = sorted(look.named(question), key=lambda thing: thing.camera_distance)
    return None if len(pair) == 2 and look.named(answer) == pair[:1] else pair[0].name


def closest(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    away = {other.name: math.dist(thing.position, other.position) for other in look.truth.objects if other is not thing}
    nearest = min(away, key=away.__getitem__)
    return None if [other.name for other in look.named(answer)] == [nearest] else nearest


def distance(look: Look, question: str, answer: str) -> str | None:
    one, other = look.named(question)
    apart = 100 * math.dist(one.position, other.position)
    return None if answer.isdigit() and abs(int(answer) - apart) <= 0.501 else f"{apart:.1f}"


def between(look: Look, question: str, answer: str) -> str | None:
    x, one, other = (look.centre(thing)[0] for thing in look.named(question))
    return expect(answer, "yes" if min(one, other) < x < max(one, other) else "no")


def _line(look: Look, question: str) -> list[ObjectTruth]:
    things = look.all_visible()
    if re.search(r"camera|viewer", question):
        return sorted(things, key=lambda thing: thing.camera_distance)
    return sorted(things, key=lambda thing: look.centre(thing)[0])


def order(look: Look, question: str, answer: str) -> str | None:
    return _names(answer, look, _line(look, question))


def extreme(look: Look, question: str, answer: str) -> str | None:
    line = _line(look, question)
    return _names(answer, look, [line[-1] if re.search(r"right|farthest (from|away)", question) else line[0]])


def region(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    x, y = look.centre(thing)
    return expect(answer, f"{'top' if y < 500 else 'bottom'} {'left' if x < 500 else 'right'}")


def taller(look: Look, question: str, answer: str) -> str | None:
    pair = sorted(look.named(question), key=lambda thing: -thing.size[2])
    return None if len(pair) == 2 and look.named(answer) == pair[:1] else pair[0].name


def on_top(look: Look, question: str, answer: str) -> str | None:
    one, other = look.named(question)
    return expect(answer, "yes" if look.lies_on(one, other) else "no")


def reachable(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    near, far = look.truth.reach
    return expect(answer, "yes" if near < math.dist((0.0, 0.0), thing.position[:2]) < far else "no")


def from_gripper(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    ways = [there - here for there, here in zip(thing.position[:2], look.truth.gripper_position[:2], strict=True)]
    sides = {"forward": ways[0], "back": -ways[0], "left": ways[1], "right": -ways[1]}
    return expect(answer, max(sides, key=sides.__getitem__))


def gripper_distance(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    apart = 100 * math.dist(thing.position[:2], look.truth.gripper_position[:2])
    return None if answer.isdigit() and abs(int(answer) - apart) <= 0.501 else f"{apart:.1f}"
