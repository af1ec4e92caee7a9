"""Random scene truths without a simulator: text for the tokenizer and material for tests. No picture belongs to them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from vlaser_core.data.truth import PHASES, Box, ObjectTruth, Point, SceneTruth


@dataclass(frozen=True)
class TaskText:
    """A task's instruction wordings, and its objects as (name, phrases, colour); source and target come first."""

    task: str
    instructions: tuple[str, ...]
    objects: tuple[tuple[str, tuple[str, ...], str], ...]


TASKS = (
    TaskText(
        "widowx_carrot_on_plate",
        ("put carrot on plate", "put the carrot on the plate", "place the carrot on the plate"),
        (("carrot", ("carrot", "orange carrot"), "orange"), ("plate", ("plate", "white plate"), "white")),
    ),
    TaskText(
        "widowx_stack_cube",
        ("stack the green block on the yellow block", "put the green cube on the yellow cube", "place the green block on the yellow block"),
        (("green_block", ("green block", "green cube"), "green"), ("yellow_block", ("yellow block", "yellow cube"), "yellow")),
    ),
    TaskText(
        "widowx_spoon_on_towel",
        ("put the spoon on the towel", "put spoon on towel", "place the spoon on the towel"),
        (("spoon", ("spoon", "green spoon"), "green"), ("towel", ("towel", "cloth", "blue towel"), "blue")),
    ),
    TaskText(
        "widowx_put_eggplant_in_basket",
        ("put eggplant into yellow basket", "put the eggplant in the basket", "place the eggplant into the yellow basket"),
        (("eggplant", ("eggplant", "purple eggplant"), "purple"), ("basket", ("basket", "yellow basket"), "yellow")),
    ),
)
HELD_PHASES = ("lift", "carry", "lower", "release")


def _point(rng: np.random.Generator, low: int = 0, high: int = 1000) -> Point:
    return int(rng.integers(low, high + 1)), int(rng.integers(low, high + 1))


def _box_around(rng: np.random.Generator, point: Point) -> Box:
    left, up, right, down = (int(value) for value in rng.integers(5, 90, size=4))
    return max(0, point[0] - left), max(0, point[1] - up), min(1000, point[0] + right), min(1000, point[1] + down)


def synthetic_truth(rng: np.random.Generator) -> SceneTruth:
    """A random but self-consistent scene of one of the four tasks: held exactly in the phases that carry."""
    text = TASKS[rng.integers(len(TASKS))]
    phase = PHASES[rng.integers(len(PHASES))]
    objects = []
    for index, (name, phrases, colour) in enumerate(text.objects):
        hidden = rng.random() < 0.08
        point = None if hidden else _point(rng, 5, 995)
        objects.append(
            ObjectTruth(
                name=name,
                phrases=phrases,
                colour=colour,
                box=None if point is None else _box_around(rng, point),
                point=point,
                visible_fraction=0.0 if hidden else float(rng.uniform(0.1, 1.0)),
                position=(float(rng.uniform(0.2, 0.4)), float(rng.uniform(-0.12, 0.12)), float(rng.uniform(0.0, 0.1))),
                yaw=float(rng.uniform(-np.pi / 2, np.pi / 2)),
                held=index == 0 and phase in HELD_PHASES,
            )
        )
    return SceneTruth(
        task=text.task,
        instruction=text.instructions[rng.integers(len(text.instructions))],
        source=text.objects[0][0],
        target=text.objects[1][0],
        objects=tuple(objects),
        grasp_point=objects[0].point,
        grasp_angle_deg=int(rng.integers(180)),
        release_point=objects[1].point,
        gripper_point=None if rng.random() < 0.08 else _point(rng),
        gripper_height_mm=int(rng.integers(0, 401)),
        openness=float(rng.uniform(0.0, 0.4)) if phase in (*HELD_PHASES, "grasp") else float(rng.uniform(0.8, 1.0)),
        phase=phase,
        success=phase == "done",
    )


def without_pixels(truth: SceneTruth, name: str) -> SceneTruth:
    """The same scene with one object wholly covered."""
    objects = tuple(
        dataclasses.replace(found, box=None, point=None, visible_fraction=0.0) if found.name == name else found for found in truth.objects
    )
    return dataclasses.replace(truth, objects=objects)
