"""The simulator's exact knowledge of the present picture, as the data engine wants it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from sim_bridge.shapes import extents
from sim_bridge.tabletop.expert import body_yaw, grasp_yaw, law
from sim_bridge.tabletop.objects import THINGS
from sim_bridge.tabletop.reach import can_grasp, reach_limits
from sim_bridge.tabletop.scene import GROUP_ARM, GROUP_BASE, GROUP_GROUND, GROUP_MORE, GROUP_SOURCE, GROUP_TARGET
from vlaser_core.data.segmentation import region, shows, visible_fraction
from vlaser_core.data.truth import BACKGROUND, ROBOT, SURFACE, ObjectTruth, PixelMap, Point, SceneTruth

if TYPE_CHECKING:
    from sim_bridge.tabletop.state import State
    from sim_bridge.tabletop.world import Tabletop

_BACKGROUND, _SURFACE, _ROBOT, _FIRST = range(4)
_TOUCHING = 0.002  # metres between two bodies of which one rests on the other, at most


@dataclass(frozen=True)
class _Shown:
    """One object of the scene, whatever it comes from. grasp: where fingers take it (3,), None where they do not."""

    name: str
    phrases: tuple[str, ...]
    colour: str
    kind: str
    group: int
    placed: np.ndarray
    held: bool
    support: str
    grasp: np.ndarray | None


def scene_truth(world: Tabletop, width: int, height: int) -> SceneTruth:
    """Truth of the present state, boxes measured on a segmentation of `width` × `height` pixels."""
    state, task = world.state(), world.spec
    shown = _shown(world, state)
    geoms = world.geoms(width, height)
    values = _values(world, geoms, shown)
    objects = tuple(_object_truth(world, thing, values, _FIRST + index) for index, thing in enumerate(shown))
    release = state.target[:3, 3].copy()
    release[2] = task.release_height + THINGS[task.source].grasp_height
    return SceneTruth(
        task=task.name,
        instruction=task.instruction,
        source=task.source,
        target=task.target,
        objects=objects,
        grasp_point=_picture_point(world, state.grasp_point),
        grasp_angle_deg=round(np.degrees(grasp_yaw(state)) + 90) % 180,
        release_point=_picture_point(world, release),
        gripper_point=_picture_point(world, state.gripper[:3, 3]),
        gripper_height_mm=round(1000 * state.gripper[2, 3]),
        openness=round(state.openness, 4),
        phase=law(state)[1],
        success=world.is_success(),
        gripper_position=_rounded(state.gripper[:3, 3]),
        reach=reach_limits(world.kinematics),
        attempt=world.attempt,
        pixels=PixelMap.of(values, (BACKGROUND, SURFACE, ROBOT, *(thing.name for thing in shown))),
    )


def _shown(world: Tabletop, state: State) -> list[_Shown]:
    source, target = world.things()
    found = [
        _Shown(
            source.name, source.phrases, source.colour, source.kind, GROUP_SOURCE, state.source, bool(state.held),
            "" if state.held else _support(world, state), state.grasp_point,
        ),
        _Shown(target.name, target.phrases, target.colour, target.kind, GROUP_TARGET, state.target, False, _on_table(world, target.name), None),
    ]  # fmt: skip
    for extra in world.distractors.shown if world.distractors is not None else ():
        placed = world.body_pose(extra.body)
        grasp = placed[:3, 3] + (0.0, 0.0, extra.shape.grasp_height) if extra.shape.width > 0 else None
        found.append(
            _Shown(
                extra.body,
                extra.shape.phrases(extra.colour),
                extra.colour,
                extra.shape.kind,
                GROUP_MORE,
                placed,
                extra.held,
                extra.support,
                grasp,
            )
        )
    return found


def _on_table(world: Tabletop, name: str) -> str:
    """SURFACE when the body's lowest point is on the table."""
    model, data = world.model, world.data
    first, table = model.body(name), model.geom("table").id
    geoms = range(int(first.geomadr[0]), int(first.geomadr[0] + first.geomnum[0]))
    return SURFACE if min(mujoco.mj_geomDistance(model, data, table, geom, 0.05, None) for geom in geoms) < _TOUCHING else ""


