"""How a question names things: phrases that mean one object of a scene and no other, and coordinates as text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlaser_core.data.synthetic import TASKS
from vlaser_core.data.truth import Box, ObjectTruth, Point, SceneTruth
from vlaser_core.errors import InputError
from vlaser_core.reasoning.prompts import QUESTIONS


@dataclass(frozen=True)
class Turn:
    """One question and its answer. family: the key the answer is scored under."""

    family: str
    question: str
    answer: str


def point_text(point: Point) -> str:
    """A point as answers write it."""
    return f"<point>[[{point[0]}, {point[1]}]]</point>"


def box_text(box: Box) -> str:
    """A box as answers write it."""
    return f"<box>[[{box[0]}, {box[1]}, {box[2]}, {box[3]}]]</box>"


def ask(key: str, rng: np.random.Generator, **words: str) -> str:
    """One of the wordings of QUESTIONS[key], its placeholders filled."""
    wordings = QUESTIONS[key]
    if "phrase" in words:
        words["a_phrase"] = f"{'an' if words['phrase'][0] in 'aeiou' else 'a'} {words['phrase']}"
    return wordings[rng.integers(len(wordings))].format(**words)


def own_phrases(truth: SceneTruth, thing: ObjectTruth) -> list[str]:
    """Phrases that name this object and no other of the scene."""
    others = {phrase for other in truth.objects if other.name != thing.name for phrase in other.phrases}
    return [phrase for phrase in thing.phrases if phrase not in others]


def phrase_for(truth: SceneTruth, thing: ObjectTruth, rng: np.random.Generator) -> str:
    """A phrase for the object: its first one half of the time. Raises InputError where none is its own."""
    own = own_phrases(truth, thing)
    if not own:
        raise InputError(f"object {thing.name!r} shares all its phrases {thing.phrases} with others of the scene; give it one of its own")
    return own[0] if rng.random() < 0.5 else own[rng.integers(len(own))]


def main_phrase(truth: SceneTruth, name: str) -> str:
    """The phrase that answers use for an object: the first that is its own."""
    thing = truth.object(name)
    return next(iter(own_phrases(truth, thing)), thing.phrases[0])


def any_object(truth: SceneTruth, rng: np.random.Generator) -> ObjectTruth:
    """A random object of the scene, seen or not."""
    return truth.objects[rng.integers(len(truth.objects))]


def absent_phrase(truth: SceneTruth, rng: np.random.Generator) -> str:
    """A phrase of another task's object, none of whose names (a cloth is a towel) occurs here even in part."""
    here = {word for thing in truth.objects for phrase in thing.phrases for word in phrase.split()}
    absent = [phrases for task in TASKS for _, phrases, _ in task.objects if not any(phrase.split()[-1] in here for phrase in phrases)]
    if not absent:
        raise InputError("the scene holds an object of every task, nothing is left to ask in vain about")
    phrases = absent[rng.integers(len(absent))]
    return phrases[rng.integers(len(phrases))]
