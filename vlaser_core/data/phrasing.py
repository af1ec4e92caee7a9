"""How a question names things: phrases that mean one object of a scene and no other, and coordinates as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vlaser_core.data.truth import Box, ObjectTruth, Point, SceneTruth
from vlaser_core.data.vocabulary import COLOURS, FAR, NATURAL, NOUNS, with_article
from vlaser_core.errors import InputError
from vlaser_core.reasoning.prompts import QUESTIONS

SLIVER = 0.05  # visible fraction below which nobody would notice a thing
PLAIN = 0.4  # visible fraction from which nobody would miss it
CUT = 45  # of 1000: of what the picture's edge cuts off, a rest narrower than this is not recognised
SELDOM = 0.2  # of the scenes with the answer that nearly all scenes give are asked about: the others should not drown
LETTERS = "ABCD"


@dataclass(frozen=True)
class Turn:
    """One question and its answer. family: the key the answer is scored under."""

    family: str
    question: str
    answer: str


def point_text(*points: Point) -> str:
    """Points as answers write them."""
    return f"<point>[{', '.join(f'[{x}, {y}]' for x, y in points)}]</point>"


def box_text(*boxes: Box) -> str:
    """Boxes as answers write them."""
    return f"<box>[{', '.join(str(list(box)) for box in boxes)}]</box>"


def list_text(names: Sequence[str], joint: str = " and the ") -> str:
    """`red mug, the ball and the plate`, to follow an article."""
    return names[0] if len(names) == 1 else ", the ".join(names[:-1]) + joint + names[-1]


def ask(key: str, rng: np.random.Generator, robot: bool = True, **words: str) -> str:
    """One of the wordings of QUESTIONS[key], its placeholders filled. robot: there is one to speak of."""
    wordings = [wording for wording in QUESTIONS[key] if robot or not ("robot" in wording or "gripper" in wording)]
    if "phrase" in words:
        words["a_phrase"] = with_article(words["phrase"])
    return wordings[rng.integers(len(wordings))].format(**words)


def choice(right: str, wrong: Iterable[str], rng: np.random.Generator) -> tuple[str, str] | None:
    """Lettered options in random order, one a line, and the letter of the right one. None with fewer than two wrong ones."""
    others = [option for option in dict.fromkeys(wrong) if option != right]
    if len(others) < 2:
        return None
    options = [right, *(others[index] for index in rng.permutation(len(others))[: len(LETTERS) - 1])]
    order = rng.permutation(len(options))
    return "\n".join(f"{LETTERS[place]}. {options[index]}" for place, index in enumerate(order)), LETTERS[list(order).index(0)]


class Scene:
    """A truth with what questions need of it, worked out once: names that are each object's own, and who is plain to see."""

    def __init__(self, truth: SceneTruth) -> None:
        self.truth = truth
        words = {thing.name: [frozenset(phrase.split()) for phrase in thing.phrases] for thing in truth.objects}
        self.own: dict[str, tuple[str, ...]] = {
            thing.name: tuple(
                phrase
                for phrase, mine in zip(thing.phrases, words[thing.name], strict=True)
                # `plate` is no name for one plate beside a green plate.
                if not any(mine <= theirs for name, others in words.items() if name != thing.name for theirs in others)
            )
            for thing in truth.objects
        }
        self.named = tuple(thing for thing in truth.objects if self.own[thing.name])

    @cached_property
    def plain(self) -> tuple[ObjectTruth, ...]:
        """Named objects that nobody would miss."""
        return tuple(thing for thing in self.named if thing.point is not None and seen_share(thing) >= PLAIN)

    @cached_property
    def all_or_none(self) -> bool:
        """Every object is plain to see or shows nothing at all: what there is can be listed and counted."""
        return not self.truth.unlabelled and all(seen_share(thing) == 0 or seen_share(thing) >= PLAIN for thing in self.truth.objects)

    @cached_property
    def shown(self) -> tuple[ObjectTruth, ...]:
        """Objects of which anything shows, named or not."""
        return tuple(thing for thing in self.truth.objects if thing.point is not None)

    @cached_property
    def has_task(self) -> bool:
        """An instruction about two objects that can be named, in a state that can be seen."""
        truth = self.truth
        if not truth.robot and not {truth.source, truth.target} <= {thing.name for thing in self.plain}:
            return False  # no hand shows how far it has come
        return bool(truth.instruction and truth.phase) and bool(self.own.get(truth.source)) and bool(self.own.get(truth.target))

    def thing(self, rng: np.random.Generator, noticeable: bool = True) -> ObjectTruth | None:
        """A random named object. noticeable: none of which so little shows that it may or may not be said to be seen."""
        fit = [thing for thing in self.named if not (noticeable and 0 < seen_share(thing) < SLIVER)]
        return fit[rng.integers(len(fit))] if fit else None

    def plain_thing(self, rng: np.random.Generator) -> ObjectTruth | None:
        return self.plain[rng.integers(len(self.plain))] if self.plain else None

    def some(self, count: int, rng: np.random.Generator) -> list[ObjectTruth] | None:
        """`count` different plain objects in random order, None where there are fewer."""
        if len(self.plain) < count:
            return None
        return [self.plain[index] for index in rng.permutation(len(self.plain))[:count]]

    def phrase(self, thing: ObjectTruth, rng: np.random.Generator) -> str:
        """A phrase for the object: its first one half of the time. Raises InputError where none is its own."""
        own = self.own[thing.name]
        if not own:
            raise InputError(
                f"object {thing.name!r} shares all its phrases {thing.phrases} with others of the scene; give it one of its own"
            )
        return own[0] if rng.random() < 0.5 else own[rng.integers(len(own))]

    def name(self, name: str) -> str:
        """The phrase that answers use for an object: the first that is its own."""
        return next(iter(self.own[name]), self.truth.object(name).phrases[0])

    def goal(self, rng: np.random.Generator) -> str:
        """The instruction as it was given, or in other words."""
        truth = self.truth
        given = truth.instruction.rstrip(" .")
        if rng.random() < 0.6:
            return given[:1].lower() + given[1:]
        source, target = (self.phrase(truth.object(name), rng) for name in (truth.source, truth.target))
        if given.lower().startswith("stack"):
            return f"stack the {source} on the {target}"
        return instruction(source, preposition(truth), target, rng)

    def absent(self, rng: np.random.Generator, kinds: Iterable[str] = NOUNS) -> str:
        """A phrase for what is not among the things here: half of the time the kind of one in another colour, or its colour on another kind.

        kinds: what it may be. Where the picture may show more than is labelled, such a thing can still be in it.
        """
        nouns = {noun for thing in self.truth.objects for phrase in thing.phrases for noun in phrase.split()}
        elsewhere = [kind for kind in kinds if nouns.isdisjoint(word for name in NOUNS[kind] for word in name.split())]
        roll = rng.random()
        alike = [thing for thing in self.truth.objects if thing.kind in kinds or kinds is NOUNS]
        if (roll < 0.25 or not elsewhere) and alike:
            thing = alike[rng.integers(len(alike))]
            noun = NOUNS.get(thing.kind, (thing.phrases[0].split()[-1],))[0]
            others = [other.colour for other in self.truth.objects if any(phrase.endswith(noun) for phrase in other.phrases)]
            far = [colour for colour in COLOURS if all(colour in FAR.get(other, ()) for other in others)]
            if far:
                return f"{far[rng.integers(len(far))]} {noun}"
        if not elsewhere:
            raise InputError("the scene holds an object of every kind, nothing is left to ask in vain about")
        kind = elsewhere[rng.integers(len(elsewhere))]
        noun = NOUNS[kind][rng.integers(len(NOUNS[kind]))]
        if roll < 0.5 and self.truth.objects and kind not in NATURAL:
            return f"{self.truth.objects[rng.integers(len(self.truth.objects))].colour} {noun}".strip()
        return noun


def preposition(truth: SceneTruth) -> str:
    """`in` or `on`, as the instruction has it."""
    return "in" if {"in", "into", "inside"} & set(truth.instruction.lower().split()) else "on"


def seen_share(thing: ObjectTruth) -> float:
    """How much of it one sees, 0 … 1: its visible fraction, next to nothing for a rest at the picture's edge."""
    if thing.box is None:
        return 0.0
    x1, y1, x2, y2 = thing.box
    at_edge = min(x1, y1) == 0 or max(x2, y2) == 1000
    return min(thing.visible_fraction, SLIVER / 2) if at_edge and min(x2 - x1, y2 - y1) < CUT else thing.visible_fraction


def instruction(source: str, prep: str, target: str, rng: np.random.Generator) -> str:
    """Words for moving one thing in or on another."""
    verb = ("put", "place", "move")[rng.integers(3)]
    return f"{verb} the {source} {prep}{'to' if verb == 'move' else ''} the {target}"
