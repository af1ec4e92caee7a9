"""What the robot sees and how it stands, at one instant: images of all cameras and the joints at their stamp."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from vlaser_msgs.msg import ResultCode

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.kinematics import Kinematics
from vlaser_core.types import Observation
from vlaser_ros.diagnostics import Meter
from vlaser_ros.faults import Fault
from vlaser_ros.images import AnyCompressed, AnyImage, colour
from vlaser_ros.joint_history import JointHistory, JointsMismatch, JointsMissing
from vlaser_ros.messages import to_seconds
from vlaser_ros.server.interrupt import Interrupted

__all__ = ["Interrupted", "View", "Views"]

FRAMES_KEPT = 16  # a camera: half a second at 30 Hz, so that a slow camera beside a fast one still finds its partner
FUTURE = 0.1  # s a stamp may lie ahead of this computer's clock; what is acceptable within that is the gate's to judge
ASPECT_TOLERANCE = 0.02  # relative; a picture of another shape would be squeezed into what the model was trained on
Frame = tuple[float, AnyImage | AnyCompressed]  # s, of its stamp
CLOCKS = "are the computers' clocks synchronised, and is use_sim_time the same everywhere?"


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

    topics: one a camera, in the contract's order. now: the ROS clock in s. max_age: s, may be changed at any time.
    sync_tolerance: s between the first camera and each other one of a view. clock: s, for rates and ages of messages.
    discovery: s from now on in which who has sent nothing yet may still have to be discovered, and is waited for.
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
        clock: Callable[[], float] = time.monotonic,
        discovery: float = 0.0,
    ) -> None:
        self.embodiment, self.joints, self.max_age, self.sync_tolerance = embodiment, joints, max_age, sync_tolerance
        self.topics = dict(zip((camera.name for camera in embodiment.cameras), topics, strict=True))
        self.joints_topic = joints_topic
        self.image_meters = {name: Meter(clock=clock) for name in self.topics}
        self.joint_meter = Meter(clock=clock)
        self.hints: dict[str, str] = {}
        self._now = now
        self._joints_ahead = 0.0
        self._kinematics = Kinematics(embodiment.arms[0])
        self._frames: dict[str, deque[Frame]] = {name: deque(maxlen=FRAMES_KEPT) for name in self.topics}
        self._changed = Condition()
        self._discovered = time.monotonic() + discovery

    def on_image(self, camera: str, message: AnyImage | AnyCompressed) -> None:
        self.image_meters[camera].tick()
        frame = (to_seconds(message.header.stamp), message)
        with self._changed:
            self._frames[camera].append(frame)
            self._changed.notify_all()

    def on_joints(self, message: JointState) -> None:
        stamp = to_seconds(message.header.stamp)
        ahead = stamp - self._now()
        # One sample of another clock would make every later one look older than the newest, and so be ignored.
        self._joints_ahead = ahead if ahead > FUTURE else 0.0
        if not self._joints_ahead and self.joints.add(stamp, message.name, message.position):
            self.joint_meter.tick()
        with self._changed:
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget all pictures and joint states: they were stamped by another clock."""
        with self._changed:
            for frames in self._frames.values():
                frames.clear()
            self.joints.clear()
            for meter in (*self.image_meters.values(), self.joint_meter):
                meter.clear()
            self._changed.notify_all()

    def wake(self) -> None:
        """Let waiting callers look at their `interrupted` again."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, after: float, timeout: float, interrupted: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic) -> View:
        """The newest view all of whose images are stamped later than `after` (s) and none is older than max_age.

        Raises Interrupted, or Fault telling which input is missing after `timeout` s of `clock` beyond `after` and now, or later
        while it may yet be discovered.
        """
        deadline = clock() + timeout + max(0.0, after - self._now())
        while True:
            with self._changed:
                frames = self._candidate(after)
                if frames is None:
                    if interrupted():
                        raise Interrupted
                    if clock() >= deadline and not self._undiscovered(self.joints.newest_stamp() is None or not all(self._frames.values())):
                        raise self._explain(after)
                    self._changed.wait(0.05)
                    continue
            return self._join(frames)

    def newest_image(self, camera: str, timeout: float = 0.0, clock: Callable[[], float] = time.monotonic) -> tuple[np.ndarray, Header]:
        """RGB uint8 (h, w, 3) and header of a camera's newest frame (first camera: empty name), no older than max_age.

        Raises Fault telling why there is none after `timeout` s of `clock`, or later while it may yet be discovered.
        """
        name = camera or self.embodiment.cameras[0].name
        if name not in self._frames:
            raise Fault(ResultCode.BAD_GOAL, f"embodiment {self.embodiment.name!r} has no camera {name!r}; it has {list(self._frames)}")
        deadline = clock() + timeout
        while True:
            with self._changed:
                stamp, frame = self._frames[name][-1] if self._frames[name] else (-np.inf, None)
                age = self._now() - stamp
                if not -FUTURE <= age <= self.max_age:
                    if clock() < deadline or self._undiscovered(frame is None):
                        self._changed.wait(0.05)
                        continue
                    if frame is None:
                        raise self._no_image(name)
                    raise Fault(ResultCode.STALE_OBSERVATION, f"the newest image on {self.topics[name]!r} {self._untimely(age)}")
            return self._pixels(name, frame), frame.header

    def _undiscovered(self, silent: bool) -> bool:
        """Whether somebody who has sent nothing may yet be discovered."""
        return silent and time.monotonic() < self._discovered

    def lag(self, camera: str) -> float:
        """s that a camera's newest stamp is behind the newest of all cameras; infinite before its first image."""
        with self._changed:
            stamps = {name: frames[-1][0] for name, frames in self._frames.items() if frames}
        return max(stamps.values()) - stamps[camera] if camera in stamps else float("inf")

    def _usable(self, camera: str, after: float) -> list[Frame]:
        """Frames of a camera that a view may be made of, newest first."""
        now = self._now()
        return [frame for frame in reversed(self._frames[camera]) if frame[0] > after and -FUTURE <= now - frame[0] <= self.max_age]

    def _candidate(self, after: float) -> dict[str, Frame] | None:
        """The newest complete set: to a frame of the first camera, the nearest of each other within the tolerance."""
        first, *others = self._frames
        partners = {name: self._usable(name, after) for name in others}
        for frame in self._usable(first, after):
            stamp = frame[0]
            if not self.joints.covers(stamp):
                continue
            frames = {first: frame}
            for name, usable in partners.items():
                nearest = min(usable, key=lambda other: abs(other[0] - stamp), default=None)
                if nearest is not None and abs(nearest[0] - stamp) <= self.sync_tolerance:
                    frames[name] = nearest
            if len(frames) == len(self._frames):
                return frames
        return None

    def _join(self, frames: dict[str, Frame]) -> View:
        images = {name: self._pixels(name, frame) for name, (_, frame) in frames.items()}
        stamp = next(iter(frames.values()))[0]
        try:
            proprio = self.joints.proprio(stamp, self._kinematics)
        except JointsMismatch as error:
            raise Fault(ResultCode.JOINTS_MISMATCH, f"on {self.joints_topic!r}: {error}") from error
        except InputError as error:
            raise Fault(ResultCode.NO_JOINT_STATES, f"on {self.joints_topic!r}: {error}") from error
        return View(Observation(images, proprio, stamp), {name: frame.header for name, (_, frame) in frames.items()})

    def _pixels(self, name: str, frame: AnyImage | AnyCompressed) -> np.ndarray:
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

    def _no_image(self, name: str) -> Fault:
        hint = self.hints.get(name, "does the camera driver run?")
        return Fault(ResultCode.NO_IMAGE, f"no image was received on {self.topics[name]!r} (camera {name!r}); {hint}")

    def _untimely(self, age: float) -> str:
        if age < -FUTURE:
            return f"is stamped {-age:.2f} s in the future; {CLOCKS}"
        words = f"is {age:.2f} s old, at most {self.max_age:.2f} s are allowed"
        return f"{words}; {CLOCKS}" if age > 1e6 else words

    def _explain(self, after: float) -> Fault:
        """Why there is still no view, the camera that is worst first; called with the lock held."""
        for name, frames in self._frames.items():
            if not frames:
                return self._no_image(name)
        newest = {name: frames[-1][0] for name, frames in self._frames.items()}
        now = self._now()
        late = min(newest, key=newest.__getitem__)
        for name in (late, *newest):
            age = now - newest[name]
            if newest[name] <= after or not -FUTURE <= age <= self.max_age:
                return Fault(ResultCode.STALE_OBSERVATION, f"no new image on {self.topics[name]!r} (camera {name!r}): the newest {self._untimely(age)}")
        first = next(iter(newest))
        if self._joints_ahead:
            return Fault(ResultCode.NO_JOINT_STATES, f"joint states on {self.joints_topic!r} are stamped {self._joints_ahead:.2f} s in the future; {CLOCKS}")
        try:
            self.joints.at(newest[first])
        except JointsMismatch as error:
            return Fault(ResultCode.JOINTS_MISMATCH, f"on {self.joints_topic!r}: {error}")
        except JointsMissing as error:
            return Fault(ResultCode.NO_JOINT_STATES, f"on {self.joints_topic!r}: {error}")
        gaps = {name: abs(stamp - newest[first]) for name, stamp in newest.items()}
        worst = max(gaps, key=gaps.__getitem__)
        if gaps[worst] > self.sync_tolerance:
            words = f"camera {worst!r} on {self.topics[worst]!r} and camera {first!r} on {self.topics[first]!r} are {gaps[worst]:.3f} s apart"
            return Fault(ResultCode.STALE_OBSERVATION, f"{words}; a view takes pictures within {self.sync_tolerance:.3f} s of each other")
        newest_joints = self.joints.newest_stamp()
        behind = newest[first] - newest_joints if newest_joints is not None else np.inf
        return Fault(ResultCode.NO_JOINT_STATES, f"joint states on {self.joints_topic!r} stay {behind:.3f} s behind the images on {self.topics[first]!r}")
