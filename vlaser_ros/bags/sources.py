"""Whose bag it is, and which of its topics are the robot's cameras and joint states.

In this order: what the user says, the contract in the bag, the contract of the named robot, the only topic of the type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlaser_core.embodiment import Embodiment, load_embodiment
from vlaser_core.errors import ConfigError, InputError
from vlaser_ros.bags.contract import CONTRACT_TOPIC, CONTRACT_TYPE, Contract
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bringup import load_bringup

IMAGE, COMPRESSED, JOINTS = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/JointState"
CHUNK_TOPIC = "/vlaser/action_chunk"


@dataclass(frozen=True)
class Sources:
    """images: camera name → topic in the bag, in the contract's order. joints: topic. embodied_by: how the robot was found."""

    embodiment: Embodiment
    images: dict[str, str]
    joints: str
    embodied_by: str

    @property
    def topics(self) -> set[str]:
        return {*self.images.values(), self.joints}


def contract_of(bag: Bag) -> Contract | None:
    """The contract in the bag, None without one. Raises InputError for one that cannot be read."""
    topic = bag.topics.get(CONTRACT_TOPIC)
    if topic is None or not topic.count or topic.type != CONTRACT_TYPE:
        return None
    record = next(bag.read({CONTRACT_TOPIC}))
    return Contract.from_yaml(bag.decode(record).data, f"{bag.path}, topic {CONTRACT_TOPIC}")


def find_sources(bag: Bag, embodiment: str = "", images: Mapping[str, str] | None = None, joints: str = "", *, need_joints: bool = True) -> Sources:
    """The robot and its topics in `bag`. embodiment: contract by name or path, empty: the bag's own. images: camera → topic.

    Raises InputError that names what is missing and what the bag has instead.
    """
    images = dict(images or {})
    robot, wanted_images, wanted_joints, how = _robot(bag, embodiment)
    unknown = sorted(set(images) - {camera.name for camera in robot.cameras})
    if unknown:
        raise InputError(f"no camera is called {unknown}; embodiment {robot.name!r} has {[camera.name for camera in robot.cameras]}")
    found = {}
    for index, camera in enumerate(robot.cameras):
        if camera.name in images:
            found[camera.name] = bag.need(images[camera.name], IMAGE, COMPRESSED).name
        else:
            found[camera.name] = _image_topic(bag, camera.name, wanted_images[index] if wanted_images else "", alone=len(robot.cameras) == 1)
    joints = bag.need(joints, JOINTS).name if joints else _joint_topic(bag, wanted_joints) if need_joints else wanted_joints
    return Sources(robot, found, joints, how)


def _robot(bag: Bag, embodiment: str) -> tuple[Embodiment, tuple[str, ...], str, str]:
    """The embodiment, its image topics and joint topic as far as a contract names them, and how it was found."""
    contract = contract_of(bag)
    if not embodiment and contract is not None:
        return contract.embodiment, contract.topics.images, contract.topics.joint_states, "contract in the bag"
    how = "given" if embodiment else "name in the bag's action chunks"
    embodiment = embodiment or _named_by_chunks(bag)
    robot = load_embodiment(embodiment)
    if contract is not None and contract.embodiment.name == robot.name:
        # The same robot: the bag knows best under which names it was recorded.
        return robot, contract.topics.images, contract.topics.joint_states, how
    try:
        topics = load_bringup(embodiment).topics
    except ConfigError:
        return robot, (), "", how
    return robot, topics.images, topics.joint_states, how


def _named_by_chunks(bag: Bag) -> str:
    topic = bag.topics.get(CHUNK_TOPIC)
    if topic is not None and topic.count:
        return bag.decode(next(bag.read({CHUNK_TOPIC}))).embodiment
    raise InputError(f"{bag.path} carries no contract (topic {CONTRACT_TOPIC}); say whose it is with --embodiment, e.g. widowx or a contract's .yaml file")


def _image_topic(bag: Bag, camera: str, wanted: str, *, alone: bool) -> str:
    if wanted:
        for name in (wanted, f"{wanted}/compressed", wanted.removesuffix("/compressed")):
            if name in bag.topics and bag.topics[name].count and bag.topics[name].type in (IMAGE, COMPRESSED):
                return name
    candidates = [topic for topic in bag.named(IMAGE, COMPRESSED) if "/vlaser/" not in topic.name]
    if alone and len(candidates) == 1:
        return candidates[0].name
    has = ", ".join(f"{topic.name} ({topic.count} × {topic.type})" for topic in candidates) or "no picture topic at all"
    expected = f"the contract says {wanted!r}" if wanted else "no contract says which"
    raise InputError(f"{bag.path}: the topic of camera {camera!r} is not clear ({expected}); the bag has {has}. Give --image-topic {camera}:=/its/topic")


def _joint_topic(bag: Bag, wanted: str) -> str:
    if wanted and wanted in bag.topics and bag.topics[wanted].count and bag.topics[wanted].type == JOINTS:
        return wanted
    candidates = bag.named(JOINTS)
    if len(candidates) == 1:
        return candidates[0].name
    has = ", ".join(f"{topic.name} ({topic.count} messages)" for topic in candidates) or "no joint states at all"
    expected = f"the contract says {wanted!r}" if wanted else "no contract says which"
    raise InputError(f"{bag.path}: the topic of the joint states is not clear ({expected}); the bag has {has}. Give --joint-topic /its/topic")
