"""A robot whose faults can be chosen: camera, joint states and arm in a thread of the benchmark's own process.

An ideal arm: it is where it is told to be. Each fault is a switch that takes effect with the next message.
"""

from __future__ import annotations

import array
import threading
import time
from collections import deque
from collections.abc import Callable
from copy import deepcopy

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_ros.bringup import Topics
from vlaser_ros.drivers.trajectory_message import read_trajectory
from vlaser_ros.messages import to_time
from vlaser_ros.publishing import publish_or_tell
from vlaser_ros.trajectory import TrajectoryPlayer

WIDTH, HEIGHT = 640, 480
TICK_HZ = 60  # joint states a second; every second one has a picture of the same stamp


class FaultyRobot:
    """Publishes 640×480 pictures at 30 Hz and joint states at 60 Hz, and obeys joint trajectories.

    camera, joints: whether they publish. lag: s that both arrive late, their stamps untouched. obeys: whether the arm
    moves; stuck: joint index that does not. simulated: the robot's clock is published on /clock and can be set.
    """

    def __init__(self, node: Node, embodiment: Embodiment, topics: Topics, *, simulated: bool = False) -> None:
        self._node, self.embodiment = node, embodiment
        self.names = (*embodiment.joint_names, *(arm.gripper.joint for arm in embodiment.arms))
        self.simulated, self.clock_offset = simulated, 0.0
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self.clear()
        self.home()
        reliable = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
        self._images = [node.create_publisher(Image, topic, reliable) for topic in topics.images]
        self._joint_states = node.create_publisher(JointState, topics.joint_states, 20)
        self._clock = node.create_publisher(Clock, "/clock", 10) if simulated else None
        node.create_subscription(JointTrajectory, topics.trajectory, self._on_trajectory, 10)
        self._pictures = [self._picture(camera.frame_id) for camera in embodiment.cameras]
        # One for all: made anew at each tick it would come later than a driver's, and the picture waits for it.
        self._state = JointState(header=Header(frame_id=embodiment.base_frame), name=list(self.names))
        self._late: deque[tuple[float, Callable[[], object]]] = deque()
        self._thread = threading.Thread(target=self._run, name="robot", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=2.0)

    def clear(self) -> None:
        """No faults."""
        self.camera = self.joints = self.obeys = True
        self.lag, self.stuck = 0.0, None

    def home(self) -> None:
        """The arm at its contract's home, at once, as after a scene's reset."""
        with self._lock:
            fingers = [arm.gripper.position(1.0) for arm in self.embodiment.arms]
            self._place = np.array([angle for arm in self.embodiment.arms for angle in arm.home] + fingers)
            self._player = TrajectoryPlayer()
            self.refused = 0

    @property
    def place(self) -> np.ndarray:
        """Joints and fingers (n + G,) now."""
        with self._lock:
            return self._place.copy()

    def now(self) -> float:
        """The robot's clock, s."""
        return time.time() + self.clock_offset

    def set_clock(self, seconds: float) -> None:
        """Let the clock jump by so much."""
        with self._lock:
            self.clock_offset += seconds
            # By its own steady time the arm ends what it does; only stamps come from the clock that was set.
            self._player.clear()

    def _on_trajectory(self, message: JointTrajectory) -> None:
        now = self.now()
        try:
            times, positions = read_trajectory(message, self.names, now)
        except InputError:
            self.refused += 1
            return
        with self._lock:
            if self.obeys and len(times):
                self._player.splice(times, positions, now, self._place)

    @staticmethod
    def _picture(frame: str) -> Image:
        noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        message = Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH, data=array.array("B", noise.tobytes()))
        message.header.frame_id = frame
        return message

    def _run(self) -> None:
        begin, tick = time.monotonic(), 0
        while not self._stopping.is_set():
            due = begin + tick / TICK_HZ
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            elif wait < -1.0:  # the computer stood still: no burst afterwards
                begin, tick = time.monotonic(), 0
            self._tick(tick % 2 == 0)
            tick += 1

    def _tick(self, with_picture: bool) -> None:
        stamp = self.now()
        if self._clock is not None:
            self._clock.publish(Clock(clock=to_time(stamp)))
        with self._lock:
            if self._player.active:
                told = self._player.sample(stamp)
                if self.stuck is not None:
                    told[self.stuck] = self._place[self.stuck]
                self._place = told
            place = self._place.tolist()
        late = self.lag > 0.0 or bool(self._late)
        # The picture first: what it takes to send another message would count as its age.
        if with_picture and self.camera:
            top = to_time(stamp)
            self._send(lambda: self._look(top), late)
        if self.joints:
            state = deepcopy(self._state) if late else self._state
            state.header.stamp, state.position = to_time(stamp), place
            self._send(lambda: publish_or_tell(self._node, self._joint_states, state), late)
        while self._late and self._late[0][0] <= time.monotonic():
            self._late.popleft()[1]()

    def _look(self, stamp) -> None:
        for publisher, picture in zip(self._images, self._pictures, strict=True):
            picture.header.stamp = stamp
            publish_or_tell(self._node, publisher, picture)

    def _send(self, publish: Callable[[], object], late: bool) -> None:
        if late:
            self._late.append((time.monotonic() + self.lag, publish))
        else:
            publish()
