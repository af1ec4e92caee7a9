"""The MuJoCo model of one task: both arms from the embodiment's chains, table, lamp, cameras and things.

Geom groups: 0 table and floor, 1 arms, 2 things. Only fingers, palms, things and the table touch each other.
"""

from __future__ import annotations

import mujoco
import numpy as np

from sim_bridge.aloha.tasks import Task, Thing
from vlaser_core.embodiment import Arm, Camera, Embodiment
from vlaser_core.errors import ConfigError
from vlaser_core.geometry import matrix_from_quaternion, quaternion_from_matrix

TIMESTEP = 0.002  # s
FINGER_STROKE = 0.036  # metres each finger travels between closed (touching) and open, as the ViperX's URDF has it
_DARK, _METAL, _TIP = 'material="dark"', 'material="metal"', 'material="tip"'
_TOUCH = 'contype="1" conaffinity="1"'
# What hangs on each joint, from the foot on: primitives in the joint's frame, mass (kg) and its middle.
_LINKS = (
    (
        0.80,
        (0, 0, 0.02),
        f'<geom type="cylinder" size="0.05 0.03" pos="0 0 0.01" {_DARK}/><geom type="box" size="0.035 0.045 0.025" pos="0 0 0.04" {_DARK}/>',
    ),
    (
        0.79,
        (0.02, 0, 0.15),
        f'<geom type="cylinder" size="0.028 0.04" euler="1.5708 0 0" {_METAL}/><geom type="box" size="0.02 0.024 0.15" pos="0 0 0.15" {_DARK}/>'
        f'<geom type="box" size="0.042 0.024 0.02" pos="0.03 0 0.3" {_DARK}/>',
    ),
    (
        0.32,
        (0.1, 0, 0),
        f'<geom type="cylinder" size="0.025 0.036" euler="1.5708 0 0" {_METAL}/><geom type="box" size="0.1 0.022 0.02" pos="0.1 0 0" {_DARK}/>',
    ),
    (0.41, (0.05, 0, 0), f'<geom type="cylinder" size="0.023 0.045" pos="0.045 0 0" euler="0 1.5708 0" {_DARK}/>'),
    (
        0.12,
        (0.035, 0, 0),
        f'<geom type="cylinder" size="0.022 0.036" euler="1.5708 0 0" {_METAL}/><geom type="box" size="0.03 0.02 0.018" pos="0.035 0 0" {_DARK}/>',
    ),
    (
        0.25,
        (0.04, 0, 0),
        f'<geom type="cylinder" size="0.024 0.018" pos="0.012 0 0" euler="0 1.5708 0" {_DARK}/>'
        f'<geom type="box" size="0.02 0.065 0.016" pos="0.062 0 0" {_DARK} {_TOUCH}/>',
    ),
)


def _vector(values) -> str:
    return " ".join(f"{float(value):.9g}" for value in values)


def _wxyz(xyzw) -> str:
    x, y, z, w = xyzw
    return _vector((w, x, y, z))


def finger(arm: Arm, side: str) -> str:
    """Name of an arm's finger body and joint; side: left or right."""
    return f"{arm.name}/{side}_finger"


def _finger(arm: Arm, side: str) -> str:
    # Pads reach 1 cm past the grasp point and meet in the middle when the joint is at 0.
    sign, tip, thick = (1 if side == "left" else -1), arm.grasp_point[0] + 0.010, 0.005
    pad = f'{_TOUCH} condim="4" friction="1.5 0.02 0.002" priority="1" solref="0.01 1"'
    name = finger(arm, side)
    return f"""
    <body name="{name}" gravcomp="1">
      <joint name="{name}" type="slide" axis="0 {sign} 0" range="0 {FINGER_STROKE}" damping="4" armature="0.03"/>
      <inertial pos="{tip - 0.04} {sign * (thick + 0.002)} 0" mass="0.04" diaginertia="3e-5 3e-5 3e-5"/>
      <geom type="box" size="0.016 {thick} 0.010" pos="{tip - 0.016} {sign * thick} 0" {_TIP} {pad}/>
      <geom type="box" size="0.026 {thick} 0.008" pos="{tip - 0.056} {sign * (thick + 0.004)} 0" {_METAL}/>
    </body>"""


