"""The one MuJoCo model of all scenes elsewhere: four settings, fifteen kinds of things, surfaces of many looks, a lamp, a camera.

All bodies are fixed; a scene is made by moving them, the camera and the lamp, and by choosing materials. What stands on a
setting's surface stands at z = 0. Geom groups: 0 settings, 5 things.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import mujoco
import numpy as np

from sim_bridge.elsewhere.objects import CATALOGUE, MESHES
from sim_bridge.shapes import SEEN

GROUP_SETTING, GROUP_THING = 0, 5
PARKED = (0.0, 0.0, -60.0)  # beyond the far plane
_SIDE = 256


@dataclass(frozen=True)
class Setting:
    """Where things stand. half: half extents (m) of the area along x and y. azimuth, elevation: ranges (rad) the camera
    looks from; azimuth 0 is from +x. distance: range (m). walls: it has some behind it. room: height (m) free above the area.
    """

    name: str
    half: tuple[float, float]
    azimuth: tuple[float, float]
    elevation: tuple[float, float]
    distance: tuple[float, float]
    room: float = 1.0


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("floor", (0.36, 0.36), (-np.pi, np.pi), (0.45, 1.25), (0.8, 1.4)),
        Setting("desk", (0.26, 0.44), (-1.3, 1.3), (0.30, 1.05), (0.8, 1.35)),
        Setting("shelf", (0.12, 0.42), (-0.5, 0.5), (0.08, 0.42), (0.8, 1.3), room=0.40),
        Setting("counter", (0.24, 0.46), (-0.9, 0.9), (0.25, 0.9), (0.8, 1.35)),
    )
}
_SURFACES = {
    "floor": ("tiles", "carpet", "boards", "plain"),
    "desk": ("pine", "plain", "walnut"),
    "shelf": ("pine", "plain", "walnut"),
    "counter": ("marble", "granite"),
}
_WALLS = ("plain", "bricks", "stripes", "tiles")
LOOKS = ("tiles", "carpet", "boards", "pine", "walnut", "marble", "granite", "bricks", "stripes", "plain")


def _noise(rng: np.random.Generator, across: float, along: float) -> np.ndarray:
    pad = _SIDE // 4  # wrapped around, so that the texture repeats without a seam
    white = np.pad(rng.normal(size=(_SIDE, _SIDE)).astype(np.float32), pad, mode="wrap")
    field = cv2.GaussianBlur(white, (0, 0), sigmaX=across, sigmaY=along)[pad:-pad, pad:-pad]
    return field / field.std()


@lru_cache(maxsize=len(LOOKS))
def texture(look: str) -> np.ndarray:
    """RGB uint8 (side, side, 3), read-only, the same on every machine; bright, as a material's colour darkens it."""
    rng = np.random.default_rng(9000 + LOOKS.index(look))
    grid = np.indices((_SIDE, _SIDE))
    light = np.ones((_SIDE, _SIDE), np.float32)
    if look == "tiles":
        cell = _SIDE // 4
        light = 0.92 + 0.06 * rng.random((4, 4)).repeat(cell, 0).repeat(cell, 1) - 0.35 * ((grid % cell < 3).any(axis=0))
    elif look == "carpet":
        light = 0.82 + 0.07 * _noise(rng, 1.0, 1.0) + 0.03 * _noise(rng, 14, 14)
    elif look == "boards":
        light = (
            0.85
            + 0.05 * rng.normal(size=6).repeat(_SIDE // 6 + 1)[:_SIDE][None]
            + 0.04 * _noise(rng, 1.5, 30)
            - 0.25 * (grid[1] % (_SIDE // 6) < 2)
        )
    elif look in ("pine", "walnut"):
        light = 0.85 + 0.04 * np.sin(grid[1] / 5 + 3 * _noise(rng, 30, 60)) + 0.03 * _noise(rng, 1.2, 25)
    elif look == "marble":
        light = (
            0.93 - 0.25 * np.exp(-4 * np.abs(np.sin(grid[0] / 40 + grid[1] / 61 + 1.2 * _noise(rng, 12, 12)))) + 0.01 * _noise(rng, 2, 2)
        )
    elif look == "granite":
        light = 0.72 + 0.13 * _noise(rng, 1.2, 1.2)
    elif look == "bricks":
        row, high = grid[0] // (_SIDE // 8), _SIDE // 8
        shifted = grid[1] + (row % 2) * (_SIDE // 8)
        light = 0.85 + 0.05 * _noise(rng, 3, 3) - 0.3 * ((grid[0] % high < 3) | (shifted % (_SIDE // 4) < 3))
    elif look == "stripes":
        light = np.where(grid[1] // (_SIDE // 16) % 2 == 0, 0.95, 0.78)
    image = (255 * np.clip(light, 0, 1)).astype(np.uint8)[..., None].repeat(3, axis=2)
    image.setflags(write=False)
    return image


def _plane(name: str, pos: str, euler: str, size: str) -> str:
    return f'<geom name="{name}" type="plane" pos="{pos}" euler="{euler}" size="{size} 1" material="plain" group="{GROUP_SETTING}" {SEEN}/>'


def _board(name: str, pos: str, size: str) -> str:
    return f'<geom name="{name}" type="box" pos="{pos}" size="{size}" material="plain" group="{GROUP_SETTING}" {SEEN}/>'


# The first geom of each is the surface.
_FURNITURE = {
    "floor": _plane("floor_surface", "0 0 0", "0 0 0", "3 3") + _plane("floor_wall", "-1.6 0 1", "0 1.5708 0", "1.5 3") + _board("floor_skirting", "-1.59 0 0.05", "0.01 3 0.05"),
    "desk": _board("desk_surface", "0 0 -0.015", "0.38 0.68 0.015") + _plane("desk_wall", "-0.75 0 0.4", "0 1.5708 0", "1.6 3") + _plane("desk_floor", "1 0 -0.72", "0 0 0", "3 3")
    + _board("desk_leg1", "-0.33 0.62 -0.37", "0.03 0.03 0.35") + _board("desk_leg2", "0.33 0.62 -0.37", "0.03 0.03 0.35")
    + _board("desk_leg3", "-0.33 -0.62 -0.37", "0.03 0.03 0.35") + _board("desk_leg4", "0.33 -0.62 -0.37", "0.03 0.03 0.35"),
    "shelf": _board("shelf_surface", "0 0 -0.012", "0.16 0.60 0.012") + _board("shelf_back", "-0.165 0 0.2", "0.006 0.60 0.65") + _board("shelf_above", "0 0 0.44", "0.16 0.60 0.012")
    + _board("shelf_side1", "0 0.61 0.2", "0.16 0.012 0.65") + _board("shelf_side2", "0 -0.61 0.2", "0.16 0.012 0.65") + _board("shelf_below", "0 0 -0.44", "0.16 0.60 0.012")
    + _plane("shelf_wall", "-0.18 0 0", "0 1.5708 0", "3 3"),
    "counter": _board("counter_surface", "0 0 -0.02", "0.34 1.4 0.02") + _plane("counter_wall", "-0.33 0 0.5", "0 1.5708 0", "1.6 3") + _board("counter_front", "-0.02 0 -0.45", "0.30 1.38 0.41")
    + _plane("counter_floor", "1 0 -0.88", "0 0 0", "3 3"),
}  # fmt: skip


def scene_xml() -> str:
    """MJCF of everything, all of it out of sight."""
    assets = "".join(
        f'<texture name="{look}" type="2d" file="{look}.png"/><material name="{look}" texture="{look}" texrepeat="3 3" texuniform="false" specular="0.05" shininess="0.1"/>'
        for look in LOOKS
    )
    settings = "".join(
        f'<body name="{name}" pos="{PARKED[0]} {PARKED[1]} {PARKED[2]}">{geoms}</body>' for name, geoms in _FURNITURE.items()
    )
    things = "".join(shape.mjcf(name, GROUP_THING, f'{SEEN} mass="0"') for name, shape in CATALOGUE.items())
    return f"""<mujoco model="vlaser_elsewhere">
  <compiler angle="radian" autolimits="true" fusestatic="false"/>
  <visual>
    <headlight ambient="0.3 0.3 0.3" diffuse="0.15 0.15 0.15" specular="0 0 0"/>
    <quality shadowsize="512" offsamples="0" numslices="20" numstacks="10" numquads="2"/>
    <global offwidth="640" offheight="640"/><map znear="0.05" zfar="12" shadowclip="1.2"/>
  </visual>
  <statistic extent="1" center="0 0 0"/>
  <asset>{assets}{MESHES}</asset>
  <default><geom mass="0"/></default>
  <worldbody>
    <light name="lamp" type="spot" pos="0 0 2" dir="0 0 -1" cutoff="55" exponent="1" diffuse="0.6 0.6 0.6" ambient="0 0 0" specular="0.2 0.2 0.2" castshadow="true"/>
    <camera name="camera" pos="1 0 1" fovy="45"/>
    {settings}{things}
  </worldbody>
</mujoco>"""


def build_model() -> mujoco.MjModel:
    """The compiled model."""
    files = {f"{look}.png": cv2.imencode(".png", texture(look))[1].tobytes() for look in LOOKS}
    return mujoco.MjModel.from_xml_string(scene_xml(), assets=files)


def furnish(model: mujoco.MjModel, setting: str, rng: np.random.Generator) -> None:
    """Show one setting in materials and colours drawn anew."""
    for name in SETTINGS:
        model.body_pos[model.body(name).id] = (0, 0, 0) if name == setting else PARKED
    body = model.body(setting)
    first, count = int(body.geomadr[0]), int(body.geomnum[0])
    wood, tint = rng.choice(_SURFACES[setting]), _tint(rng)
    for geom in range(first, first + count):
        part = model.geom(geom).name
        look = (
            wood
            if "wall" not in part and "floor" not in part.split("_")[1]
            else rng.choice(_WALLS if "wall" in part else _SURFACES["floor"])
        )
        model.geom_matid[geom] = model.material(str(look)).id
        # A geom's own colour multiplies its material's texture, once it is not the default grey.
        model.geom_rgba[geom] = (*(tint if look == wood else _tint(rng)), 1.0)


def _tint(rng: np.random.Generator) -> np.ndarray:
    """A muted colour, so that things stand out from what they stand on."""
    base = np.array(
        [
            (0.80, 0.62, 0.42),
            (0.45, 0.30, 0.20),
            (0.72, 0.72, 0.70),
            (0.55, 0.60, 0.62),
            (0.78, 0.74, 0.66),
            (0.62, 0.66, 0.58),
            (0.36, 0.37, 0.40),
        ][rng.integers(7)]
    )
    return np.clip(base * rng.uniform(0.8, 1.1) + rng.uniform(-0.04, 0.04, 3), 0.05, 1)
