"""Verdicts on what is there and what goes on; None for a right answer, else what would be right."""

from __future__ import annotations

import re

from vlaser_core.data.check.look import Look, colour_in, numbers, options
from vlaser_core.data.truth import ObjectTruth


def expect(answer: str, expected: str) -> str | None:
    return None if answer == expected else expected


def _yes(answer: str, truth: bool) -> str | None:
    return expect(answer, "yes" if truth else "no")


def presence(look: Look, question: str, answer: str) -> str | None:
    named = look.named(question)
    return _yes(answer, bool(named) and look.visible(named[0]))


def _asked(look: Look, question: str) -> ObjectTruth | None:
    """The object named in the question, or the one at its point or in its box."""
    named = look.named(options_off(question))
    if named:
        return named[0]
    values = numbers(options_off(question))
    if len(values) == 4:
        return next((thing for thing in look.all_visible() if look.is_box(values, thing)), None)
    return look.at(values) if len(values) == 2 else None


def options_off(question: str) -> str:
    """The question without its lettered options."""
    return re.sub(r"\nA\. .*", "", question, flags=re.DOTALL)


def colour(look: Look, question: str, answer: str) -> str | None:
    thing = _asked(look, question)
    return expect(answer, thing.colour) if thing else "an object that is there"


def colour_choice(look: Look, question: str, answer: str) -> str | None:
    thing = _asked(look, question)
    right = [letter for letter, text in options(question).items() if thing is not None and text == thing.colour]
    return None if right == [answer] else str(right)


def is_colour(look: Look, question: str, answer: str) -> str | None:
    thing = _asked(look, question)
    return _yes(answer, thing is not None and thing.colour == colour_in(question))


def name_at(look: Look, question: str, answer: str) -> str | None:
    thing = _asked(look, question)
    return None if thing and look.named(answer) == [thing] else f"a name of {thing.name if thing else 'nothing'}"


def name_choice(look: Look, question: str, answer: str) -> str | None:
    thing = _asked(look, question)
    right = [letter for letter, text in options(question).items() if look.named(text) == [thing]]
    return None if right == [answer] else str(right)


def objects(look: Look, question: str, answer: str) -> str | None:
    said = [] if answer == "none" else [look.named(part) for part in answer.split(", ")]
    seen = sorted(thing.name for thing in look.all_visible())
    right = all(len(named) == 1 for named in said) and sorted(named[0].name for named in said) == seen
    return None if right else str(seen)


def count(look: Look, question: str, answer: str) -> str | None:
    things, asked = look.all_visible(), colour_in(question)
    if asked:
        number = sum(thing.colour == asked for thing in things)
    elif re.search(r"\b(objects|things)\b", question):
        number = len(things)
    else:
        number = sum(any(re.search(rf"\b{phrase.split()[-1]}(s|es)\b", question) for phrase in thing.phrases) for thing in things)
    return expect(answer, str(number))


def occluded(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    if 0.9 <= thing.visible_fraction <= 0.98:
        return "no question about what can hardly be told"
    return _yes(answer, thing.visible_fraction < 0.9 and look.bordered(thing))


def rests_on(look: Look, question: str, answer: str) -> str | None:
    (thing,) = look.named(question)
    below = [other for other in look.truth.objects if other is not thing and look.lies_on(thing, other)]
    if not below:
        return expect(answer, f"the {look.truth.surface}")
    said = look.named(answer)
    return None if len(said) == 1 and said[0] in below else f"the {below[0].name}"


def gripper_state(look: Look, question: str, answer: str) -> str | None:
    held = look.held()
    if held:
        return None if answer.startswith("holding") and look.named(answer) == held else f"holding {held[0].name}"
    return expect(answer, "open" if look.truth.openness > 0.5 else "closed")


def gripper_height(look: Look, question: str, answer: str) -> str | None:
    return expect(answer, str(look.truth.gripper_height_mm))


def holding(look: Look, question: str, answer: str) -> str | None:
    return _yes(answer, look.named(question)[0] in look.held())


def goal_fits(look: Look, question: str) -> bool:
    """The question speaks of the source, then of the target."""
    return [thing.name for thing in look.named(question)] == [look.truth.source, look.truth.target]


def phase(look: Look, question: str, answer: str) -> str | None:
    return expect(answer, look.truth.phase) if goal_fits(look, question) else "a question about the task"


def done(look: Look, question: str, answer: str) -> str | None:
    return _yes(answer, look.truth.success) if goal_fits(look, question) else "a question about the task"


def came_out(look: Look) -> bool:
    """Whether the last attempt did what it was for: the object in the hand, or at rest where it belongs."""
    truth = look.truth
    source = truth.object(truth.source)
    if truth.attempt == "release":
        return not source.held and look.lies_on(source, truth.object(truth.target))
    return source.held


def outcome(look: Look, question: str, answer: str) -> str | None:
    if look.named(question)[0].name != look.truth.source:
        return "a question about the source"
    return _yes(answer, came_out(look))


def fault(look: Look, question: str, answer: str) -> str | None:
    truth = look.truth
    if came_out(look):
        return expect(answer, "nothing")
    wrong = [thing for thing in look.held() if thing.name != truth.source]
    named = [thing.name for thing in look.named(answer)]
    if wrong:
        return None if "holds" in answer and named == [wrong[0].name] else f"it holds {wrong[0].name}"
    if truth.attempt == "release":
        return None if " is not " in answer and named == [truth.source, truth.target] else "it is not where it belongs"
    return None if "does not hold" in answer and named == [truth.source] else "it is not in the gripper"