def _camera_axes(position: np.ndarray, target: np.ndarray) -> str:
    """MuJoCo's quaternion of a camera at `position` that looks at `target`, upright."""
    back = (position - target) / np.linalg.norm(position - target)
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    return _wxyz(quaternion_from_matrix(np.column_stack([right, np.cross(back, right), back])))


def _wrist_cameras(embodiment: Embodiment, arm: Arm) -> str:
    """Cameras without a fixed place whose name has the arm's name in it: behind and above the hand, looking at the fingers."""
    place, target = np.array([-0.10, 0.0, 0.16]), np.array([arm.grasp_point[0], 0.0, 0.01])
    return "".join(
        f'<camera name="{camera.name}" pos="{_vector(place)}" quat="{_camera_axes(place, target)}" fovy="{camera.fov_y_deg}"/>'
        for camera in embodiment.cameras
        if camera.position is None and arm.name in camera.name
    )


def _fixed_camera(camera: Camera) -> str:
    # From an x-forward, y-left, z-up camera body to MuJoCo's: x right, y up, looking along -z.
    axes = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    turned = quaternion_from_matrix(matrix_from_quaternion(np.array(camera.orientation_xyzw)) @ axes)
    return f'<camera name="{camera.name}" pos="{_vector(camera.position)}" quat="{_wxyz(turned)}" fovy="{camera.fov_y_deg}"/>'


def _arm(embodiment: Embodiment, arm: Arm) -> str:
    opening, closing = [], []
    for joint, (mass, middle, shape) in zip(arm.joints, _LINKS, strict=True):
        opening.append(
            f'<body name="{joint.name}" pos="{_vector(joint.origin)}" quat="{_wxyz(joint.orientation_xyzw)}" gravcomp="1">'
            f'<joint name="{joint.name}" axis="{_vector(joint.axis)}" range="{joint.lower} {joint.upper}" damping="1" armature="0.1"/>'
            f'<inertial pos="{_vector(middle)}" mass="{mass}" diaginertia="8e-4 8e-4 8e-4"/>{shape}'
        )
        closing.append("</body>")
    foot = f'<geom type="cylinder" size="0.06 0.04" pos="0 0 0.04" {_DARK}/><geom type="box" size="0.11 0.075 0.012" pos="-0.04 0 0.012" {_DARK}/>'
    hand = _wrist_cameras(embodiment, arm) + _finger(arm, "left") + _finger(arm, "right")
    body = f'<body name="{arm.name}/foot" pos="{_vector(arm.base_position)}" quat="{_wxyz(arm.base_orientation_xyzw)}">'
    return body + foot + "".join(opening) + hand + "".join(closing) + "</body>"


def _thing(thing: Thing) -> str:
    look = f'rgba="{_vector(thing.rgba)}" group="2"'
    if thing.kind == "plate":
        touch = f'{_TOUCH} friction="1 0.02 0.002"'
        return f'<body name="{thing.name}"><geom type="cylinder" size="{thing.half} 0.004" pos="0 0 0.004" {look} {touch}/></body>'
    touch = f'{_TOUCH} condim="6" friction="1 0.02 0.002" solref="0.01 1" solimp="0.95 0.99 0.001"'
    return (
        f'<body name="{thing.name}" pos="0 0 {thing.half}"><freejoint name="{thing.name}"/><inertial pos="0 0 0" mass="0.05" diaginertia="2e-5 2e-5 2e-5"/>'
        f'<geom type="box" size="{_vector([thing.half] * 3)}" {look} {touch}/></body>'
    )


