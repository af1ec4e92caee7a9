"""What a scene elsewhere holds and from where it is seen: everything its generator decides."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from sim_bridge.elsewhere.objects import CATALOGUE, PLACES
from sim_bridge.elsewhere.scene import PARKED, SETTINGS, Setting, furnish
from sim_bridge.shapes import Painter, Shape, draw_colours
from vlaser_core.data.truth import SURFACE
from vlaser_core.embodiment import Camera
from vlaser_core.geometry import matrix_from_euler, quaternion_from_matrix

_GAP = 0.02  # metres between footprints at least
_STACKED = 0.35
_TALL = 0.12  # half height (m) from which nobody would put a thing into another
_TASK, _DONE = 0.85, 0.3  # share of scenes with a task, and of those the share in which it is done
_CAMERA_AXES = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class Item:
    """One thing of a scene. position: its middle (3,), metres. support: what it stands on."""

    body: str
    shape: Shape
    colour: str
    position: np.ndarray
    yaw: float
    support: str


@dataclass(frozen=True)
class Arrangement:
    """One scene. source, target: bodies a task is about, empty without one. done: the source is already on the target."""

    setting: str
    items: tuple[Item, ...]
    camera: Camera
    source: str = ""
    target: str = ""
    done: bool = False


def arrange(model: mujoco.MjModel, painter: Painter, rng: np.random.Generator) -> Arrangement:
    """Draw a scene and make `model` show it; kinematics are for the caller to compute."""
    setting = SETTINGS[str(rng.choice(list(SETTINGS)))]
    furnish(model, setting.name, rng)
    for name in CATALOGUE:
        model.body_pos[model.body(name).id] = PARKED
    items, source, target, done = _items(setting, rng)
    for item in items:
        painter.paint(item.body, item.colour, rng)
        body = model.body(item.body).id
        x, y, z, w = quaternion_from_matrix(matrix_from_euler(np.array([0.0, 0.0, item.yaw])))
        model.body_pos[body], model.body_quat[body] = item.position, (w, x, y, z)
    shown = [model.body(name).id for name in (setting.name, *(item.body for item in items))]
    # What is fully transparent costs neither renderer anything.
    model.geom_rgba[:, 3] = np.isin(model.geom_bodyid, shown)
    _lamp(model, setting, rng)
    return Arrangement(setting.name, tuple(items), _camera(model, setting, items, rng), source, target, done)


def _items(setting: Setting, rng: np.random.Generator) -> tuple[list[Item], str, str, bool]:
    names = [str(name) for name in rng.permutation(list(CATALOGUE)) if 2 * CATALOGUE[name].half_height < setting.room]
    count = int(rng.integers(3, 7))
    task = rng.random() < _TASK
    place = next(name for name in names if name in PLACES)
    thing = next(
        name
        for name in names
        if name not in PLACES
        and CATALOGUE[name].width > 0
        and CATALOGUE[name].half_height < _TALL
        and CATALOGUE[name].footprint < CATALOGUE[place].top * 1.02
    )
    if task:  # large first, as there is room then
        names = [place, thing, *(name for name in names if name not in (place, thing))]
    done = task and rng.random() < _DONE
    chosen = names[:count]
    colours = draw_colours([CATALOGUE[name] for name in chosen], set(), rng)
    items: list[Item] = []
    for name, colour in zip(chosen, colours, strict=True):
        shape = CATALOGUE[name]
        yaw = float(rng.uniform(-np.pi, np.pi))
        below = _below(items, shape, rng, task, done and name == thing, place, name)
        if below is not None:
            slack = max(0.0, below.shape.top - shape.footprint) * 0.6
            aside = rng.uniform(-slack, slack, 2)
            items.append(Item(name, shape, colour, below.position + (*aside, below.shape.floor + shape.half_height), yaw, below.body))
            continue
        spot = _free_spot(setting, shape, items, rng)
        if spot is not None:
            items.append(Item(name, shape, colour, np.array([*spot, shape.half_height]), yaw, SURFACE))
    present = {item.body for item in items}
    if not task or not {place, thing} <= present:
        return items, "", "", False
    return items, thing, place, done


def _below(items: list[Item], shape: Shape, rng: np.random.Generator, task: bool, must: bool, place: str, name: str) -> Item | None:
    """What to put a thing on: the task's place when it is done, else now and then another that has room."""
    if must:
        return next((item for item in items if item.body == place), None)
    fit = [
        item for item in items
        if item.shape.top > 0 and shape.footprint < item.shape.top and item.support == SURFACE
        and not any(other.support == item.body for other in items) and not (task and item.body == place)
    ]  # fmt: skip
    return fit[rng.integers(len(fit))] if fit and rng.random() < _STACKED else None


def _free_spot(setting: Setting, shape: Shape, items: list[Item], rng: np.random.Generator) -> np.ndarray | None:
    half = np.maximum(0.0, np.array(setting.half) - 0.4 * shape.footprint)
    for _ in range(80):
        spot = rng.uniform(-half, half)
        if all(
            np.linalg.norm(spot - item.position[:2]) > shape.footprint + item.shape.footprint + _GAP
            for item in items
            if item.support == SURFACE
        ):
            return spot
    return None


def _lamp(model: mujoco.MjModel, setting: Setting, rng: np.random.Generator) -> None:
    height = rng.uniform(1.3, 2.4)
    azimuth, out = rng.uniform(-np.pi, np.pi), rng.uniform(0.1, 1.0)
    place = np.array([out * np.cos(azimuth), out * np.sin(azimuth), height])
    if setting.name != "floor":
        place[0] = abs(place[0]) + 0.2  # on the side of the room
    if setting.name == "shelf":
        place[2] = rng.uniform(0.5, 1.0)
        place[0] += 0.8
    model.light_pos[0], model.light_dir[0] = place, -place / np.linalg.norm(place)
    warm = rng.uniform(-0.06, 0.06)
    model.light_diffuse[0] = np.clip(rng.uniform(0.6, 0.8) + np.array([warm, 0.0, -warm]), 0, 1)
    model.vis.headlight.ambient[:] = rng.uniform(0.26, 0.40)
    model.vis.headlight.diffuse[:] = rng.uniform(0.08, 0.25)


def _camera(model: mujoco.MjModel, setting: Setting, items: list[Item], rng: np.random.Generator) -> Camera:
    middle = np.mean([item.position for item in items], axis=0) + rng.uniform(-0.06, 0.06, 3)
    middle[2] = max(0.0, middle[2])
    azimuth, elevation, distance = (float(rng.uniform(*bounds)) for bounds in (setting.azimuth, setting.elevation, setting.distance))
    away = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    position = middle + distance * away
    forward = -away
    left = np.cross((0.0, 0.0, 1.0), forward)
    left /= np.linalg.norm(left)
    upright = np.stack([forward, left, np.cross(forward, left)], axis=1)
    rotation = upright @ matrix_from_euler(np.array([rng.normal(0, 0.04), 0.0, 0.0]))
    field = float(rng.uniform(36, 54))
    x, y, z, w = quaternion_from_matrix(rotation @ _CAMERA_AXES)
    model.cam_pos[0], model.cam_quat[0], model.cam_fovy[0] = position, (w, x, y, z), field
    turned = quaternion_from_matrix(rotation)
    return Camera("camera", "camera", 1, 1, field, tuple(map(float, position)), tuple(map(float, turned)))
