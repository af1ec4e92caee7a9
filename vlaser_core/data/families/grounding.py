"""Where things are: boxes, points, JSON lists, letters of boxes, where to take hold, where to put down."""

from __future__ import annotations

import json

import numpy as np

from vlaser_core.data.families.ordering import in_order, outermost
from vlaser_core.data.phrasing import Scene, Turn, ask, box_text, choice, list_text, point_text
from vlaser_core.data.truth import Box, ObjectTruth
from vlaser_core.data.vocabulary import FAR, NOUNS, plural
from vlaser_core.reasoning.parse import NOT_VISIBLE

UNLIKE = 0.3  # intersection over union below which a box is clearly another place


def _ground(kind: str, scene: Scene, rng: np.random.Generator) -> Turn | None:
    if rng.random() < 0.1:
        return None if scene.truth.unlabelled else Turn(kind, ask(kind, rng, phrase=scene.absent(rng)), NOT_VISIBLE)
    thing = scene.thing(rng)
    if thing is None:
        return None
    region = None
    if kind == "ground_box" and thing.box is not None:
        region = box_text(thing.box)
    if kind == "ground_point" and thing.point is not None:
        region = point_text(thing.point)
    return Turn(kind, ask(kind, rng, phrase=scene.phrase(thing, rng)), region or NOT_VISIBLE)


def ground_box(scene: Scene, rng: np.random.Generator) -> Turn | None:
    return _ground("ground_box", scene, rng)


def ground_point(scene: Scene, rng: np.random.Generator) -> Turn | None:
    return _ground("ground_point", scene, rng)


def ground_sentence(scene: Scene, rng: np.random.Generator) -> Turn | None:
    phrase, thing = scene.absent(rng), None
    if rng.random() >= 0.15:
        thing = scene.thing(rng)
        if thing is None:
            return None
        phrase = scene.phrase(thing, rng)
    elif scene.truth.unlabelled:
        return None
    where = f"at {box_text(thing.box)}" if thing is not None and thing.box is not None else NOT_VISIBLE
    return Turn("ground_sentence", ask("ground_sentence", rng, phrase=phrase), f"the {phrase} is {where}")


def _json(labelled: list[tuple[Box, str]]) -> str:
    return json.dumps([{"bbox_2d": list(box), "label": label} for box, label in labelled])