def scene_xml(embodiment: Embodiment, task: Task) -> str:
    """MJCF of the whole scene. Raises ConfigError for arms or cameras that this table cannot have."""
    for arm in embodiment.arms:
        if len(arm.joints) != len(_LINKS):
            raise ConfigError(f"the Aloha table has arms of {len(_LINKS)} joints, arm {arm.name!r} of {embodiment.name!r} has {len(arm.joints)}")
    for camera in embodiment.cameras:
        if camera.fov_y_deg is None or (camera.position is None and not any(arm.name in camera.name for arm in embodiment.arms)):
            raise ConfigError(f"camera {camera.name!r} needs fov_y_deg, and a position or the name of an arm in its own, to be simulated")
    servos, coupling, apart = [], [], []
    for arm in embodiment.arms:
        left, right = finger(arm, "left"), finger(arm, "right")
        servos += [f'<position name="{j.name}" joint="{j.name}" kp="1200" kv="70" ctrlrange="{j.lower} {j.upper}"/>' for j in arm.joints]
        servos.append(f'<position name="{arm.name}/fingers" joint="{left}" kp="1500" kv="15" ctrlrange="0 {FINGER_STROKE}" forcerange="-15 15"/>')
        coupling.append(f'<joint joint1="{right}" joint2="{left}" polycoef="0 1 0 0 0" solref="0.005 1"/>')
        apart += [f'<exclude body1="{left}" body2="{right}"/>', *(f'<exclude body1="{side}" body2="{arm.joints[-1].name}"/>' for side in (left, right))]
    return f"""<mujoco model="vlaser_aloha">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{TIMESTEP}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <visual>
    <headlight ambient="0.35 0.35 0.35" diffuse="0.25 0.25 0.25" specular="0 0 0"/>
    <quality shadowsize="1024" offsamples="0" numslices="20" numstacks="10" numquads="4"/>
    <global offwidth="640" offheight="480"/><map znear="0.01" zfar="6"/>
  </visual>
  <statistic extent="1" center="0 0 0.2"/>
  <asset>
    <texture type="skybox" builtin="flat" rgb1="0.36 0.38 0.40" rgb2="0.36 0.38 0.40" width="64" height="64"/>
    <material name="table" rgba="0.47 0.42 0.37 1" specular="0" shininess="0"/>
    <material name="floor" rgba="0.30 0.31 0.33 1" specular="0" shininess="0"/>
    <material name="dark" rgba="0.10 0.10 0.115 1" specular="0.25" shininess="0.3"/>
    <material name="metal" rgba="0.23 0.23 0.25 1" specular="0.25" shininess="0.3"/>
    <material name="tip" rgba="0.30 0.31 0.33 1" specular="0.1" shininess="0.2"/>
  </asset>
  <default><geom group="1" contype="2" conaffinity="0"/></default>
  <worldbody>
    <light name="lamp" pos="-0.4 0.3 1.8" dir="0.22 -0.16 -0.96" diffuse="0.55 0.55 0.55" specular="0.2 0.2 0.2" castshadow="true"/>
    {"".join(_fixed_camera(camera) for camera in embodiment.cameras if camera.position is not None)}
    <geom name="table" type="box" size="0.37 0.61 0.02" pos="0 0 -0.02" material="table" group="0" {_TOUCH} friction="1 0.02 0.002"/>
    <geom name="floor" type="plane" size="3 3 0.5" pos="0 0 -0.75" material="floor" group="0"/>
    {"".join(_arm(embodiment, arm) for arm in embodiment.arms)}
    {"".join(_thing(thing) for thing in task.things)}
  </worldbody>
  <contact>{"".join(apart)}</contact>
  <equality>{"".join(coupling)}</equality>
  <actuator>{"".join(servos)}</actuator>
</mujoco>"""


def build_model(embodiment: Embodiment, task: Task) -> mujoco.MjModel:
    """The compiled scene of `task`."""
    return mujoco.MjModel.from_xml_string(scene_xml(embodiment, task))
