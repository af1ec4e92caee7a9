"""The MuJoCo model of one task: arm from the embodiment's chain, table, light, camera, and the two objects.

Everything that varies between episodes (poses, colours, table texture, light) is a field of the compiled model, so
a task is compiled once. Geom groups: 0 table and floor, 1 arm, 2 source object, 3 target object, 4 the arm's fixed base, 5 distractors.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import mujoco
import numpy as np

from sim_bridge.tabletop.objects import THINGS
from sim_bridge.tabletop.tasks import Task
from vlaser_core.embodiment import Embodiment
from vlaser_core.geometry import matrix_from_quaternion, quaternion_from_matrix

GROUP_GROUND, GROUP_ARM, GROUP_SOURCE, GROUP_TARGET, GROUP_BASE, GROUP_MORE = GROUPS = tuple(range(6))
TIMESTEP = 0.002
FINGER_STROKE = 0.037  # metres each finger travels between closed (touching) and open
TABLE_CENTRE, TABLE_HALF, FLOOR_Z = (0.15, 0.0), (0.55, 0.7), -0.75
TEXTURES = 6
TEXTURE_SIDE = 512
# From an x-forward, y-left, z-up camera body to MuJoCo's: x right, y up, looking along -z.
_CAMERA_AXES = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

_DARK, _METAL, _TIP = 'material="dark"', 'material="metal"', 'material="tip"'
# What the arm looks like, link by link: primitives in the joint's frame, dark as the WidowX is.
_LINKS = {
    "waist": f'<geom type="cylinder" size="0.042 0.022" pos="0 0 0.012" {_DARK}/><geom type="box" size="0.03 0.038 0.025" pos="0 0 0.035" {_DARK}/>',
    "shoulder": f'<geom type="cylinder" size="0.024 0.032" euler="1.5708 0 0" {_METAL}/>'
    f'<geom type="box" size="0.017 0.018 0.125" pos="0 0 0.125" {_DARK}/><geom type="box" size="0.034 0.018 0.017" pos="0.024 0 0.25" {_DARK}/>',
    "elbow": f'<geom type="cylinder" size="0.022 0.03" euler="1.5708 0 0" {_METAL}/><geom type="box" size="0.088 0.018 0.017" pos="0.088 0 0" {_DARK}/>',
    "forearm_roll": f'<geom type="cylinder" size="0.020 0.036" pos="0.03 0 0" euler="0 1.5708 0" {_DARK}/>',
    "wrist_angle": f'<geom type="cylinder" size="0.019 0.032" euler="1.5708 0 0" {_METAL}/><geom type="box" size="0.028 0.018 0.016" pos="0.036 0 0" {_DARK}/>',
    "wrist_rotate": f'<geom type="cylinder" size="0.021 0.015" pos="0.016 0 0" euler="0 1.5708 0" {_DARK}/>'
    f'<geom type="box" size="0.014 0.052 0.014" pos="0.046 0 0" {_DARK} contype="1" conaffinity="1"/>',
}

# Middle of each link's box, where its mass is put: before MuJoCo 4, mj_multiRay passes over geoms of bodies whose
# centre of mass is elsewhere.
_CENTRES = {
    "waist": (0.0, 0.0, 0.025),
    "shoulder": (0.017, 0.0, 0.1215),
    "elbow": (0.077, 0.0, 0.0),
    "forearm_roll": (0.03, 0.0, 0.0),
    "wrist_angle": (0.0225, 0.0, 0.0),
    "wrist_rotate": (0.0305, 0.0, 0.0),
}


def _vector(values) -> str:
    return " ".join(f"{float(value):.9g}" for value in values)


def _finger(side: int, grasp_x: float) -> str:
    # Pads reach 1 cm past the grasp point and meet at y = 0 when the joint is at 0.
    tip, thick = grasp_x + 0.010, 0.005
    pad = 'contype="1" conaffinity="1" condim="4" friction="1.5 0.02 0.002" priority="1" solref="0.01 1"'
    name = "left" if side > 0 else "right"
    return f"""
    <body name="{name}_finger" pos="0 0 0" gravcomp="1">
      <joint name="{name}_finger" type="slide" axis="0 {side} 0" range="0 {FINGER_STROKE}" damping="4" armature="0.03"/>
      <inertial pos="{tip - 0.031} {side * (thick + 0.002)} 0" mass="0.03" diaginertia="2e-5 2e-5 2e-5"/>
      <geom name="{name}_pad" type="box" size="0.016 {thick} 0.010" pos="{tip - 0.016} {side * thick} 0" {_TIP} {pad}/>
      <geom type="box" size="0.016 {thick} 0.008" pos="{tip - 0.046} {side * (thick + 0.004)} 0" {_METAL}/>
    </body>"""


def _arm(embodiment: Embodiment) -> str:
    arm = embodiment.arms[0]
    opening, closing = [], []
    for joint in arm.joints:
        opening.append(
            f'<body name="{joint.name}" pos="{_vector(joint.origin)}" gravcomp="1">'
            f'<joint name="{joint.name}" axis="{_vector(joint.axis)}" range="{joint.lower} {joint.upper}" damping="1" armature="0.08"/>'
            f'<inertial pos="{_vector(_CENTRES.get(joint.name, (0, 0, 0)))}" mass="0.25" diaginertia="4e-4 4e-4 4e-4"/>{_LINKS.get(joint.name, "")}'
        )
        closing.append("</body>")
    x = arm.grasp_point[0]
    return "".join(opening) + f'<site name="grasp" pos="{_vector(arm.grasp_point)}" group="5"/>' + _finger(1, x) + _finger(-1, x) + "".join(closing)


def _actuators(embodiment: Embodiment) -> str:
    servos = "".join(
        f'<position name="{joint.name}" joint="{joint.name}" kp="600" kv="36" ctrlrange="{joint.lower} {joint.upper}"/>' for joint in embodiment.arms[0].joints
    )
    return servos + f'<position name="fingers" joint="left_finger" kp="1500" kv="15" ctrlrange="0 {FINGER_STROKE}" forcerange="-12 12"/>'


@lru_cache(maxsize=TEXTURES)
def wood(index: int) -> np.ndarray:
    """Table texture number `index`: RGB uint8 (side, side, 3), read-only, the same on every machine."""
    rng = np.random.default_rng(7000 + index)
    side = TEXTURE_SIDE
    base = np.array([(186, 148, 106), (164, 126, 88), (200, 176, 146), (150, 138, 126), (176, 160, 140), (132, 104, 80)][index], float)
    rows = np.linspace(0, 1, side)
    grain = sum(np.sin(2 * np.pi * (frequency * rows + rng.random())) / (1 + k) for k, frequency in enumerate((3, 7, 17, 41)))
    noise = cv2.GaussianBlur(rng.normal(size=(side, side)).astype(np.float32), (0, 0), sigmaX=18, sigmaY=1.2)
    noise += 0.6 * cv2.GaussianBlur(rng.normal(size=(side, side)).astype(np.float32), (0, 0), sigmaX=40, sigmaY=4)
    pattern = 0.03 * grain[:, None] + 0.05 * noise / noise.std()
    planks = rng.normal(0, 0.03, 8)[np.arange(side) * 8 // side][:, None]
    seams = -0.10 * ((np.arange(side) % (side // 8)) < 2)[:, None]
    texture = np.clip(base * (1 + pattern + planks + seams)[..., None], 0, 255).astype(np.uint8)
    texture.setflags(write=False)  # shared by all who ask
    return texture


def scene_xml(embodiment: Embodiment, task: Task, more: str = "") -> str:
    """MJCF of the whole scene. Positions are in the embodiment's base frame, which is MuJoCo's world here. more: further bodies."""
    camera = embodiment.cameras[0]
    rotation = matrix_from_quaternion(np.array(camera.orientation_xyzw)) @ _CAMERA_AXES
    x, y, z, w = quaternion_from_matrix(rotation)
    tables = "".join(
        f'<texture name="table{i}" type="2d" file="wood{i}.png"/><material name="table{i}" texture="table{i}" specular="0" shininess="0"/>' for i in range(TEXTURES)
    )
    ground = f'group="{GROUP_GROUND}" contype="1" conaffinity="1"'
    return f"""<mujoco model="vlaser_tabletop">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIMESTEP}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <visual>
    <headlight ambient="0.30 0.30 0.30" diffuse="0.18 0.18 0.18" specular="0 0 0"/>
    <quality shadowsize="1024" offsamples="0" numslices="20" numstacks="10" numquads="4"/>
    <global offwidth="640" offheight="480"/><map znear="0.02" zfar="6"/>
  </visual>
  <statistic extent="1" center="0.3 0 0.1"/>
  <asset>{tables}
    <material name="floor" rgba="0.34 0.35 0.37 1" specular="0" shininess="0"/>
    <material name="dark" rgba="0.10 0.10 0.115 1" specular="0.25" shininess="0.3"/>
    <material name="metal" rgba="0.23 0.23 0.25 1" specular="0.25" shininess="0.3"/>
    <material name="tip" rgba="0.06 0.06 0.065 1" specular="0.1" shininess="0.2"/>
  </asset>
  <default><geom group="{GROUP_ARM}" contype="2" conaffinity="0"/></default>
  <worldbody>
    <light name="lamp" type="spot" pos="0.3 0 1.7" dir="0 0 -1" cutoff="85" exponent="0" diffuse="0.62 0.62 0.62" ambient="0 0 0" specular="0.3 0.3 0.3" castshadow="true"/>
    <camera name="{camera.name}" pos="{_vector(camera.position)}" quat="{_vector((w, x, y, z))}" fovy="{camera.fov_y_deg}"/>
    <geom name="table" type="plane" size="{TABLE_HALF[0]} {TABLE_HALF[1]} 0.05" pos="{TABLE_CENTRE[0]} {TABLE_CENTRE[1]} 0" material="table0" {ground} friction="1 0.02 0.002"/>
    <geom name="floor" type="plane" size="4 4 0.5" pos="0 0 {FLOOR_Z}" material="floor" group="{GROUP_GROUND}"/>
    <geom type="cylinder" size="0.055 0.036" pos="0 0 0.036" material="dark" group="{GROUP_BASE}"/>
    <geom type="box" size="0.10 0.07 0.012" pos="-0.04 0 0.012" material="dark" group="{GROUP_BASE}"/>
    {_arm(embodiment)}
    {THINGS[task.source].mjcf(GROUP_SOURCE)}
    {THINGS[task.target].mjcf(GROUP_TARGET)}{more}
  </worldbody>
  <contact><exclude body1="left_finger" body2="right_finger"/></contact>
  <equality><joint joint1="right_finger" joint2="left_finger" polycoef="0 1 0 0 0" solref="0.005 1"/></equality>
  <actuator>{_actuators(embodiment)}</actuator>
</mujoco>"""


def build_model(embodiment: Embodiment, task: Task, more: str = "") -> mujoco.MjModel:
    """The compiled scene of `task`, with `more` bodies (MJCF)."""
    assets = {f"wood{i}.png": cv2.imencode(".png", cv2.cvtColor(wood(i), cv2.COLOR_RGB2BGR))[1].tobytes() for i in range(TEXTURES)}
    return mujoco.MjModel.from_xml_string(scene_xml(embodiment, task, more), assets=assets)
