"""What is exactly known of a picture elsewhere: the same truth as of the tabletop's, without a robot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim_bridge.elsewhere.layout import Item
from sim_bridge.elsewhere.objects import PLACES
from sim_bridge.tabletop.view import View
from vlaser_core.data.segmentation import region, shows, visible_fraction
from vlaser_core.data.truth import BACKGROUND, SURFACE, ObjectTruth, PixelMap, Point, SceneTruth

if TYPE_CHECKING:
    from sim_bridge.elsewhere.world import Elsewhere

_BACKGROUND, _SURFACE, _FIRST = range(3)
_WORDS = ("put the {source} {prep} the {target}", "place the {source} {prep} the {target}", "move the {source} {prep}to the {target}")


def scene_truth(world: Elsewhere, width: int, height: int) -> SceneTruth:
    """Truth of the present scene, measured on a segmentation of `width` × `height` pixels."""
    scene = world.arrangement
    values = _values(world, width, height)
    view = View(scene.camera)
    objects = tuple(_object(world, view, values, _FIRST + index, item) for index, item in enumerate(scene.items))
    pixels = PixelMap.of(values, (BACKGROUND, SURFACE, *(item.body for item in scene.items)))
    if not scene.source:
        return SceneTruth(objects=objects, robot=False, surface=scene.setting, pixels=pixels)
    named = {item.body: item for item in scene.items}
    source, target = named[scene.source], named[scene.target]
    spot = target.position + (0, 0, target.shape.floor + source.shape.half_height)
    words = _WORDS[world.wording % len(_WORDS)]
    instruction = words.format(source=_called(source, named), target=_called(target, named), prep=PLACES[scene.target])
    return SceneTruth(
        task=f"{scene.source}_to_{scene.target}",
        instruction=instruction,
        source=scene.source,
        target=scene.target,
        objects=objects,
        grasp_point=next(thing.grasp_point for thing in objects if thing.name == scene.source),
        release_point=_project(view, spot),
        phase="done" if scene.done else "reach",
        success=scene.done,
        robot=False,
        surface=scene.setting,
        pixels=pixels,
    )


def _called(item: Item, named: dict[str, Item]) -> str:
    """The kind alone where there is only one of it, else with its colour."""
    alone = sum(other.shape.kind == item.shape.kind for other in named.values()) == 1
    return item.shape.kind if alone else f"{item.colour} {item.shape.kind}"


def _values(world: Elsewhere, width: int, height: int) -> np.ndarray:
    model, scene = world.model, world.arrangement
    of_geom = np.full(model.ngeom + 1, _BACKGROUND, np.uint8)  # the last stands for no geom
    of_geom[model.geom(f"{scene.setting}_surface").id] = _SURFACE
    for index, item in enumerate(scene.items):
        of_geom[:-1][model.geom_bodyid == model.body(item.body).id] = _FIRST + index
    return of_geom[world.geoms(width, height)]


def _project(view: View, place: np.ndarray) -> Point | None:
    at, depth = view.project(place)
    if depth <= 0 or not ((at >= 0) & (at < 1)).all():
        return None
    return round(1000 * at[0]), round(1000 * at[1])


def _object(world: Elsewhere, view: View, values: np.ndarray, value: int, item: Item) -> ObjectTruth:
    box, point = region(values, value)
    shape, grasp = item.shape, None
    if shape.width > 0:
        along = np.array([np.cos(item.yaw), np.sin(item.yaw), 0.0]) * shape.grasp_along
        grasp = _project(view, item.position + along + (0, 0, shape.grasp_height))
        if grasp is not None and not shows(values, grasp, value):
            grasp = None  # something is before it
    height, width = values.shape
    return ObjectTruth(
        name=item.body,
        phrases=shape.phrases(item.colour),
        colour=item.colour,
        box=box,
        point=point,
        visible_fraction=visible_fraction(values, value, _SURFACE, lambda: int(np.count_nonzero(world.alone(item.body, width, height)))),
        position=tuple(round(float(number), 5) for number in item.position),
        yaw=round(item.yaw, 5),
        held=False,
        kind=shape.kind,
        size=world.size(item.body),
        grasp_point=grasp,
        camera_distance=round(float(np.linalg.norm(item.position - view.position)), 5),
        support=item.support,
    )
