"""What a robot is: the contract that training, simulators, ROS nodes and checkpoints all read.

    from vlaser_core.embodiment import load_embodiment
    widowx = load_embodiment("widowx")            # config/widowx.yaml, or a path

A contract file `config/<name>.yaml` has the robot under the key `embodiment`; a `bringup` section beside it
belongs to vlaser_ros and is not read here. Unknown keys, missing keys and wrong units of length are refused.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from vlaser_core.errors import ConfigError
from vlaser_core.urdf import resolve_arms

_STRICT = ConfigDict(extra="forbid")
Vector3 = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Camera:
    """A camera the policy looks through. frame_id: REP-105 optical frame. Field of view: vertical, degrees.

    position (metres) and orientation (xyzw, x-forward camera body) are given in the base frame where the
    camera is fixed and calibrated; otherwise None, and what needs projection says so.
    """

    __pydantic_config__ = _STRICT
    name: str
    frame_id: str
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    fov_y_deg: Annotated[float, Field(gt=0, lt=180)] | None = None
    position: Vector3 | None = None
    orientation_xyzw: Quaternion | None = None


@dataclass(frozen=True)
class Joint:
    """A revolute joint: origin (metres) in its parent's frame, axis, range (rad), velocity and acceleration limits.

    orientation_xyzw turns the joint's own frame, in which `axis` is given, within its parent's (a URDF's `rpy`).
    """

    __pydantic_config__ = _STRICT
    name: str
    origin: Vector3
    axis: Vector3
    lower: float
    upper: float
    max_velocity: Positive
    max_acceleration: Positive
    orientation_xyzw: Quaternion = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Gripper:
    """How openness (0 closed … 1 open) reads and commands on the driver's side.

    joint: the finger's name in JointState, whose position is `closed_position` at 0 and `open_position` at 1.
    """

    __pydantic_config__ = _STRICT
    joint: str
    closed_position: float
    open_position: float

    def openness(self, position: float) -> float:
        """Openness of a measured finger position, unclipped."""
        return (position - self.closed_position) / (self.open_position - self.closed_position)

    def position(self, openness: float) -> float:
        """Finger position that stands for an openness."""
        return self.closed_position + openness * (self.open_position - self.closed_position)


@dataclass(frozen=True)
class Arm:
    """A serial chain from the base frame to the grasp point, and its gripper. home: radians, one a joint.

    base_position (metres) and base_orientation_xyzw place the arm's foot in the base frame; grasp_point and
    grasp_orientation_xyzw place the grasp frame in that of the last joint. In a contract file `urdf` may stand for
    joints and grasp frame (see vlaser_core/urdf.py).
    """

    __pydantic_config__ = _STRICT
    name: str
    joints: Annotated[tuple[Joint, ...], Field(min_length=1)]
    grasp_point: Vector3
    home: tuple[float, ...]
    gripper: Gripper
    base_position: Vector3 = (0.0, 0.0, 0.0)
    base_orientation_xyzw: Quaternion = (0.0, 0.0, 0.0, 1.0)
    grasp_orientation_xyzw: Quaternion = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Proprio:
    """The state the policy is given. kind `eef_pose_euler`: grasp point xyz, rpy (sxyz) of R · offsetᵀ, openness.
    `eef_pose_quaternion`: grasp point xyz, quaternion xyzw, closedness (1 − openness). `joints`: arm by arm, joints and openness.
    """

    __pydantic_config__ = _STRICT
    kind: Literal["eef_pose_euler", "eef_pose_quaternion", "joints"]
    names: tuple[str, ...]
    rotation_offset: tuple[Vector3, Vector3, Vector3] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


@dataclass(frozen=True)
class ActionSpace:
    """What the policy commands. kind `delta_eef_pose`: per step Δxyz (m), Δrpy (rad, sxyz, about `frame`'s axes),
    gripper openness; steps accumulate from the pose at observation time. kind `joints`: absolute joint positions and
    gripper openness. With several arms the dimensions stand arm by arm, in the order of `Embodiment.arms`.
    """

    __pydantic_config__ = _STRICT
    kind: Literal["delta_eef_pose", "joints"]
    names: tuple[str, ...]
    frame: str
    horizon: Annotated[int, Field(gt=0)]
    rate_hz: Positive
    gripper_dims: tuple[int, ...]

    @property
    def dt(self) -> float:
        """Seconds between two steps of a chunk."""
        return 1.0 / self.rate_hz


@dataclass(frozen=True)
class Safety:
    """Bounds the chunk gate holds a chunk against. Lengths in metres, angles in radians, times in seconds.

    The workspace is a box in the base frame that every arm's grasp point stays in. max_following_error: between a joint
    and its command; beyond it for following_error_time the controller stops and latches.
    """

    __pydantic_config__ = _STRICT
    max_observation_age: Positive
    max_start_jump: Positive
    max_step_translation: Positive
    max_step_rotation: Positive
    workspace_min: Vector3
    workspace_max: Vector3
    max_following_error: Positive = 0.35
    following_error_time: Positive = 0.5


@dataclass(frozen=True)
class Embodiment:
    """A robot as the policy knows it. See the fields' own classes for units and frames."""

    __pydantic_config__ = _STRICT
    name: str
    description: str
    base_frame: str
    cameras: Annotated[tuple[Camera, ...], Field(min_length=1)]
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    proprio: Proprio
    action: ActionSpace
    safety: Safety

    def __post_init__(self) -> None:
        for arm in self.arms:
            if len(arm.home) != len(arm.joints):
                raise ValueError(f"arm {arm.name!r} has {len(arm.joints)} joints but {len(arm.home)} home angles")
            for joint, angle in zip(arm.joints, arm.home, strict=True):
                if not joint.lower <= angle <= joint.upper:
                    raise ValueError(f"home angle {angle} of joint {joint.name!r} is outside its range")
        if any(not 0 <= dim < self.action_dim for dim in self.action.gripper_dims):
            raise ValueError(f"gripper_dims {self.action.gripper_dims} do not index the {self.action_dim} actions")

    @property
    def proprio_dim(self) -> int:
        return len(self.proprio.names)

    @property
    def action_dim(self) -> int:
        return len(self.action.names)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Names of all arm joints (grippers apart), arm by arm."""
        return tuple(joint.name for arm in self.arms for joint in arm.joints)

    def camera(self, name: str) -> Camera:
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise ConfigError(f"embodiment {self.name!r} has no camera {name!r}; it has {[c.name for c in self.cameras]}")


def config_directory() -> Path:
    """The folder of contract files: beside the package in a checkout, else share/vlaser_ros/config of the install
    (a colcon workspace's, or the environment's)."""
    here = Path(__file__).resolve().parent
    source = here.parent / "config"
    if source.is_dir():
        return source
    for prefix in (*here.parents, Path(sys.prefix)):
        installed = prefix / "share" / "vlaser_ros" / "config"
        if installed.is_dir():
            return installed
    raise ConfigError(f"no folder of embodiments beside {here} or under share/vlaser_ros/config; reinstall vlaser_ros")


def config_path(name_or_path: str | Path) -> Path:
    """The YAML file that a name (`widowx`) or a path stands for. Raises ConfigError naming the known ones."""
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"}:
        if path.is_file():
            return path
        raise ConfigError(f"no configuration file at {path}")
    found = config_directory() / f"{path.name}.yaml"
    if len(path.parts) == 1 and found.is_file():
        return found
    known = sorted(file.stem for file in config_directory().glob("*.yaml"))
    raise ConfigError(f"unknown embodiment {str(name_or_path)!r}; known: {', '.join(known) or 'none'} (or give a .yaml path)")


def read_yaml(path: Path) -> dict:
    """One YAML mapping, with parse errors that name the file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {type(content).__name__}, expected a mapping")
    return content


def validate(kind: type, content: object, where: str):
    """`content` as the dataclass `kind`; every fault is listed with its key. Raises ConfigError."""
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(part) for part in fault['loc']) or 'value'}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(f"{where}: {faults}") from error


def load_embodiment(name_or_path: str | Path) -> Embodiment:
    """The embodiment of a contract file. A string under `embodiment` refers to another contract by name."""
    path = config_path(name_or_path)
    content = read_yaml(path)
    if "embodiment" not in content:
        raise ConfigError(f"{path} has no `embodiment` section")
    if isinstance(content["embodiment"], str):
        return load_embodiment(content["embodiment"])
    resolve_arms(content["embodiment"], path)
    return validate(Embodiment, content["embodiment"], str(path))


def dump_embodiment(embodiment: Embodiment, path: Path) -> None:
    """Write the contract so that `load_embodiment(path)` gives an equal one."""
    plain = TypeAdapter(Embodiment).dump_python(embodiment, mode="json")
    path.write_text(yaml.safe_dump({"embodiment": plain}, sort_keys=False, default_flow_style=None), encoding="utf-8")


def replace(embodiment: Embodiment, **changes) -> Embodiment:
    """A copy with some fields changed (frozen dataclasses cannot be edited)."""
    return dataclasses.replace(embodiment, **changes)
