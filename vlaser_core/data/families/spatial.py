"""How things lie: in the picture, seen from the robot, from the camera, in centimetres, on top of one another, within reach."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from vlaser_core.data.families.ordering import DEPTH_MARGIN, METRE_MARGIN, before, by_distance, centre, in_order, outermost, stacked
from vlaser_core.data.phrasing import SELDOM, Scene, Turn, ask, choice
from vlaser_core.data.truth import SURFACE, ObjectTruth

REACH_MARGIN = 0.02  # metres from the limit of the reach within which nobody can tell
TALLER = 1.25  # how many times as tall, so that it shows
DOMINANT = 1.6  # how many times as far along one axis as along the other, so that it is one direction


def _pair(scene: Scene, rng: np.random.Generator) -> list[ObjectTruth] | None:
    """Two plain things in random order, neither of which rests on the other."""
    pair = scene.some(2, rng)
    return None if pair is None or stacked(*pair) else pair


def spatial_image(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Left, right, above, below in the picture."""
    pair = _pair(scene, rng)
    if pair is None:
        return None
    thing, other = pair
    axis = int(rng.integers(2))
    first = before(thing, other, axis)
    if first is None:
        return None
    side = (("image_left", "image_right"), ("image_above", "image_below"))[axis][rng.integers(2)]
    answer = first == (side in ("image_left", "image_above"))
    question = ask(side, rng, phrase=scene.phrase(thing, rng), other=scene.phrase(other, rng))
    return Turn("spatial_image", question, "yes" if answer else "no")


