"""Questions with exact answers about a scene whose truth is known (in-domain data), and the policy's answer.

    turns = conversation(truth, np.random.default_rng(0), turns=4)

Every family is a function of a truth and a random generator that returns a `Turn`, or None where the question has
no exact answer in that scene (a margin too small to call left, an object covered, a height off the scale).
Wordings live in `vlaser_core.reasoning.prompts`; `vlaser_core.data.check` re-derives every answer another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vlaser_core.data.phrasing import Turn, absent_phrase, any_object, ask, box_text, main_phrase, own_phrases, phrase_for, point_text
from vlaser_core.data.synthetic import TASKS, synthetic_truth
from vlaser_core.data.truth import PHASES, ObjectTruth, Point, SceneTruth
from vlaser_core.errors import InputError
from vlaser_core.reasoning.parse import NOT_VISIBLE, TASK_DONE
from vlaser_core.reasoning.prompts import QUESTIONS

IMAGE_MARGIN = 25  # of 1000: closer together than this, left and right are a matter of taste
ROBOT_MARGIN_M = 0.015
OPEN_ABOVE = 0.5

Family = Callable[[SceneTruth, np.random.Generator], "Turn | None"]


def _ground(kind: str, truth: SceneTruth, rng: np.random.Generator) -> Turn:
    if rng.random() < 0.1:
        return Turn(kind, ask(kind, rng, phrase=absent_phrase(truth, rng)), NOT_VISIBLE)
    thing = any_object(truth, rng)
    region = None
    if kind == "ground_box" and thing.box is not None:
        region = box_text(thing.box)
    if kind == "ground_point" and thing.point is not None:
        region = point_text(thing.point)
    return Turn(kind, ask(kind, rng, phrase=phrase_for(truth, thing, rng)), region or NOT_VISIBLE)


def ground_box(truth: SceneTruth, rng: np.random.Generator) -> Turn:
    return _ground("ground_box", truth, rng)


def ground_point(truth: SceneTruth, rng: np.random.Generator) -> Turn:
    return _ground("ground_point", truth, rng)


def gripper_point(truth: SceneTruth, rng: np.random.Generator) -> Turn:
    answer = NOT_VISIBLE if truth.gripper_point is None else point_text(truth.gripper_point)
    return Turn("gripper_point", ask("gripper_point", rng), answer)


def gripper_height(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    if not 0 <= truth.gripper_height_mm <= 1000:
        return None
    return Turn("gripper_height", ask("gripper_height", rng), str(truth.gripper_height_mm))


def affordance(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    source = truth.object(truth.source)
    if truth.phase in ("release", "retreat", "done"):
        return None
    question = ask("affordance", rng, phrase=phrase_for(truth, source, rng))
    if source.held:
        return Turn("affordance", question, "it is held")
    if truth.grasp_point is None:
        return Turn("affordance", question, NOT_VISIBLE)
    return Turn("affordance", question, f"{point_text(truth.grasp_point)} angle {truth.grasp_angle_deg}")


def placement(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    if truth.phase in ("retreat", "done"):
        return None
    answer = NOT_VISIBLE if truth.release_point is None else point_text(truth.release_point)
    return Turn("placement", ask("placement", rng, phrase=phrase_for(truth, truth.object(truth.source), rng)), answer)


def presence(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    if rng.random() < 0.5:
        return Turn("presence", ask("presence", rng, phrase=absent_phrase(truth, rng)), "no")
    thing = any_object(truth, rng)
    if thing.box is None:
        return None  # it is there and cannot be seen: neither yes nor no is fair
    return Turn("presence", ask("presence", rng, phrase=phrase_for(truth, thing, rng)), "yes")


def colour(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    thing = any_object(truth, rng)
    if thing.point is None:
        return None
    telling = [phrase for phrase in own_phrases(truth, thing) if thing.colour not in phrase.split()]
    if telling and rng.random() < 0.6:
        return Turn("colour", ask("colour", rng, phrase=telling[rng.integers(len(telling))]), thing.colour)
    return Turn("colour", ask("colour_at", rng, point=f"[[{thing.point[0]}, {thing.point[1]}]]"), thing.colour)


def name_at(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    thing = any_object(truth, rng)
    if thing.point is None:
        return None
    return Turn("name_at", ask("name_at", rng, point=f"[[{thing.point[0]}, {thing.point[1]}]]"), main_phrase(truth, thing.name))


def objects(truth: SceneTruth, rng: np.random.Generator) -> Turn:
    seen = sorted(main_phrase(truth, thing.name) for thing in truth.objects if thing.box is not None)
    return Turn("objects", ask("objects", rng), ", ".join(seen) if seen else "none")


def gripper_state(truth: SceneTruth, rng: np.random.Generator) -> Turn:
    held = [thing.name for thing in truth.objects if thing.held]
    answer = f"holding the {main_phrase(truth, held[0])}" if held else "open" if truth.openness > OPEN_ABOVE else "closed"
    return Turn("gripper_state", ask("gripper_state", rng), answer)


def phase(truth: SceneTruth, rng: np.random.Generator) -> Turn:
    return Turn("phase", ask("phase", rng, goal=truth.instruction), _known_phase(truth))


def done(truth: SceneTruth, rng: np.random.Generator) -> Turn:
    return Turn("done", ask("done", rng, goal=truth.instruction), "yes" if truth.success else "no")


# Which of the six steps a phase is in; descending and closing are one step to the eye.
_STEP_OF_PHASE = {"reach": 0, "descend": 1, "grasp": 1, "lift": 2, "carry": 3, "lower": 4, "release": 5}


def _known_phase(truth: SceneTruth) -> str:
    if truth.phase not in PHASES:
        raise InputError(f"unknown phase {truth.phase!r}; phases are {', '.join(PHASES)}")
    return truth.phase


def plan_steps(truth: SceneTruth, points: bool = True) -> list[str] | None:
    """The steps left, in words. Empty when done; None where phase and success contradict each other."""
    if _known_phase(truth) == "done":
        return [] if truth.success else None
    if truth.phase == "retreat":
        return ["move away"]
    source, target = main_phrase(truth, truth.source), main_phrase(truth, truth.target)
    grasp = f" {point_text(truth.grasp_point)}" if points and truth.grasp_point is not None else ""
    release = f" {point_text(truth.release_point)}" if points and truth.release_point is not None else ""
    steps = [
        f"reach the {source}{grasp}",
        f"grasp the {source}",
        f"lift the {source}",
        f"move over the {target}{release}",
        f"lower the {source}",
        f"release the {source}",
    ]
    return steps[_STEP_OF_PHASE[truth.phase] :]


def plan(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    steps = plan_steps(truth)
    if steps is None:
        return None
    answer = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1)) or TASK_DONE
    return Turn("plan", ask("plan", rng, goal=truth.instruction), answer)


def next_action(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    steps = plan_steps(truth, points=False)
    if steps is None:
        return None
    return Turn("next_action", ask("next_action", rng, goal=truth.instruction), steps[0] if steps else TASK_DONE)


def _pair(truth: SceneTruth, rng: np.random.Generator) -> tuple[ObjectTruth, ObjectTruth] | None:
    seen = [thing for thing in truth.objects if thing.point is not None]
    if len(seen) < 2:
        return None
    first, second = rng.choice(len(seen), size=2, replace=False)
    return seen[first], seen[second]


def spatial_image(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    """Left, right, above, below in the picture, by the objects' points."""
    pair = _pair(truth, rng)
    if pair is None:
        return None
    thing, other = pair
    axis = int(rng.integers(2))
    difference = thing.point[axis] - other.point[axis]
    if abs(difference) < IMAGE_MARGIN:
        return None
    side = (("image_left", "image_right"), ("image_above", "image_below"))[axis][rng.integers(2)]
    answer = difference < 0 if side in ("image_left", "image_above") else difference > 0
    question = ask(side, rng, phrase=phrase_for(truth, thing, rng), other=phrase_for(truth, other, rng))
    return Turn("spatial_image", question, "yes" if answer else "no")


