"""Which processes make up a robot: the `bringup` section of a contract file, for `ros2 launch` and `vlaser up` alike."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    "simpler_driver": "vlaser_ros.drivers.simpler",
    "widowx_driver": "vlaser_ros.drivers.widowx",
    "aloha_driver": "vlaser_ros.drivers.aloha",
    "replay": "vlaser_ros.replay",
}


YOUTH = 10.0  # s from its start in which a process that ends with an error is not started again: it would say the same again


@dataclass(frozen=True)
class Topics:
    """Absolute names the nodes meet on; a start in a namespace puts it before them. images: one a camera, in the contract's order."""

    __pydantic_config__ = _STRICT
    images: Annotated[tuple[str, ...], Field(min_length=1)]
    joint_states: str
    trajectory: str

    def within(self, namespace: str) -> Topics:
        """The same topics in a namespace."""
        before = "/" + namespace.strip("/") if namespace.strip("/") else ""
        return Topics(tuple(before + topic for topic in self.images), before + self.joint_states, before + self.trajectory)


@dataclass(frozen=True)
class Argument:
    """Something a user may choose at start: it becomes `parameter` of `node`, or of every node (`all`). The default's type is
    the argument's."""

    __pydantic_config__ = _STRICT
    name: str
    node: str
    parameter: str
    default: Union[Scalar, list[StrictStr]]
    description: str

    def read(self, value: object) -> Scalar | list[str]:
        """`value`, a string from a command line or already typed, in the argument's type. Raises ConfigError."""
        wanted = type(self.default)
        if wanted is str:
            return str(value)
        parsed = yaml.safe_load(value) if isinstance(value, str) else value
        if wanted is list and isinstance(parsed, (list, tuple)) and all(isinstance(part, str) for part in parsed):
            return list(parsed)
        if wanted is float and isinstance(parsed, int) and not isinstance(parsed, bool):
            parsed = float(parsed)
        if type(parsed) is not wanted:
            raise ConfigError(f"argument {self.name!r} is {value!r}, expected {wanted.__name__} ({self.description})")
        return parsed

    def text(self) -> str:
        """The default as a command line gives it."""
        if isinstance(self.default, str):
            return self.default
        return yaml.safe_dump(self.default, default_flow_style=True, width=2**20).removesuffix("\n").removesuffix("...").strip()


# What every bring-up can be asked beside its own arguments.
COMMON = (
    Argument("namespace", "all", "", "", "namespace of the nodes and before every topic of the contract: for several robots side by side"),
    Argument("use_sim_time", "all", "use_sim_time", False, "take the time from /clock"),
    Argument("autostart", "vlaser_server", "autostart", True, "load and serve at once; false leaves the server's lifecycle to a manager"),
    Argument("respawn", "all", "", True, "start a process again that has died"),
)
SIM = Argument("sim", "all", "", False, "a simulated world in place of the arm")


@dataclass(frozen=True)
class NodeSpec:
    """One process. where: started always, only with the simulator, or only with the real robot. respawn: whether it is
    started again when it dies; respawn_delay: s before that. ends: when it has ended without a fault, all is over."""

    __pydantic_config__ = _STRICT
    executable: Literal["vlaser_server", "chunk_controller", "sim_driver", "simpler_driver", "widowx_driver", "aloha_driver", "replay"]
    where: Literal["always", "sim", "robot"] = "always"
    parameters: dict[str, Union[Scalar, list[Scalar]]] = field(default_factory=dict)
    respawn: bool = True
    respawn_delay: Annotated[float, Field(ge=0)] = 2.0
    ends: bool = False


