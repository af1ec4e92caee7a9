"""A moment of a recording as people would have seen it: the annotated picture, and robot and chunk beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from visualization_msgs.msg import Marker

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.reasoning.draw import WHITE, draw_label
from vlaser_core.urdf_description import robot_description
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.scene import RobotScene, looking
from vlaser_ros.bags.sources import contract_of
from vlaser_ros.images import colour
from vlaser_ros.messages import to_seconds

HEIGHT = 480  # pixels of either half
SETTLED = 0.25  # s after a path came, at which it is looked at where no moment was asked for


@dataclass
class Moment:
    """What was newest at a time. joints: name → position; markers by namespace and number, with when they came (ns)."""

    picture: np.ndarray | None = None
    joints: dict[str, float] = field(default_factory=dict)
    markers: dict[tuple[str, int], tuple[int, Marker]] = field(default_factory=dict)
    description: str = ""
    chunk: object | None = None
    ages: dict[int, float] = field(default_factory=dict)  # of the view at the verdict, s, by the chunk's number

    def take(self, topic: str, time: int, message) -> None:
        """One message, of a topic that ends as the stack's do. time: ns, of its arrival."""
        if topic.endswith("/annotated/compressed"):
            self.picture = colour(message)
        elif topic.endswith("/robot_description"):
            self.description = message.data
        elif topic.endswith("/chunk_verdict"):
            self.ages[message.sequence] = message.age
        elif topic.endswith("/action_chunk"):
            self.chunk = message if message.horizon else self.chunk  # without steps it only means: hold
        elif topic.endswith("/vlaser/path"):
            for marker in message.markers:
                if marker.action == Marker.DELETEALL:
                    self.markers.clear()
                elif marker.action == Marker.DELETE:
                    self.markers.pop((marker.ns, marker.id), None)
                else:
                    self.markers[marker.ns, marker.id] = (time, marker)
        else:
            self.joints.update(zip(message.name, message.position, strict=True))


def look(path: Path, at: float | None) -> np.ndarray:
    """The picture (480, w, 3) of a moment. at: s after the bag's begin; None: while the middle one of its chunks is under way.

    Raises InputError for a bag of no known robot, or without annotated pictures.
    """
    with Bag(path) as bag:
        contract = contract_of(bag)
        if contract is None:
            raise InputError(f"{path} does not say whose it is; record with `vlaser record`, which writes the contract into the bag")
        ends = ("/vlaser/annotated/compressed", "/vlaser/path", "/vlaser/chunk_verdict", "/vlaser/action_chunk", "/vlaser/robot_description")
        topics = {name for name in bag.topics if name.endswith(ends) or name == contract.topics.joint_states}
        if not any(name.endswith(ends[0]) for name in topics):
            raise InputError(f"{path} has no annotated pictures; they are recorded with the rest unless they are left out")
        moment = Moment()
        until = bag.start + round(at * 1e9) if at is not None else _middle(bag, topics)
        for record in bag.read(topics):
            if record.time > until:
                break
            moment.take(record.topic, record.time, bag.decode(record))
    if moment.picture is None:
        raise InputError(f"{path}: no annotated picture up to {(until - bag.start) * 1e-9:.1f} s; the bag has {bag.seconds:.1f} s")
    shown = [marker for since, marker in moment.markers.values() if until - since < to_seconds(marker.lifetime) * 1e9]
    return _composed(moment, shown, contract.embodiment, (until - bag.start) * 1e-9)


def _middle(bag: Bag, topics: set[str]) -> int:
    """ns, a little after the path of the middle chunk that was accepted; the bag's end where there is none."""
    paths = {name for name in topics if name.endswith("/vlaser/path")}
    times = [record.time for record in bag.read(paths) if any(marker.points for marker in bag.decode(record).markers)]
    return times[len(times) // 2] + round(SETTLED * 1e9) if times else bag.start + round(bag.seconds * 1e9)


def _eye(robot: Embodiment) -> tuple[np.ndarray, np.ndarray]:
    """Where to look from and at, m in the base frame: the middle of feet and workspace, from in front and the right."""
    low, high = np.array(robot.safety.workspace_min), np.array(robot.safety.workspace_max)
    feet = np.array([arm.base_position for arm in robot.arms])
    low, high = np.minimum(low, feet.min(axis=0)), np.maximum(high, feet.max(axis=0))
    middle, reach = (low + high) / 2, float(np.linalg.norm(high - low))
    middle[2] = 0.4 * high[2]
    return middle + np.array([0.62, -0.78, 0.52]) * 0.95 * reach, middle


def _composed(moment: Moment, markers: list[Marker], robot: Embodiment, seconds: float) -> np.ndarray:
    size = (round(moment.picture.shape[1] * HEIGHT / moment.picture.shape[0]), HEIGHT)
    left = cv2.resize(moment.picture, size, interpolation=cv2.INTER_AREA)
    eye, middle = _eye(robot)
    scene = RobotScene(moment.description or robot_description(robot))
    right = scene.picture(moment.joints, markers, looking(eye, middle, 640, HEIGHT))
    words = f"{robot.name}   {seconds:.2f} s"
    if moment.chunk is not None:
        age = moment.ages.get(moment.chunk.sequence, math.nan)
        words += f"   view {1000 * age:.0f} ms old at the verdict   inference {1000 * moment.chunk.inference_time:.0f} ms"
    draw_label(right, words, 0, HEIGHT, WHITE)
    return np.hstack([left, np.full((HEIGHT, 4, 3), 18, np.uint8), right])
