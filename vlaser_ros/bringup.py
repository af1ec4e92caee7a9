"""Which processes make up a robot: the `bringup` section of a contract file, for `ros2 launch` and `vlaser up` alike."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Union

import yaml
from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from vlaser_core.embodiment import config_directory, config_path, load_embodiment, read_yaml, validate
from vlaser_core.errors import ConfigError

_STRICT = ConfigDict(extra="forbid")
Scalar = Union[StrictBool, StrictInt, StrictFloat, StrictStr]

MODULES = {
    "vlaser_server": "vlaser_ros.vlaser_server",
    "chunk_controller": "vlaser_ros.chunk_controller",
    "sim_driver": "vlaser_ros.drivers.sim",
}


@dataclass(frozen=True)
class Topics:
    """Absolute names the nodes meet on. images: one a camera, in the contract's order."""

    __pydantic_config__ = _STRICT
    images: Annotated[tuple[str, ...], Field(min_length=1)]
    joint_states: str
    trajectory: str


@dataclass(frozen=True)
class Argument:
    """Something a user may choose at start: it becomes `parameter` of `node`. The default's type is the argument's."""

    __pydantic_config__ = _STRICT
    name: str
    node: str
    parameter: str
    default: Scalar
    description: str

    def read(self, value: object) -> Scalar:
        """`value`, a string from a command line or already typed, in the argument's type. Raises ConfigError."""
        wanted = type(self.default)
        if wanted is str:
            return str(value)
        parsed = yaml.safe_load(value) if isinstance(value, str) else value
        if wanted is float and isinstance(parsed, int) and not isinstance(parsed, bool):
            parsed = float(parsed)
        if type(parsed) is not wanted:
            raise ConfigError(f"argument {self.name!r} is {value!r}, expected {wanted.__name__} ({self.description})")
        return parsed


@dataclass(frozen=True)
class NodeSpec:
    """One process. where: started always, only with the simulator, or only with the real robot."""

    __pydantic_config__ = _STRICT
    executable: Literal["vlaser_server", "chunk_controller", "sim_driver"]
    where: Literal["always", "sim", "robot"] = "always"
    parameters: dict[str, Union[Scalar, list[Scalar]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Bringup:
    """always_sim: there is no real robot behind this file. robot_notice: what a real start still needs, for the user."""

    __pydantic_config__ = _STRICT
    description: str
    topics: Topics
    nodes: Annotated[tuple[NodeSpec, ...], Field(min_length=1)]
    arguments: tuple[Argument, ...] = ()
    always_sim: bool = False
    robot_notice: str = ""

    def __post_init__(self) -> None:
        names = {node.executable for node in self.nodes}
        for argument in self.arguments:
            if argument.node not in names:
                raise ValueError(f"argument {argument.name!r} is for node {argument.node!r}, which is not among {sorted(names)}")


@dataclass(frozen=True)
class ProcessSpec:
    """A node as it will be started; `parameters` and `remappings` complete."""

    executable: str
    parameters: dict[str, object]
    remappings: tuple[tuple[str, str], ...]

    def command(self) -> list[str]:
        """Arguments that start it with this interpreter, without ROS's launch."""
        options = ["--ros-args"]
        for name, value in self.parameters.items():
            # Flow style on one line; a bare string such as "" or "1" would change its type on the way.
            text = yaml.safe_dump(value, default_flow_style=True, default_style='"' if isinstance(value, str) else None, width=2**20)
            options += ["-p", f"{name}:={text.removesuffix(chr(10)).removesuffix('...').strip()}"]
        for old, new in self.remappings:
            options += ["-r", f"{old}:={new}"]
        return [sys.executable, "-m", MODULES[self.executable], *options]


def load_bringup(config: str | Path) -> Bringup:
    """The `bringup` section of a contract, by name or path. Raises ConfigError."""
    path = config_path(config)
    content = read_yaml(path)
    if "bringup" not in content:
        raise ConfigError(f"{path} has no `bringup` section")
    return validate(Bringup, content["bringup"], str(path))


def compose(config: str | Path, overrides: Mapping[str, object] | None = None, *, sim: bool = False) -> list[ProcessSpec]:
    """The processes to start, drivers first. overrides: argument name → value. Raises ConfigError for unknown arguments."""
    bringup, robot = load_bringup(config), load_embodiment(config)
    overrides = dict(overrides or {})
    # A node may run in another folder than the one a relative path was meant from.
    contract = str(Path(config).resolve()) if Path(config).suffix in {".yaml", ".yml"} else str(config)
    sim = sim or bringup.always_sim
    if len(bringup.topics.images) != len(robot.cameras):
        raise ConfigError(f"bringup of {config} has {len(bringup.topics.images)} image topics, the embodiment has {len(robot.cameras)} cameras")
    known = {argument.name: argument for argument in bringup.arguments}
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ConfigError(f"unknown arguments {unknown}; known: {', '.join(known)}")
    specs = []
    for node in bringup.nodes:
        if node.where != "always" and (node.where == "sim") != sim:
            continue
        parameters: dict[str, object] = {"embodiment": contract, **node.parameters}
        if node.executable in ("vlaser_server", "sim_driver"):
            parameters["image_topics"] = list(bringup.topics.images)
        if node.executable in ("chunk_controller", "sim_driver"):
            parameters["trajectory_topic"] = bringup.topics.trajectory
        for argument in bringup.arguments:
            if argument.node == node.executable:
                parameters[argument.parameter] = argument.read(overrides.get(argument.name, argument.default))
        specs.append(ProcessSpec(node.executable, parameters, (("joint_states", bringup.topics.joint_states),)))
    return specs


def dds_profile() -> Path:
    """The Fast DDS profile that lets camera images through shared memory."""
    return config_directory() / "fastdds.xml"
