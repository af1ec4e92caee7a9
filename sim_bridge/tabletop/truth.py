"""The simulator's exact knowledge of the present picture, as the data engine wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from sim_bridge.tabletop.expert import body_yaw, grasp_yaw, law
from sim_bridge.tabletop.objects import Thing
from sim_bridge.tabletop.scene import GROUP_GROUND, GROUP_SOURCE, GROUP_TARGET
from vlaser_core.data.truth import Box, ObjectTruth, Point, SceneTruth

if TYPE_CHECKING:
    from sim_bridge.tabletop.world import Tabletop


def scene_truth(world: Tabletop, width: int, height: int) -> SceneTruth:
    """Truth of the present state, boxes measured on a segmentation of `width` × `height` pixels."""
    state, task = world.state(), world.spec
    source, target = world.things()
    seen = world.segmentation(width, height)
    objects = tuple(
        _object_truth(thing, seen == group, _visible_fraction(world, seen, group), placed, group == GROUP_SOURCE and state.held)
        for thing, group, placed in ((source, GROUP_SOURCE, state.source), (target, GROUP_TARGET, state.target))
    )
    release = state.target[:3, 3].copy()
    release[2] = task.release_height + source.grasp_height
    return SceneTruth(
        task=task.name,
        instruction=task.instruction,
        source=source.name,
        target=target.name,
        objects=objects,
        grasp_point=_picture_point(world, state.grasp_point),
        grasp_angle_deg=round(np.degrees(grasp_yaw(state)) + 90) % 180,
        release_point=_picture_point(world, release),
        gripper_point=_picture_point(world, state.gripper[:3, 3]),
        gripper_height_mm=round(1000 * state.gripper[2, 3]),
        openness=round(state.openness, 4),
        phase=law(state)[1],
        success=world.is_success(),
    )


def _picture_point(world: Tabletop, place: np.ndarray) -> Point | None:
    at, depth = world.view.project(place)
    if depth <= 0 or not ((at >= 0) & (at < 1)).all():
        return None
    return round(1000 * at[0]), round(1000 * at[1])


def _visible_fraction(world: Tabletop, seen: np.ndarray, group: int) -> float:
    """Visible pixels of an object over the pixels it would show alone."""
    visible = (seen == group).astype(np.uint8)
    beside = cv2.dilate(visible, np.ones((3, 3), np.uint8)) > visible
    # What hides a part of it borders on the part that is seen: without such a neighbour there is no need to draw it alone.
    if visible.any() and (seen[beside] == GROUP_GROUND).all():
        return 1.0
    alone = np.count_nonzero(world.alone(seen.shape[1], seen.shape[0], group))
    return round(min(1.0, int(np.count_nonzero(visible)) / max(1, int(alone))), 4)


def _object_truth(thing: Thing, visible: np.ndarray, visible_fraction: float, placed: np.ndarray, held: bool) -> ObjectTruth:
    height, width = visible.shape
    rows, columns = np.nonzero(visible)
    box: Box | None = None
    point: Point | None = None
    if len(rows):
        scale_x, scale_y = 1000 / width, 1000 / height
        box = (
            round(columns.min() * scale_x), round(rows.min() * scale_y),
            round((columns.max() + 1) * scale_x), round((rows.max() + 1) * scale_y),
        )
        nearest = np.argmin((columns - columns.mean()) ** 2 + (rows - rows.mean()) ** 2)
        point = round((columns[nearest] + 0.5) * scale_x), round((rows[nearest] + 0.5) * scale_y)
    return ObjectTruth(
        name=thing.name,
        phrases=thing.phrases,
        colour=thing.colour,
        box=box,
        point=point,
        visible_fraction=visible_fraction,
        position=tuple(round(float(value), 5) for value in placed[:3, 3]),
        yaw=round(body_yaw(placed), 5),
        held=bool(held),
    )