@dataclass(frozen=True)
class Bringup:
    """always_sim: there is no real robot behind this file. robot_notice: what a real start still needs, for the user.
    use_sim_time: the default of the argument of that name."""

    __pydantic_config__ = _STRICT
    description: str
    topics: Topics
    nodes: Annotated[tuple[NodeSpec, ...], Field(min_length=1)]
    arguments: tuple[Argument, ...] = ()
    always_sim: bool = False
    robot_notice: str = ""
    use_sim_time: bool = False

    def __post_init__(self) -> None:
        names = {node.executable for node in self.nodes} | {"all"}
        for argument in self.arguments:
            if argument.node not in names:
                raise ValueError(f"argument {argument.name!r} is for node {argument.node!r}, which is not among {sorted(names)}")
        told = [argument.name for argument in self.every_argument()]
        if twice := sorted({name for name in told if told.count(name) > 1}):
            raise ValueError(f"arguments {twice} are declared twice, or have a name that every bring-up uses")

    def every_argument(self) -> tuple[Argument, ...]:
        """Its own arguments and those that every bring-up has."""
        common = tuple(replace(argument, default=self.use_sim_time) if argument.name == "use_sim_time" else argument for argument in COMMON)
        return (*(() if self.always_sim else (SIM,)), *self.arguments, *common)


@dataclass(frozen=True)
class ProcessSpec:
    """A node as it will be started; `parameters` and `remappings` complete. namespace: empty, or without slashes at its ends."""

    executable: str
    parameters: dict[str, object]
    remappings: tuple[tuple[str, str], ...]
    namespace: str = ""
    respawn: bool = False
    respawn_delay: float = 2.0
    ends: bool = False

    def command(self) -> list[str]:
        """Arguments that start it with this interpreter, without ROS's launch."""
        options = ["--ros-args", *(["-r", f"__ns:=/{self.namespace}"] if self.namespace else [])]
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
    bringup = load_bringup(config)
    overrides = dict(overrides or {})
    known = {argument.name: argument for argument in bringup.every_argument()}
    if unknown := sorted(set(overrides) - set(known)):
        raise ConfigError(f"unknown arguments {unknown}; known: {', '.join(known)}")
    chosen = {name: argument.read(overrides.get(name, argument.default)) for name, argument in known.items()}
    sim = sim or bringup.always_sim or chosen.get("sim") is True
    contract, topics = _robot(config, bringup, str(chosen.get("embodiment", "")))
    namespace = str(chosen["namespace"]).strip("/")
    topics = topics.within(namespace)
    specs = []
    for node in bringup.nodes:
        if node.where != "always" and (node.where == "sim") != sim:
            continue
        parameters: dict[str, object] = {**node.parameters}
        if node.executable in ("vlaser_server", "sim_driver", "simpler_driver", "replay"):
            parameters["image_topics"] = list(topics.images)
        if node.executable in ("chunk_controller", "sim_driver", "widowx_driver", "aloha_driver"):
            parameters["trajectory_topic"] = topics.trajectory
        for argument in known.values():
            # Common arguments that are left alone stay out of the way of a node that has its own idea.
            if argument.parameter and argument.node in (node.executable, "all") and not (argument in COMMON and chosen[argument.name] == argument.default):
                parameters[argument.parameter] = chosen[argument.name]
        specs.append(
            ProcessSpec(
                node.executable,
                {**parameters, "embodiment": contract},
                (("joint_states", topics.joint_states),),
                namespace,
                node.respawn and chosen["respawn"] is True,
                node.respawn_delay,
                node.ends,
            )
        )
    return specs


def _robot(config: str | Path, bringup: Bringup, embodiment: str) -> tuple[str, Topics]:
    """The contract the nodes load, and its topics. embodiment: an argument's choice of another one than the file's own."""
    source = embodiment or config
    # A node may run in another folder than the one a relative path was meant from.
    contract = str(Path(source).resolve()) if Path(source).suffix in {".yaml", ".yml"} else str(source)
    topics = bringup.topics
    if embodiment and "bringup" in read_yaml(config_path(embodiment)):
        # Where that robot's pictures and joints are; what is done with the motion is this file's to say.
        topics = replace(load_bringup(embodiment).topics, trajectory=topics.trajectory)
    cameras = len(load_embodiment(source).cameras)
    if len(topics.images) != cameras:
        raise ConfigError(f"bringup of {source} has {len(topics.images)} image topics, the embodiment has {cameras} cameras")
    return contract, topics


def dds_profile() -> Path:
    """The Fast DDS profile that lets camera images through shared memory."""
    return config_directory() / "fastdds.xml"