def _support(world: Tabletop, state: State) -> str:
    """What the source rests on: the target, the table, or (tilted over an edge, or in the air) nothing that one would name."""
    model, data = world.model, world.data
    source, target = model.body(state.task.source), model.body(state.task.target)
    pairs = [
        (upper, lower)
        for upper in range(int(source.geomadr[0]), int(source.geomadr[0] + source.geomnum[0]))
        for lower in range(int(target.geomadr[0]), int(target.geomadr[0] + target.geomnum[0]))
    ]
    near = min(mujoco.mj_geomDistance(model, data, upper, lower, 0.05, None) for upper, lower in pairs) < _TOUCHING
    table = bool(_on_table(world, state.task.source))
    if near and not table and state.source[2, 3] > state.target[2, 3] - 0.03:
        return state.task.target
    return SURFACE if table and not near else ""


def _values(world: Tabletop, geoms: np.ndarray, shown: list[_Shown]) -> np.ndarray:
    """uint8 (h, w) values of the pixel map of which geom each pixel shows."""
    model = world.model
    of_geom = np.full(model.ngeom + 1, _BACKGROUND, np.uint8)  # the last stands for -1, no geom
    of_geom[:-1][np.isin(model.geom_group, (GROUP_ARM, GROUP_BASE))] = _ROBOT
    of_geom[model.geom("table").id] = _SURFACE
    for index, thing in enumerate(shown):
        of_geom[:-1][model.geom_bodyid == model.body(thing.name).id] = _FIRST + index
    return of_geom[geoms]


def _rounded(place: np.ndarray) -> tuple[float, float, float]:
    return tuple(round(float(value), 5) for value in place)


def _picture_point(world: Tabletop, place: np.ndarray) -> Point | None:
    at, depth = world.view.project(place)
    if depth <= 0 or not ((at >= 0) & (at < 1)).all():
        return None
    return round(1000 * at[0]), round(1000 * at[1])


def _alone(world: Tabletop, width: int, height: int, thing: _Shown) -> int:
    """Pixels that the object would cover were nothing before it."""
    if thing.group != GROUP_MORE:
        return int(np.count_nonzero(world.alone(width, height, thing.group)))
    model = world.model
    others = (model.geom_group == GROUP_MORE) & (model.geom_bodyid != model.body(thing.name).id)
    model.geom_group[others] = GROUP_GROUND
    try:
        return int(np.count_nonzero(world.alone(width, height, GROUP_MORE)))
    finally:
        model.geom_group[others] = GROUP_MORE


@lru_cache(maxsize=64)
def _extents(model: mujoco.MjModel, body: int) -> tuple[float, float, float]:
    return tuple(round(float(value), 5) for value in extents(model, body))


def _object_truth(world: Tabletop, thing: _Shown, values: np.ndarray, value: int) -> ObjectTruth:
    height, width = values.shape
    box, point = region(values, value)
    grasp = None if thing.grasp is None else _picture_point(world, thing.grasp)
    if grasp is not None and not shows(values, grasp, value):
        grasp = None  # something is before it
    reachable = None if thing.grasp is None or thing.held else can_grasp(world.kinematics, thing.grasp)
    return ObjectTruth(
        name=thing.name,
        phrases=thing.phrases,
        colour=thing.colour,
        box=box,
        point=point,
        visible_fraction=visible_fraction(values, value, _SURFACE, lambda: _alone(world, width, height, thing)),
        position=_rounded(thing.placed[:3, 3]),
        yaw=round(body_yaw(thing.placed), 5),
        held=thing.held,
        kind=thing.kind,
        size=_extents(world.model, world.model.body(thing.name).id),
        grasp_point=grasp,
        reachable=reachable,
        camera_distance=round(float(np.linalg.norm(thing.placed[:3, 3] - world.view.position)), 5),
        support=thing.support,
    )
