"""Random scenes without a simulator: text for the tokenizer and material for tests. No picture belongs to them.

Things stand on a plane that a camera sees from in front and above; each is an ellipse in the picture, nearer ones cover
farther ones, an arm comes in from the top. Boxes, points, visible fractions and the pixel map are measured on the same drawing.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from vlaser_core.data.segmentation import region
from vlaser_core.data.truth import BACKGROUND, PHASES, ROBOT, SURFACE, ObjectTruth, PixelMap, Point, SceneTruth
from vlaser_core.data.vocabulary import COLOURS, NATURAL, NOUNS


@dataclass(frozen=True)
class TaskText:
    """A task's instruction wordings, and its objects as (name, phrases, colour, kind); source and target come first."""

    task: str
    instructions: tuple[str, ...]
    objects: tuple[tuple[str, tuple[str, ...], str, str], ...]


TASKS = (
    TaskText(
        "widowx_carrot_on_plate",
        ("put carrot on plate", "put the carrot on the plate", "place the carrot on the plate"),
        (("carrot", ("carrot", "orange carrot"), "orange", "carrot"), ("plate", ("plate", "white plate"), "white", "plate")),
    ),
    TaskText(
        "widowx_stack_cube",
        ("stack the green block on the yellow block", "put the green cube on the yellow cube", "place the green block on the yellow block"),
        (("green_block", ("green block", "green cube"), "green", "block"), ("yellow_block", ("yellow block", "yellow cube"), "yellow", "block")),
    ),
    TaskText(
        "widowx_spoon_on_towel",
        ("put the spoon on the towel", "put spoon on towel", "place the spoon on the towel"),
        (("spoon", ("spoon", "green spoon"), "green", "spoon"), ("towel", ("towel", "cloth", "blue towel"), "blue", "towel")),
    ),
    TaskText(
        "widowx_put_eggplant_in_basket",
        ("put eggplant into yellow basket", "put the eggplant in the basket", "place the eggplant into the yellow basket"),
        (("eggplant", ("eggplant", "purple eggplant"), "purple", "eggplant"), ("basket", ("basket", "yellow basket"), "yellow", "basket")),
    ),
)
HELD_PHASES = ("lift", "carry", "lower", "release")
_MAP = (96, 72)
_CAMERA = (0.0, -0.16, 0.36)
_REACH = (0.16, 0.42)


@dataclass
class _Body:
    """A thing on the plane: where it stands (m), how large it is (m), what carries it."""

    name: str
    phrases: tuple[str, ...]
    colour: str
    kind: str
    place: np.ndarray
    size: tuple[float, float, float]
    support: str = SURFACE
    held: bool = False

    def picture(self) -> tuple[float, float, float, float]:
        """Centre and half axes in thousandths: x right is -y, y down is nearer to the base, and height lifts."""
        x, y, z = self.place
        return 500 - 2200 * y, 980 - 2400 * (x - 0.15) - 900 * z, 1300 * self.size[0] / 2 + 12, 900 * (0.6 * self.size[1] + self.size[2]) / 2 + 12


def _extra(rng: np.random.Generator, taken: set[str]) -> tuple[str, tuple[str, ...], str, str]:
    free = [kind for kind in NOUNS if kind not in taken or kind in ("block", "mug", "ball")]
    kind = free[rng.integers(len(free))]
    colours = NATURAL.get(kind, COLOURS)
    colour = colours[rng.integers(len(colours))]
    nouns = NOUNS[kind]
    phrases = tuple(f"{colour} {noun}" for noun in nouns)
    return f"{colour}_{kind}", (nouns[0], *phrases) if kind in NATURAL else (*phrases, nouns[0]), colour, kind


def _place(rng: np.random.Generator) -> np.ndarray:
    return np.array([rng.uniform(0.16, 0.5), rng.uniform(-0.2, 0.2), 0.0])


def _bodies(rng: np.random.Generator, named: list[tuple[str, tuple[str, ...], str, str]]) -> list[_Body]:
    bodies: list[_Body] = []
    for name, phrases, colour, kind in named:
        size = tuple(float(value) for value in rng.uniform((0.03, 0.03, 0.01), (0.1, 0.1, 0.12)))
        for _ in range(200):
            place = _place(rng)
            if all(math.dist(place[:2], other.place[:2]) > 0.6 * (max(size[:2]) + max(other.size[:2])) for other in bodies):
                break
        bodies.append(_Body(name, phrases, colour, kind, place + (0, 0, size[2] / 2), size))
    return bodies


def _lay_on(body: _Body, below: _Body) -> None:
    body.place = below.place + (0, 0, (below.size[2] + body.size[2]) / 2)
    body.support = below.name


def _draw(bodies: list[_Body], hand: Point | None) -> tuple[np.ndarray, list[float]]:
    """The map (names: background, surface, robot, then the bodies) and what share of each body shows."""
    width, height = _MAP
    x, y = np.meshgrid((np.arange(width) + 0.5) * 1000 / width, (np.arange(height) + 0.5) * 1000 / height)
    drawn = np.where(y > 120, 1, 0)
    alone = []
    # What is far is drawn first; what lies on something, after it.
    order = sorted(range(len(bodies)), key=lambda index: (-bodies[index].place[0] + 3 * (bodies[index].support != SURFACE)))
    for index in order:
        u, v, half_width, half_height = bodies[index].picture()
        inside = ((x - u) / half_width) ** 2 + ((y - v) / half_height) ** 2 < 1
        alone.append((index, inside))
        drawn[inside] = 3 + index
    if hand is not None:
        drawn[(np.abs(x - hand[0]) < 25) & (y < hand[1])] = 2
    total = {index: int(inside.sum()) for index, inside in alone}
    return drawn, [float(np.count_nonzero(drawn == 3 + index) / max(1, total[index])) for index in range(len(bodies))]


