"""What the model is taught to say behind the policy prompt, and the texts that a small tokenizer is trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from vlaser_core.data.families.conversation import conversation
from vlaser_core.data.families.qa import gripper_state
from vlaser_core.data.families.steps import known_phase, steps_left
from vlaser_core.data.phrasing import Scene
from vlaser_core.data.synthetic import TASKS, synthetic_scene
from vlaser_core.data.truth import Point, SceneTruth
from vlaser_core.data.vocabulary import COLOURS, NOUNS, plural
from vlaser_core.errors import InputError
from vlaser_core.reasoning.parse import TASK_DONE
from vlaser_core.reasoning.prompts import QUESTIONS


def policy_answer(truth: SceneTruth) -> str:
    """All numbers 0…1000, unseen parts said `hidden`.

    Raises InputError for a height, an angle or a phase outside the scale or unknown: such a record is refused, never clipped.
    """
    if truth.gripper_height_mm is None or not 0 <= truth.gripper_height_mm <= 1000:
        raise InputError(f"gripper height {truth.gripper_height_mm} mm is outside 0…1000; drop this scene")
    if truth.grasp_angle_deg is None or not 0 <= truth.grasp_angle_deg < 180:
        raise InputError(f"grasp angle {truth.grasp_angle_deg}° is outside 0…179")

    return f"{_grounded(truth)} height {truth.gripper_height_mm} phase {known_phase(truth)}"


def task_answer(truth: SceneTruth, categories: Sequence[str]) -> str:
    """What questions of some categories would say about the picture's task, in one answer and without being asked.

    grounding: where to grasp and to release, and the fingers. spatial: how far and which way the fingers are from what they
    fetch, and that from where it goes (mm along the robot's axes; without a robot the distance alone). qa: the gripper and the phase.
    planning: the steps that remain. Empty without a task, and where none of them has anything exact to say.
    """
    if not Scene(truth).has_task:
        return ""
    said = {"grounding": _grounded, "spatial": _offsets, "qa": _state, "planning": _steps}
    return " ".join(text for category in categories if category in said and (text := said[category](truth)))


def _grounded(truth: SceneTruth) -> str:
    def place(point: Point | None) -> str:
        return "hidden" if point is None else f"[[{point[0]}, {point[1]}]]"

    grasp = "held" if truth.object(truth.source).held else place(truth.grasp_point)
    angle = "" if truth.grasp_angle_deg is None else f" angle {truth.grasp_angle_deg}"
    fingers = f" gripper {place(truth.gripper_point)}" if truth.robot else ""
    return f"grasp {grasp}{angle} release {place(truth.release_point)}{fingers}"


def _offsets(truth: SceneTruth) -> str:
    scene, source, target = Scene(truth), truth.object(truth.source), truth.object(truth.target)
    there = f"{scene.name(truth.source)} to {scene.name(truth.target)}"
    if not truth.robot or truth.gripper_position is None:
        distance = round(1000 * math.dist(source.position[:2], target.position[:2]))
        return f"{there} {distance}" if distance <= 1000 else ""
    ways = [] if source.held else [(f"gripper to {scene.name(truth.source)}", truth.gripper_position, source.position)]
    return " ".join(f"{name} {_way(start, end)}" for name, start, end in (*ways, (there, source.position, target.position)))


def _way(start: tuple[float, float, float], end: tuple[float, float, float]) -> str:
    """Along the robot's axes; an arm's table is smaller than the metre that numbers reach."""
    forward, left = (round(1000 * (end[axis] - start[axis])) for axis in (0, 1))
    return f"{'forward' if forward >= 0 else 'back'} {abs(forward)} {'left' if left >= 0 else 'right'} {abs(left)}"


def _state(truth: SceneTruth) -> str:
    fingers = gripper_state(Scene(truth), np.random.default_rng(0))
    height = truth.gripper_height_mm
    seen = "" if fingers is None or height is None or not 0 <= height <= 1000 else f"gripper {fingers.answer} height {height} "
    return f"{seen}phase {known_phase(truth)}"


def _steps(truth: SceneTruth) -> str:
    steps = steps_left(Scene(truth), points=False)
    return "" if steps is None else ", ".join(steps) or TASK_DONE


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
