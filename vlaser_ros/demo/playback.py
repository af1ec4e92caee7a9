"""A recording read back as moments: each camera picture with what was known when it was taken.

Film and report are made from this, so they show what was recorded and nothing else.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.processing.path import grasp_path, grasp_points
from vlaser_core.projection import project
from vlaser_core.reasoning.types import Grounding
from vlaser_ros.bags.reader import Bag
from vlaser_ros.images import colour

CHUNK_TOPIC = "/vlaser/action_chunk"
STATE_TOPIC = "/sim_driver/state"
GROUNDING_TOPIC = "/vlaser/demo/grounding"
_GROUNDING_LIFE = 2.5  # s a grounding is shown: the thing it names may be carried on
_POINT = 1  # vlaser_msgs/Detection.POINT


@dataclass(frozen=True)
class Moment:
    """picture: RGB uint8 (h, w, 3) taken at `stamp` (s, wall clock). path: pixels (n, 2) from the grasp point at
    observation through the steps of the newest chunk, or None before the first. index: chunks so far in this task's
    goal; inference_s, openness: of the newest chunk. success: the world's own test, now.
    """

    stamp: float
    picture: np.ndarray
    task: str
    success: bool
    grounding: Grounding | None
    path: np.ndarray | None
    index: int
    inference_s: float | None
    openness: float | None


def seconds(stamp) -> float:
    return stamp.sec + stamp.nanosec * 1e-9


def moments(file: Path, embodiment: Embodiment, image_topic: str, joint_topic: str) -> Iterator[Moment]:
    """Every camera picture of the recording in order of arrival. Raises InputError for a file that is no recording."""
    watched = {image_topic, joint_topic, CHUNK_TOPIC, STATE_TOPIC, GROUNDING_TOPIC}
    memory = _Memory(embodiment)
    with Bag(file) as bag:
        for record in bag.read(watched):
            message = bag.decode(record)
            if record.topic == image_topic:
                yield memory.moment(seconds(message.header.stamp), colour(message))
            elif record.topic == joint_topic:
                memory.joints(message)
            elif record.topic == CHUNK_TOPIC:
                memory.chunk(message)
            elif record.topic == STATE_TOPIC:
                memory.state(message)
            else:
                memory.grounding(message, record.time * 1e-9)


class _Memory:
    """The newest of everything that came before a picture."""

    def __init__(self, embodiment: Embodiment) -> None:
        self._embodiment = embodiment
        self._stamps: list[float] = []
        self._postures: list[np.ndarray] = []
        self._goal, self._index = "", 0
        self._chunk = None
        self._path: np.ndarray | None = None
        self._state = None
        self._grounding: tuple[float, Grounding] | None = None

    def joints(self, message) -> None:
        if not set(self._embodiment.joint_names) <= set(message.name):
            return  # another arm's joint states on the same topic
        self._stamps.append(seconds(message.header.stamp))
        self._postures.append(np.array([message.position[message.name.index(name)] for name in self._embodiment.joint_names]))

    def chunk(self, message) -> None:
        if not message.horizon:
            return  # the message that means hold
        if message.goal_id != self._goal:
            self._goal, self._index = message.goal_id, 0
        self._index += 1
        self._chunk = message
        self._path = self._project(message)

    def _project(self, message) -> np.ndarray | None:
        if not self._stamps:
            return None
        posture = self._postures[min(bisect.bisect_left(self._stamps, seconds(message.header.stamp)), len(self._stamps) - 1)]
        actions = np.array(message.data).reshape(message.horizon, -1)
        path = grasp_path(self._embodiment, grasp_points(self._embodiment, posture), actions)
        return project(self._embodiment.cameras[0], path[:, 0])

    def state(self, message) -> None:
        if self._state is not None and (message.task, message.seed) != (self._state.task, self._state.seed):
            self._chunk, self._path, self._grounding = None, None, None
        self._state = message

    def grounding(self, message, arrival: float) -> None:
        boxes = [d for d in message.detections if d.kind != _POINT]
        points = [d for d in message.detections if d.kind == _POINT]
        ordered = [*boxes, *points]
        found = Grounding(
            phrase=message.phrase,
            boxes=tuple((d.box.x1, d.box.y1, d.box.x2, d.box.y2) for d in boxes),
            points=tuple((d.point.x, d.point.y) for d in points),
            labels=tuple(d.label for d in ordered),
            scores=tuple(float(d.score) for d in ordered),
            text=message.text,
            width=message.width,
            height=message.height,
        )
        self._grounding = (arrival, found)

    def moment(self, stamp: float, picture: np.ndarray) -> Moment:
        grounding = None
        if self._grounding is not None and abs(stamp - self._grounding[0]) < _GROUNDING_LIFE:
            grounding = self._grounding[1]
        gripper = self._embodiment.action.gripper_dims
        return Moment(
            stamp=stamp,
            picture=picture,
            task=self._state.task if self._state is not None else "",
            success=bool(self._state is not None and self._state.success),
            grounding=grounding,
            path=self._path,
            index=self._index if self._chunk is not None else 0,
            inference_s=self._chunk.inference_time if self._chunk is not None else None,
            openness=float(self._chunk.data[gripper[0]]) if self._chunk is not None else None,
        )