def _truths(bodies: list[_Body], drawn: np.ndarray, fractions: list[float], rng: np.random.Generator) -> list[ObjectTruth]:
    truths = []
    for index, body in enumerate(bodies):
        box, point = region(drawn, 3 + index)
        radius = math.hypot(*body.place[:2])
        truths.append(
            ObjectTruth(
                name=body.name, phrases=body.phrases, colour=body.colour, box=box, point=point,
                visible_fraction=round(fractions[index], 4) if point else 0.0,
                position=tuple(round(float(value), 5) for value in body.place), yaw=float(rng.uniform(-np.pi / 2, np.pi / 2)), held=body.held,
                kind=body.kind, size=body.size, grasp_point=point if body.size[0] < 0.08 else None,
                reachable=_REACH[0] < radius < _REACH[1], camera_distance=math.dist(_CAMERA, body.place), support="" if body.held else body.support,
            )
        )  # fmt: skip
    return truths


def synthetic_truth(rng: np.random.Generator, extras: int = 0, robot: bool = True) -> SceneTruth:
    """A random but self-consistent scene of one of the four tasks with `extras` more things: held exactly in the phases
    that carry, on its target in those that follow; sometimes just after an attempt, which may have failed."""
    text = TASKS[rng.integers(len(TASKS))]
    named = list(text.objects)
    for _ in range(extras):
        found = _extra(rng, {kind for *_, kind in named})
        if all(found[0] != name for name, *_ in named):
            named.append(found)
    bodies = _bodies(rng, named)
    source, target = bodies[:2]
    phase = PHASES[rng.integers(len(PHASES))] if robot else ("reach", "reach", "done")[rng.integers(3)]
    attempt = ""
    if phase in ("retreat", "done"):
        _lay_on(source, target)
        attempt = "release"
    elif phase in HELD_PHASES:
        attempt = {"lift": "grasp", "carry": "carry"}.get(phase, "")
    elif phase == "reach":
        attempt = ("", "grasp", "carry", "release")[rng.integers(4)]
    attempt = attempt if robot and rng.random() < 0.6 else ""
    if robot and len(bodies) > 3 and phase != "done" and rng.random() < 0.3:
        _lay_on(bodies[3], bodies[2])
    hand = np.array([*_place(rng)[:2], rng.uniform(0.02, 0.15)])
    wrong = attempt == "grasp" and phase == "reach" and len(bodies) > 2 and rng.random() < 0.4
    taken = source if phase in HELD_PHASES else bodies[2] if wrong else None
    if taken is not None and not any(other.support == taken.name for other in bodies):
        taken.held, taken.place = True, hand.copy()
    u, v, _, _ = _Body("", (), "", "", hand, (0, 0, 0)).picture()
    seen = robot and 0 <= u <= 1000 and 0 <= v <= 1000
    hand_point: Point | None = (round(u), round(v)) if seen else None
    drawn, fractions = _draw(bodies, hand_point)
    objects = _truths(bodies, drawn, fractions, rng)
    closed = taken is not None or phase == "grasp" or (phase == "reach" and attempt in ("grasp", "carry"))
    truth = SceneTruth(
        task=text.task,
        instruction=text.instructions[rng.integers(len(text.instructions))],
        source=source.name,
        target=target.name,
        objects=tuple(objects),
        grasp_point=objects[0].point,
        grasp_angle_deg=int(rng.integers(180)) if robot else None,
        release_point=objects[1].point,
        gripper_point=hand_point,
        gripper_height_mm=round(1000 * hand[2]) if robot else None,
        openness=(float(rng.uniform(0.0, 0.4)) if closed else float(rng.uniform(0.8, 1.0))) if robot else None,
        phase=phase,
        success=phase == "done",
        robot=robot,
        gripper_position=tuple(float(value) for value in hand) if robot else None,
        reach=_REACH if robot else None,
        attempt=attempt,
        pixels=PixelMap.of(drawn, (BACKGROUND, SURFACE, ROBOT, *(body.name for body in bodies))),
    )
    if rng.random() < 0.1:  # something that no question is about stands before one of the task's two
        truth = without_pixels(truth, truth.target if rng.random() < 0.4 else truth.source)
    hidden = {thing.name for thing in truth.objects if thing.point is None}
    return dataclasses.replace(
        truth, grasp_point=None if truth.source in hidden else truth.grasp_point, release_point=None if truth.target in hidden else truth.release_point
    )


def synthetic_scene(rng: np.random.Generator) -> SceneTruth:
    """A scene of up to six things, one in four without a robot."""
    return synthetic_truth(rng, extras=int(rng.integers(5)), robot=bool(rng.random() < 0.75))


def without_pixels(truth: SceneTruth, name: str) -> SceneTruth:
    """The same scene with one object wholly covered."""
    objects = tuple(
        dataclasses.replace(found, box=None, point=None, visible_fraction=0.0, grasp_point=None) if found.name == name else found for found in truth.objects
    )
    pixels = truth.pixels
    if pixels is not None:
        # What covers it is something that no question is about.
        covered = np.where(pixels.values() == pixels.names.index(name), len(pixels.names), pixels.values())
        pixels = PixelMap.of(covered, (*pixels.names, "cover"))
    return dataclasses.replace(truth, objects=objects, pixels=pixels)