def relation_choice(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """The side of one thing on which another is, where one axis clearly dominates."""
    pair = _pair(scene, rng)
    if pair is None:
        return None
    thing, other = pair
    ways = [centre(thing, axis) - centre(other, axis) for axis in (0, 1)]
    axis = int(abs(ways[1]) > abs(ways[0]))
    first = before(thing, other, axis)
    points = [thing.point[k] - other.point[k] for k in (0, 1)]
    if first is None or any(abs(way[axis]) < DOMINANT * abs(way[1 - axis]) for way in (ways, points)):
        return None
    sides = ("left", "right", "above", "below")
    right = sides[2 * axis + (not first)]
    options = choice(right, [side for side in sides if side != right], rng)
    words = {"phrase": scene.phrase(thing, rng), "other": scene.phrase(other, rng)}
    return Turn("relation_choice", ask("relation_choice", rng, options=options[0], **words), options[1])


def spatial_robot(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Left, right, behind, in front in the base frame (x forward, y left): behind is farther along x."""
    pair = _pair(scene, rng)
    if pair is None or not scene.truth.robot:
        return None
    thing, other = pair
    axis = int(rng.integers(2))
    difference = thing.position[axis] - other.position[axis]
    if abs(difference) < METRE_MARGIN:
        return None
    side = (("robot_behind", "robot_front"), ("robot_left", "robot_right"))[axis][rng.integers(2)]
    answer = difference > 0 if side in ("robot_behind", "robot_left") else difference < 0
    question = ask(side, rng, phrase=scene.phrase(thing, rng), other=scene.phrase(other, rng))
    return Turn("spatial_robot", question, "yes" if answer else "no")


def _from_base(thing: ObjectTruth) -> float:
    return math.hypot(*thing.position[:2])


def nearest(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Which of two is nearer to the base, on the table's plane."""
    pair = _pair(scene, rng)
    if pair is None or not scene.truth.robot:
        return None
    ordered = by_distance(pair, _from_base, lambda _: METRE_MARGIN)
    if ordered is None:
        return None
    phrases = [scene.phrase(thing, rng) for thing in pair]
    return Turn("nearest", ask("nearest", rng, phrase=phrases[0], other=phrases[1]), phrases[pair.index(ordered[0])])


def _by_depth(things: list[ObjectTruth]) -> list[ObjectTruth] | None:
    """By distance from the camera; None when it is unknown, a difference is too small for the eye, or neighbours are stacked."""
    if any(thing.camera_distance is None for thing in things):
        return None
    ordered = by_distance(things, lambda thing: thing.camera_distance, lambda near: DEPTH_MARGIN * near)
    return None if ordered is None or any(stacked(*pair) for pair in pairwise(ordered)) else ordered


def nearest_camera(scene: Scene, rng: np.random.Generator) -> Turn | None:
    pair = scene.some(2, rng)
    ordered = _by_depth(pair) if pair else None
    if ordered is None:
        return None
    phrases = [scene.phrase(thing, rng) for thing in pair]
    key = "nearest_camera"
    return Turn(key, ask(key, rng, phrase=phrases[0], other=phrases[1]), phrases[pair.index(ordered[0])])


def _apart(one: ObjectTruth, other: ObjectTruth) -> float:
    return math.dist(one.position, other.position)


def closest_to(scene: Scene, rng: np.random.Generator) -> Turn | None:
    thing = scene.plain_thing(rng)
    others = [other for other in scene.truth.objects if thing is not None and other.name != thing.name]
    if thing is None or len(others) < 2 or not scene.all_or_none or len(scene.plain) < len(scene.truth.objects):
        return None
    others = sorted(others, key=lambda other: _apart(thing, other))
    if _apart(thing, others[1]) - _apart(thing, others[0]) < 2 * METRE_MARGIN:
        return None
    return Turn("closest_to", ask("closest_to", rng, phrase=scene.phrase(thing, rng)), scene.name(others[0].name))


def distance(scene: Scene, rng: np.random.Generator) -> Turn | None:
    pair = scene.some(2, rng)
    if pair is None:
        return None
    words = {"phrase": scene.phrase(pair[0], rng), "other": scene.phrase(pair[1], rng)}
    return Turn("distance", ask("distance", rng, **words), str(round(100 * _apart(*pair))))


def between(scene: Scene, rng: np.random.Generator) -> Turn | None:
    things = scene.some(3, rng)
    ordered = in_order(things, 0) if things else None
    if ordered is None:
        return None
    if rng.random() < 0.5:  # drawn at random, two of three are not in the middle
        thing = ordered[1]
        things = [thing, *(other for other in things if other is not thing)]
    words = dict(zip(("phrase", "other", "third"), (scene.phrase(thing, rng) for thing in things), strict=True))
    return Turn("between", ask("between", rng, **words), "yes" if things[0] is ordered[1] else "no")


def _every(scene: Scene) -> list[ObjectTruth] | None:
    """All visible objects, when each is plain and named and there are at least two."""
    return (
        list(scene.shown) if scene.all_or_none and len(scene.shown) >= 2 and all(scene.own[thing.name] for thing in scene.shown) else None
    )


def order(scene: Scene, rng: np.random.Generator) -> Turn | None:
    things = _every(scene)
    if things is None:
        return None
    near = rng.random() < 0.3
    ordered = _by_depth(things) if near else in_order(things, 0)
    if ordered is None:
        return None
    return Turn("order", ask("order_near" if near else "order", rng), ", ".join(scene.name(thing.name) for thing in ordered))


def extreme(scene: Scene, rng: np.random.Generator) -> Turn | None:
    things = _every(scene)
    if things is None:
        return None
    side = ("leftmost", "rightmost", "nearest", "farthest")[rng.integers(4)]
    if side in ("leftmost", "rightmost"):
        found = outermost(things, 0, side == "rightmost")
    else:
        ordered = _by_depth(things)
        found = None if ordered is None else ordered[0 if side == "nearest" else -1]
    return None if found is None else Turn("extreme", ask(f"extreme_{side}", rng), scene.name(found.name))


def region(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Which quarter of the picture holds a thing, wholly."""
    thing = scene.plain_thing(rng)
    if thing is None:
        return None
    x1, y1, x2, y2 = thing.box
    if x1 < 500 < x2 or y1 < 500 < y2:
        return None
    quarter = f"{'top' if y2 <= 500 else 'bottom'} {'left' if x2 <= 500 else 'right'}"
    return Turn("region", ask("region", rng, phrase=scene.phrase(thing, rng)), quarter)


def taller(scene: Scene, rng: np.random.Generator) -> Turn | None:
    pair = scene.some(2, rng)
    if pair is None or any(thing.size is None or thing.held for thing in pair):
        return None
    heights = [thing.size[2] for thing in pair]
    if max(heights) < TALLER * min(heights) or max(heights) - min(heights) < 0.01:
        return None
    phrases = [scene.phrase(thing, rng) for thing in pair]
    return Turn("taller", ask("taller", rng, phrase=phrases[0], other=phrases[1]), phrases[heights.index(max(heights))])


def on_top(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Does one rest on the other? Where there is such a pair, mostly of it (also the wrong way round); where there is none, seldom."""
    pair = scene.some(2, rng)
    if pair is None or any(not thing.support and not thing.held for thing in pair):
        return None
    stacks = [(thing, below) for thing in scene.plain for below in scene.plain if thing.support == below.name and not thing.held]
    if stacks and rng.random() < 0.8:
        pair = list(stacks[rng.integers(len(stacks))])
        if rng.random() < 0.3:
            pair.reverse()
    elif not stacks and rng.random() >= SELDOM:
        return None
    thing, other = pair
    if thing.held or other.held:
        return None
    words = {"phrase": scene.phrase(thing, rng), "other": scene.phrase(other, rng)}
    return Turn("on_top", ask("on_top", rng, **words), "yes" if thing.support == other.name else "no")


def reachable(scene: Scene, rng: np.random.Generator) -> Turn | None:
    """Whether the arm can grasp a thing where it is. Those out of reach are asked about first, being rare."""
    reach = scene.truth.reach
    if not scene.truth.robot or reach is None:
        return None
    fit = [
        thing for thing in scene.plain
        if thing.reachable is not None and not thing.held and thing.support == SURFACE
        and min(abs(_from_base(thing) - limit) for limit in reach) > REACH_MARGIN
    ]  # fmt: skip
    out = [thing for thing in fit if not thing.reachable]
    # In most scenes all is within reach: those are asked about less.
    fit = out if out and rng.random() < 0.6 else [thing for thing in fit if thing.reachable] if rng.random() < 0.5 else []
    if not fit:
        return None
    thing = fit[rng.integers(len(fit))]
    return Turn("reachable", ask("reachable", rng, phrase=scene.phrase(thing, rng)), "yes" if thing.reachable else "no")


def _from_gripper(scene: Scene, rng: np.random.Generator) -> tuple[ObjectTruth, float, float] | None:
    """A plain thing that is not held, and how far forward and left of the gripper it is (m)."""
    thing, hand = scene.plain_thing(rng), scene.truth.gripper_position
    if thing is None or hand is None or thing.held:
        return None
    return thing, thing.position[0] - hand[0], thing.position[1] - hand[1]


def gripper_side(scene: Scene, rng: np.random.Generator) -> Turn | None:
    found = _from_gripper(scene, rng)
    if found is None:
        return None
    thing, forward, left = found
    far, near = sorted((abs(forward), abs(left)), reverse=True)
    if far < 0.03 or far < DOMINANT * near:
        return None
    side = ("forward" if forward > 0 else "back") if far == abs(forward) else ("left" if left > 0 else "right")
    return Turn("gripper_side", ask("gripper_side", rng, phrase=scene.phrase(thing, rng)), side)


def gripper_distance(scene: Scene, rng: np.random.Generator) -> Turn | None:
    found = _from_gripper(scene, rng)
    if found is None:
        return None
    thing, forward, left = found
    return Turn(
        "gripper_distance", ask("gripper_distance", rng, phrase=scene.phrase(thing, rng)), str(round(100 * math.hypot(forward, left)))
    )
