"""Small bags made by the tests: a WidowX at 10 pictures and 50 joint states a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

import rclpy  # noqa: F401 - first: where ROS 2 comes as wheels, its import may restart the interpreter
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from vlaser_msgs.msg import ActionChunk, ChunkVerdict, WorldState

from vlaser_core.embodiment import load_embodiment
from vlaser_ros.bag_types import BagTypes
from vlaser_ros.bags.contract import CONTRACT_TOPIC, Contract
from vlaser_ros.bags.files import BagFiles, Channel
from vlaser_ros.images import to_compressed, to_message
from vlaser_ros.messages import header

ROBOT = load_embodiment("widowx")
START = 1_700_000_000.0  # s
TYPES = BagTypes()
LATENCY = 0.004  # s from a stamp to its recording
IMAGES, JOINTS = "/camera/color/image_raw", "/joint_states"


@dataclass
class Episode:
    """Messages by time, as (receive time in s, topic, message). joints_at: (n,) rad at a stamp."""

    joints_at: Callable[[float], np.ndarray]
    messages: list[tuple[float, str, object]] = field(default_factory=list)

    def add(self, time: float, topic: str, message: object) -> None:
        self.messages.append((time, topic, message))

    def ordered(self) -> Iterator[tuple[int, str, str, bytes]]:
        """(ns, topic, type, CDR bytes) in the order of recording."""
        for time, topic, message in sorted(self.messages, key=lambda each: each[0]):
            yield round(time * 1e9), topic, *TYPES.encode(message)

    def write(self, out: Path, **options) -> Path:
        """An MCAP, or a folder of split ones."""
        types, files, channels = TYPES, BagFiles(out, **options), {}
        for time, topic, kind, data in self.ordered():
            if topic not in channels:
                channels[topic] = Channel(topic, kind, *types.definition(kind))
            files.add(channels[topic], time, time, data)
        files.close()
        return files.out


def picture(index: int, width: int = 320, height: int = 240) -> np.ndarray:
    """RGB uint8: a gradient and a square that moves with the index."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)
    pixels[..., 1] = np.linspace(0, 255, height, dtype=np.uint8)[:, None]
    column = (7 * index) % (width - 20)
    pixels[100:120, column : column + 20] = (250, 250, 40)
    return pixels


def sway(time: float) -> np.ndarray:
    """Joints (6,) rad: home, the waist turning at a constant 0.1 rad/s and the elbow at 0.05 rad/s."""
    joints = np.array(ROBOT.arms[0].home)
    joints[0] += 0.1 * (time - START)
    joints[2] += 0.05 * (time - START)
    return joints


@pytest.fixture(scope="session")
def episode() -> Callable[..., Episode]:
    """`episode(seconds, …)`: pictures and joint states, and the contract unless told otherwise."""

    def make(
        seconds: float = 3.0,
        *,
        contract: str | None = "tabletop",
        compressed: bool = False,
        image_topic: str = IMAGES,
        joint_topic: str = JOINTS,
        joints_at: Callable[[float], np.ndarray] = sway,
        finger: float = 0.037,
        shift: float = 0.0,
        size: tuple[int, int] = (320, 240),
    ) -> Episode:
        made = Episode(joints_at)
        if contract is not None:
            made.add(START + shift, CONTRACT_TOPIC, String(data=Contract.of(contract).to_yaml()))
        for index in range(round(seconds * 10)):
            stamp = START + 0.1 * index
            head = header(stamp, "camera_color_optical_frame")
            message = to_compressed(picture(index, *size), header=head) if compressed else to_message(picture(index, *size), header=head)
            made.add(stamp + LATENCY + 0.01 + shift, image_topic, message)
        for index in range(round(seconds * 50)):
            stamp = START + 0.02 * index
            message = JointState(header=header(stamp, ""), name=[*ROBOT.joint_names, "left_finger"], position=[*joints_at(stamp), finger])
            made.add(stamp + LATENCY + shift, joint_topic, message)
        return made

    return make


def chunk_at(stamp: float, actions: np.ndarray, sequence: int, *, inference: float = 0.05) -> ActionChunk:
    return ActionChunk(
        header=header(stamp, "base_link"),
        sequence=sequence,
        embodiment="widowx",
        dt=0.2,
        names=list(ROBOT.action.names),
        horizon=len(actions),
        data=actions.ravel().tolist(),
        executed_steps=len(actions),
        inference_time=inference,
    )


def verdict_of(sequence: int, accepted: bool, age: float = 0.1) -> ChunkVerdict:
    return ChunkVerdict(sequence=sequence, accepted=accepted, age=age)


def told(text: str) -> WorldState:
    return WorldState(instruction=text)