def ground_json(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Two or three things by name, one of them perhaps absent, or all there are."""
    if rng.random() < 0.35:
        things = in_order(list(scene.shown), 0)
        if not scene.all_or_none or not things or any(not scene.own[thing.name] for thing in things):
            return None
        return Turn("ground_json", ask("ground_json_all", rng), _json([(thing.box, scene.name(thing.name)) for thing in things]))
    things = scene.some(min(len(scene.plain), int(rng.integers(2, 4))), rng)
    if not things:
        return None
    asked = [(thing, scene.phrase(thing, rng)) for thing in things]
    named: list[tuple[ObjectTruth | None, str]] = [*asked]
    if len(named) < 3 and rng.random() < 0.4 and not scene.truth.unlabelled:
        named.insert(int(rng.integers(len(named) + 1)), (None, scene.absent(rng)))
    question = ask("ground_json", rng, list=list_text([phrase for _, phrase in named]))
    return Turn("ground_json", question, _json([(thing.box, phrase) for thing, phrase in asked]))


def ground_kind(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Every one of a kind. Only asked where it is plain how many there are."""
    kinds = sorted({thing.kind for thing in scene.shown} - {""})
    if not kinds or not scene.all_or_none:
        return None
    kind = kinds[rng.integers(len(kinds))]
    alike = in_order([thing for thing in scene.shown if thing.kind == kind], 0)
    if alike is None:
        return None
    noun = NOUNS.get(kind, (kind,))[0]
    return Turn("ground_kind", ask("ground_kind", rng, kind=noun, kinds=plural(noun)), point_text(*(thing.point for thing in alike)))


def coloured(scene: Scene, rng: np.random.Generator) -> tuple[str, list[ObjectTruth]] | None:
    """A colour and the visible things of it: every other thing is of a clearly different colour."""
    if not scene.all_or_none or not scene.shown:
        return None
    colours = sorted({thing.colour for thing in scene.shown})
    colour = colours[rng.integers(len(colours))]
    if not all(thing.colour and (thing.colour == colour or thing.colour in FAR.get(colour, ())) for thing in scene.shown):
        return None
    return colour, [thing for thing in scene.shown if thing.colour == colour]


def ground_colour(scene: Scene, rng: np.random.Generator) -> Turn | None:
    found = coloured(scene, rng)
    alike = in_order(found[1], 0) if found else None
    if found is None or alike is None:
        return None
    return Turn("ground_colour", ask("ground_colour", rng, colour=found[0]), box_text(*(thing.box for thing in alike)))


_SIDES = {"leftmost": (0, False), "rightmost": (0, True), "highest": (1, False), "lowest": (1, True)}


def ground_extreme(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """The outermost object of the picture on one side."""
    if not scene.all_or_none or len(scene.shown) < 2:
        return None
    side = list(_SIDES)[rng.integers(len(_SIDES))]
    found = outermost(list(scene.shown), *_SIDES[side])
    return None if found is None else Turn("ground_extreme", ask(f"ground_{side}", rng), point_text(found.point))


def _overlap(one: Box, other: Box) -> float:
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0, width) * max(0, height)
    return shared / ((one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared)


def ground_choice(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """The right one of several boxes: others are of other objects, or the same shifted away."""
    thing = scene.plain_thing(rng)
    if thing is None:
        return None
    x1, y1, x2, y2 = thing.box
    others = [other.box for other in scene.shown if other.name != thing.name and _overlap(other.box, thing.box) < UNLIKE]
    for _ in range(12):
        dx, dy = int(rng.integers(-x1, 1001 - x2)), int(rng.integers(-y1, 1001 - y2))
        moved = (x1 + dx, y1 + dy, x2 + dx, y2 + dy)
        if len(others) < 3 and all(_overlap(moved, other) < UNLIKE for other in (thing.box, *others)):
            others.append(moved)
    options = choice(str(list(thing.box)), [str(list(other)) for other in others], rng)
    if options is None:
        return None
    return Turn("ground_choice", ask("ground_choice", rng, phrase=scene.phrase(thing, rng), options=options[0]), options[1])


def gripper_point(scene: Scene, rng: np.random.Generator) -> Turn | None:
    if not scene.truth.robot or (scene.truth.gripper_height_mm is None and scene.truth.gripper_position is None):
        return None  # no gripper, or more than one
    answer = NOT_VISIBLE if scene.truth.gripper_point is None else point_text(scene.truth.gripper_point)
    return Turn("gripper_point", ask("gripper_point", rng), answer)


def affordance(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Where and at which angle the gripper takes the task's object."""
    truth = scene.truth
    if not scene.has_task or not truth.robot or truth.grasp_angle_deg is None or truth.phase in ("release", "retreat", "done"):
        return None
    source = truth.object(truth.source)
    question = ask("affordance", rng, phrase=scene.phrase(source, rng))
    if source.held:
        return Turn("affordance", question, "it is held")
    if truth.grasp_point is None:
        return Turn("affordance", question, NOT_VISIBLE)
    return Turn("affordance", question, f"{point_text(truth.grasp_point)} angle {truth.grasp_angle_deg}")


def grasp_point(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Where one would hold any graspable thing."""
    fit = [thing for thing in scene.plain if thing.grasp_point is not None and not thing.held]
    if not fit:
        return None
    thing = fit[rng.integers(len(fit))]
    return Turn("grasp_point", ask("grasp_point", rng, phrase=scene.phrase(thing, rng)), point_text(thing.grasp_point))


def placement(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Where the task's object goes."""
    truth = scene.truth
    if not scene.has_task or truth.phase in ("retreat", "done"):
        return None
    if truth.release_point is None and truth.object(truth.target).point is not None:
        return None  # the place is not known, or only just outside the picture
    answer = NOT_VISIBLE if truth.release_point is None else point_text(truth.release_point)
    return Turn("placement", ask("placement", rng, truth.robot, goal=scene.goal(rng)), answer)
