"""What the robot sees and how it stands, at one instant: images of all cameras and the joints at their stamp."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

import numpy as np
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Header
from vlaser_msgs.msg import ResultCode

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.processing.proprio import proprio_from_joints
from vlaser_core.types import Observation
from vlaser_ros.diagnostics import Meter
from vlaser_ros.faults import Fault
from vlaser_ros.images import colour
from vlaser_ros.joint_history import JointHistory, JointsMismatch, JointsMissing
from vlaser_ros.messages import to_seconds

FRAMES_KEPT = 5
ASPECT_TOLERANCE = 0.02  # relative; a picture of another shape would be squeezed into what the model was trained on


class Interrupted(Exception):
    """The wait ended because its caller was asked to stop."""


@dataclass(frozen=True)
class View:
    """An observation with the headers of its images; stamp: s of the first camera's image, on the ROS clock."""

    observation: Observation
    headers: dict[str, Header]

    @property
    def stamp(self) -> float:
        return self.observation.stamp


class Views:
    """Keeps the newest frames and joint states, and joins them. Thread-safe.

    topics: one a camera, in the contract's order. now: the ROS clock in s. max_age: s. sync_tolerance: s between
    the cameras of one view.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        topics: list[str],
        joints: JointHistory,
        now: Callable[[], float],
        *,
        max_age: float,
        sync_tolerance: float = 0.05,
        joints_topic: str = "joint_states",
    ) -> None:
        self.embodiment, self.joints, self.max_age, self.sync_tolerance = embodiment, joints, max_age, sync_tolerance
        self.topics = dict(zip((camera.name for camera in embodiment.cameras), topics, strict=True))
        self.joints_topic = joints_topic
        self.image_meters = {name: Meter() for name in self.topics}
        self.joint_meter = Meter()
        self._now = now
        self._frames: dict[str, deque[Image | CompressedImage]] = {name: deque(maxlen=FRAMES_KEPT) for name in self.topics}
        self._changed = Condition()

    def on_image(self, camera: str, message: Image | CompressedImage) -> None:
        self.image_meters[camera].tick()
        with self._changed:
            self._frames[camera].append(message)
            self._changed.notify_all()

    def on_joints(self, message: JointState) -> None:
        if self.joints.add(to_seconds(message.header.stamp), message.name, message.position):
            self.joint_meter.tick()
        with self._changed:
            self._changed.notify_all()

    def wake(self) -> None:
        """Let waiting callers look at their `interrupted` again."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, after: float, timeout: float, interrupted: Callable[[], bool] = lambda: False) -> View:
        """The newest view with an image stamp later than `after` (s), not older than max_age.

        Raises Interrupted, or Fault telling which input is missing after `timeout` s beyond `after` and now.
        """
        deadline = time.monotonic() + timeout + max(0.0, after - self._now())
        while True:
            with self._changed:
                frames = self._candidate(after)
                if frames is None:
                    if interrupted():
                        raise Interrupted
                    if time.monotonic() >= deadline:
                        raise self._explain(after)
                    self._changed.wait(0.05)
                    continue
            return self._join(frames)

    def newest_image(self, camera: str) -> tuple[np.ndarray, Header]:
        """RGB uint8 (h, w, 3) and header of a camera's newest frame (first camera: empty name). Raises Fault."""
        name = camera or self.embodiment.cameras[0].name
        if name not in self._frames:
            raise Fault(ResultCode.BAD_GOAL, f"embodiment {self.embodiment.name!r} has no camera {name!r}; it has {list(self._frames)}")
        with self._changed:
            frame = self._frames[name][-1] if self._frames[name] else None
        if frame is None:
            raise Fault(ResultCode.NO_IMAGE, f"no image was received on {self.topics[name]!r} (camera {name!r}); does the camera driver run?")
        age = self._now() - to_seconds(frame.header.stamp)
        if age > self.max_age:
            raise Fault(ResultCode.STALE_OBSERVATION, f"the newest image on {self.topics[name]!r} is {age:.2f} s old, at most {self.max_age:.2f} s are allowed")
        return self._pixels(name, frame), frame.header

    def _candidate(self, after: float) -> dict[str, Image | CompressedImage] | None:
        first, *others = self._frames
        for frame in reversed(self._frames[first]):
            stamp = to_seconds(frame.header.stamp)
            if stamp <= after or self._now() - stamp > self.max_age:
                return None
            if not self.joints.covers(stamp):
                continue
            frames = {first: frame}
            for name in others:
                near = [other for other in self._frames[name] if abs(to_seconds(other.header.stamp) - stamp) <= self.sync_tolerance]
                if near:
                    frames[name] = min(near, key=lambda other: abs(to_seconds(other.header.stamp) - stamp))
            if len(frames) == len(self._frames):
                return frames
        return None

    def _join(self, frames: dict[str, Image | CompressedImage]) -> View:
        images = {name: self._pixels(name, frame) for name, frame in frames.items()}
        stamp = to_seconds(next(iter(frames.values())).header.stamp)
        try:
            joints, openness = self.joints.at(stamp)
            proprio = proprio_from_joints(self.embodiment, joints, np.clip(openness, 0.0, 1.0))
        except JointsMismatch as error:
            raise Fault(ResultCode.JOINTS_MISMATCH, f"on {self.joints_topic!r}: {error}") from error
        except InputError as error:
            raise Fault(ResultCode.NO_JOINT_STATES, f"on {self.joints_topic!r}: {error}") from error
        return View(Observation(images, proprio, stamp), {name: frame.header for name, frame in frames.items()})

    def _pixels(self, name: str, frame: Image | CompressedImage) -> np.ndarray:
        camera = self.embodiment.camera(name)
        try:
            pixels = colour(frame)
        except InputError as error:
            raise Fault(ResultCode.BAD_CAMERA_IMAGE, f"on {self.topics[name]!r}: {error}") from error
        height, width = pixels.shape[:2]
        if abs(width * camera.height / (height * camera.width) - 1.0) > ASPECT_TOLERANCE:
            raise Fault(
                ResultCode.BAD_CAMERA_IMAGE,
                f"on {self.topics[name]!r}: image is {width}×{height} pixels, camera {name!r} of the contract has the shape {camera.width}×{camera.height}",
            )
        return pixels

    def _explain(self, after: float) -> Fault:
        """Why there is still no view; called with the lock held."""
        for name, frames in self._frames.items():
            if not frames:
                return Fault(ResultCode.NO_IMAGE, f"no image was received on {self.topics[name]!r} (camera {name!r}); does the camera driver run?")
        first = next(iter(self._frames))
        newest = to_seconds(self._frames[first][-1].header.stamp)
        age = self._now() - newest
        if newest <= after or age > self.max_age:
            return Fault(
                ResultCode.STALE_OBSERVATION,
                f"no new image on {self.topics[first]!r}: the newest is {age:.2f} s old, at most {self.max_age:.2f} s are allowed",
            )
        try:
            self.joints.at(newest)
        except JointsMismatch as error:
            return Fault(ResultCode.JOINTS_MISMATCH, f"on {self.joints_topic!r}: {error}")
        except JointsMissing as error:
            return Fault(ResultCode.NO_JOINT_STATES, f"on {self.joints_topic!r}: {error}")
        return Fault(
            ResultCode.STALE_OBSERVATION,
            f"images of {list(self.topics.values())} and joint states on {self.joints_topic!r} never came within {self.sync_tolerance:.3f} s of each other",
        )
