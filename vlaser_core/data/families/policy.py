"""What the model is taught to say behind the policy prompt, and the texts that a small tokenizer is trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vlaser_core.data.families.conversation import conversation
from vlaser_core.data.families.steps import known_phase
from vlaser_core.data.synthetic import TASKS, synthetic_scene
from vlaser_core.data.truth import Point, SceneTruth
from vlaser_core.data.vocabulary import COLOURS, NOUNS, plural
from vlaser_core.errors import InputError
from vlaser_core.reasoning.prompts import QUESTIONS


def policy_answer(truth: SceneTruth) -> str:
    """All numbers 0…1000, unseen parts said `hidden`.

    Raises InputError for a height, an angle or a phase outside the scale or unknown: such a record is refused, never clipped.
    """
    if truth.gripper_height_mm is None or not 0 <= truth.gripper_height_mm <= 1000:
        raise InputError(f"gripper height {truth.gripper_height_mm} mm is outside 0…1000; drop this scene")
    if truth.grasp_angle_deg is None or not 0 <= truth.grasp_angle_deg < 180:
        raise InputError(f"grasp angle {truth.grasp_angle_deg}° is outside 0…179")

    def place(point: Point | None) -> str:
        return "hidden" if point is None else f"[[{point[0]}, {point[1]}]]"

    grasp = "held" if truth.object(truth.source).held else place(truth.grasp_point)
    return (
        f"grasp {grasp} angle {truth.grasp_angle_deg} release {place(truth.release_point)} "
        f"gripper {place(truth.gripper_point)} height {truth.gripper_height_mm} phase {known_phase(truth)}"
    )


def corpus(scenes: int = 1500) -> Iterator[str]:
    """Sample texts to train a tokenizer on: instructions, every wording, every name, and answers. Deterministic."""
    rng = np.random.default_rng(0)
    for task in TASKS:
        yield from task.instructions
        yield from (phrase for _, phrases, _, _ in task.objects for phrase in phrases)
    yield from (f"{colour} {noun}" for colour in COLOURS for nouns in NOUNS.values() for noun in nouns)
    yield from (plural(noun) for nouns in NOUNS.values() for noun in nouns)
    words = {
        "phrase": "carrot", "a_phrase": "a carrot", "other": "plate", "third": "spoon", "goal": "put carrot on plate", "point": "[[500, 500]]",
        "box": "[[400, 400, 500, 500]]", "list": "carrot and the plate", "kind": "block", "kinds": "blocks", "colour": "red", "surface": "table",
        "prep": "in", "options": "A. left\nB. right\nC. above\nD. below", "step": "lift the carrot",
    }  # fmt: skip
    for wordings in QUESTIONS.values():
        for wording in wordings:
            yield wording.format(**words)
    for _ in range(scenes):
        truth = synthetic_scene(rng)
        if truth.task:
            yield truth.instruction
            if truth.robot:
                yield policy_answer(truth)
        for turn in conversation(truth, rng, turns=6):
            yield turn.question
            yield turn.answer