def spatial_robot(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    """Left, right, behind, in front in the base frame (x forward, y left): behind is farther along x."""
    pair = _pair(truth, rng)
    if pair is None:
        return None
    thing, other = pair
    axis = int(rng.integers(2))
    difference = thing.position[axis] - other.position[axis]
    if abs(difference) < ROBOT_MARGIN_M:
        return None
    side = (("robot_behind", "robot_front"), ("robot_left", "robot_right"))[axis][rng.integers(2)]
    answer = difference > 0 if side in ("robot_behind", "robot_left") else difference < 0
    question = ask(side, rng, phrase=phrase_for(truth, thing, rng), other=phrase_for(truth, other, rng))
    return Turn("spatial_robot", question, "yes" if answer else "no")


def nearest(truth: SceneTruth, rng: np.random.Generator) -> Turn | None:
    """Which of two is nearer to the base, on the table's plane."""
    pair = _pair(truth, rng)
    if pair is None:
        return None
    thing, other = pair
    distance = [float(np.hypot(*found.position[:2])) for found in (thing, other)]
    if abs(distance[0] - distance[1]) < ROBOT_MARGIN_M:
        return None
    phrases = phrase_for(truth, thing, rng), phrase_for(truth, other, rng)
    answer = phrases[0] if distance[0] < distance[1] else phrases[1]
    return Turn("nearest", ask("nearest", rng, phrase=phrases[0], other=phrases[1]), answer)


FAMILIES: dict[str, Family] = {
    family.__name__: family
    for family in (
        ground_box, ground_point, gripper_point, gripper_height, affordance, placement, presence, colour, name_at, objects,
        gripper_state, phase, next_action, done, spatial_image, spatial_robot, nearest, plan,
    )
}  # fmt: skip


def conversation(truth: SceneTruth, rng: np.random.Generator, turns: int = 4, families: Sequence[str] | None = None) -> list[Turn]:
    """Up to `turns` questions of different families about one picture, drawn without replacement.

    families: names to draw from, all of FAMILIES by default; a name given twice is twice as likely and may come twice.
    Fewer turns come back where fewer families apply. Raises InputError for an unknown family.
    """
    names = list(FAMILIES if families is None else families)
    unknown = sorted(set(names) - set(FAMILIES))
    if unknown:
        raise InputError(f"unknown question families {', '.join(unknown)}; known: {', '.join(FAMILIES)}")
    asked: list[Turn] = []
    for index in rng.permutation(len(names)):
        if len(asked) == turns:
            break
        turn = FAMILIES[names[index]](truth, rng)
        if turn is not None and all(turn.question != before.question for before in asked):
            asked.append(turn)
    return asked


def policy_answer(truth: SceneTruth) -> str:
    """What the model is taught to say behind the policy prompt, all numbers 0…1000, unseen parts said `hidden`.

    Raises InputError for a height, an angle or a phase outside the scale: such a record is refused, never clipped.
    """
    if not 0 <= truth.gripper_height_mm <= 1000:
        raise InputError(f"gripper height {truth.gripper_height_mm} mm is outside 0…1000; drop this scene")
    if not 0 <= truth.grasp_angle_deg < 180:
        raise InputError(f"grasp angle {truth.grasp_angle_deg}° is outside 0…179")

    def place(point: Point | None) -> str:
        return "hidden" if point is None else f"[[{point[0]}, {point[1]}]]"

    grasp = "held" if truth.object(truth.source).held else place(truth.grasp_point)
    return (
        f"grasp {grasp} angle {truth.grasp_angle_deg} release {place(truth.release_point)} "
        f"gripper {place(truth.gripper_point)} height {truth.gripper_height_mm} phase {_known_phase(truth)}"
    )


def corpus(scenes: int = 1500) -> Iterator[str]:
    """Sample texts to train a tokenizer on: instructions, every wording, and answers. Deterministic."""
    rng = np.random.default_rng(0)
    for task in TASKS:
        yield from task.instructions
        yield from (phrase for _, phrases, _ in task.objects for phrase in phrases)
    for wordings in QUESTIONS.values():
        for wording in wordings:
            yield wording.format(phrase="carrot", a_phrase="a carrot", other="plate", goal="put carrot on plate", point="[[500, 500]]")
    for _ in range(scenes):
        truth = synthetic_truth(rng)
        yield truth.instruction
        yield policy_answer(truth)
        for turn in conversation(truth, rng, turns=6):
            yield turn.question
            yield turn.answer
