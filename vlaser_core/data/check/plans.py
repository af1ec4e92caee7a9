"""Verdicts on plans, by what physically remains to be done; None for a right answer, else what would be right."""

from __future__ import annotations

import re

from vlaser_core.data.check.facts import came_out, expect
from vlaser_core.data.check.look import Look, numbers, options
from vlaser_core.data.truth import SceneTruth

DONE = "the task is done"
_ALL = ["reach", "grasp", "lift", "move", "lower", "release"]


def remaining(truth: SceneTruth) -> list[str]:
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


def _line(look: Look, line: str, points: bool | None = None) -> str | None:
    """What is wrong with one step, or None. points: whether the steps that aim at a known point must say it (None: they may)."""
    truth, verb = look.truth, line.split()[0]
    if line in ("move away", "open the gripper"):
        return None
    expected = truth.target if verb == "move" else truth.source
    if verb == "put":
        expected = next((thing.name for thing in look.held()), "")
    if [thing.name for thing in look.named(line)] != [expected]:
        return f"{verb} names {expected}"
    point = {"reach": truth.grasp_point, "move": truth.release_point}.get(verb)
    if ("<point>" in line) != (points and point is not None) and points is not None:
        return f"{verb} {'with' if points else 'without'} a point"
    return f"{verb} at {point}" if "<point>" in line and numbers(line) != point else None


def _lines(answer: str) -> list[str] | None:
    """The steps without their numbers, None when they are not numbered from 1."""
    found = [re.fullmatch(r"(\d+)\. (.+)", line) for line in answer.split("\n")]
    if any(match is None for match in found) or [int(match[1]) for match in found] != list(range(1, len(found) + 1)):
        return None
    return [match[2] for match in found]


def _steps(look: Look, answer: str, verbs: list[str]) -> str | None:
    if answer == DONE:
        return None if not verbs and look.truth.success else f"steps {verbs}"
    lines = _lines(answer)
    if lines is None or [line.split()[0] for line in lines] != verbs:
        return f"numbered steps {verbs}"
    return next((fault for line in lines if (fault := _line(look, line, True))), None)


def plan(look: Look, question: str, answer: str) -> str | None:
    return _steps(look, answer, remaining(look.truth))


def _next(look: Look, answer: str, points: bool) -> str | None:
    verbs = remaining(look.truth)
    if not verbs or answer == DONE:
        return None if not verbs and answer == DONE and look.truth.success else str(verbs[:1] or DONE)
    if answer.split()[0] != verbs[0] or (answer == "move away") != (look.truth.phase == "retreat"):
        return verbs[0]
    return _line(look, answer, points)


def next_action(look: Look, question: str, answer: str) -> str | None:
    return _next(look, answer, False)


def next_step(look: Look, question: str, answer: str) -> str | None:
    return _next(look, answer, True)


def steps_count(look: Look, question: str, answer: str) -> str | None:
    return expect(answer, str(len(remaining(look.truth))))


def step_choice(look: Look, question: str, answer: str) -> str | None:
    said = options(question)
    right = [letter for letter, text in said.items() if _next(look, DONE if text.startswith("nothing") else text, False) is None]
    return None if right == [answer] else str(right)


def step_done(look: Look, question: str, answer: str) -> str | None:
    asked = re.search(r"'(\w+) ([^']+)'", question)
    verb = asked[1]
    named = look.named(asked[2])
    if [thing.name for thing in named] != [look.truth.target if verb == "move" else look.truth.source]:
        return "a step of the task"
    undone = [] if look.truth.phase == "retreat" else remaining(look.truth)
    return expect(answer, "no" if verb in undone else "yes")


def feasible(look: Look, question: str, answer: str) -> str | None:
    named = look.named(question)
    return expect(answer, "yes" if len(named) == 2 and all(look.visible(thing) for thing in named) else "no")


def obstacle(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    above = [other for other in look.truth.objects if other is not thing and not other.held and look.lies_on(other, thing)]
    if not above:
        return expect(answer, "nothing")
    return None if look.named(answer) == above else str([other.name for other in above])


def tidy(look: Look, question: str, answer: str) -> str | None:
    *things, place = look.named(question)
    lines = _lines(answer)
    wanted = sorted(things, key=lambda thing: look.centre(thing)[0])
    if lines is None or [look.named(line) for line in lines] != [[thing, place] for thing in wanted]:
        return f"numbered, {[thing.name for thing in wanted]} to {place.name}"
    return None if all(look.touches(numbers(line), thing) for line, thing in zip(lines, wanted, strict=True)) else "points on the things"


def recovery(look: Look, question: str, answer: str) -> str | None:
    truth = look.truth
    wrong = [thing for thing in look.held() if thing.name != truth.source]
    if came_out(look):
        verbs = remaining(truth)
    elif wrong:
        verbs = ["put", *_ALL]
    else:
        verbs = [*(["open"] if truth.openness <= 0.5 else []), *_ALL]
    return _steps(look, answer, verbs)
