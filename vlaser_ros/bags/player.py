"""The `replay` node: a bag's cameras and joint states on the topics of a live stack, with /clock.

The arm in the pictures moves as it was recorded, whatever the stack commands: it is judged by its chunks, not obeyed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock

from vlaser_core.errors import ConfigError
from vlaser_ros.bag_types import message_class
from vlaser_ros.bags.clock import clock_shift, shifted
from vlaser_ros.bags.reader import Bag, Record
from vlaser_ros.bags.sources import COMPRESSED, IMAGE, JOINTS, Sources, find_sources
from vlaser_ros.commands.settings import read_settings
from vlaser_ros.images import from_compressed, to_message
from vlaser_ros.parameters import declare

LOOP_GAP = 0.2  # s between the end of the bag and its next beginning
LATE = 0.1  # s behind the plan that is worth a warning
SPIN_UP = 0.5  # s for a subscriber that was just seen to be connected


class Replay(Node):
    """Plays in its own thread (`begin`); `finished` is set at the bag's end, `failed` when it cannot be read on."""

    def __init__(self) -> None:
        super().__init__("replay")
        self.bag_path = declare(self, "bag", "", "file or folder of the bag: MCAP, sqlite3 or ROS 1")
        self.rate = declare(self, "rate", 1.0, "recorded seconds a second", low=0.001, high=1000.0)
        self.start = declare(self, "start", 0.0, "s after the bag's begin to start at", low=0.0)
        self.loop = declare(self, "loop", False, "begin again at the end; time goes on, stamps are shifted from the second round on")
        self.contract = declare(self, "embodiment", "", "contract of the robot in the bag, by name or path; empty: the bag's own")
        self.image_topics = declare(self, "image_topics", [""], "where to publish, one a camera in the contract's order; empty: as recorded")
        self.sources_of = declare(self, "source_image_topics", [""], "camera:=topic in the bag, where the contract does not say; empty: by the contract")
        self.joint_source = declare(self, "source_joint_topic", "", "joint states in the bag; empty: by the contract. They are published on joint_states")
        self.clock = declare(self, "clock", True, "publish /clock and keep the recorded stamps; false: no /clock, stamps are shifted to the present")
        self.clock_rate = declare(self, "clock_rate", 100.0, "/clock messages a second, beside one before every message", low=1.0, high=1000.0)
        self.patience = declare(self, "wait", 120.0, "s to wait until somebody listens to every camera and to the joint states; 0: begin at once", low=0.0)
        if not self.bag_path:
            raise ConfigError("parameter 'bag' is empty: say what to play, e.g. -p bag:=runs/demo/demo.mcap")
        self.finished, self.failed, self._stop = threading.Event(), threading.Event(), threading.Event()
        self.published, self.position = 0, 0.0

    def begin(self) -> None:
        """Play until the end, or until `goodbye`. Raises InputError for a bag without what a robot needs."""
        from pathlib import Path

        with Bag(Path(self.bag_path)) as bag:
            mapped = read_settings([setting for setting in self.sources_of if setting])
            sources = find_sources(bag, self.contract, mapped, self.joint_source)
            if self.start >= bag.seconds:
                raise ConfigError(f"parameter 'start' is {self.start} s, the bag is {bag.seconds:.1f} s long")
            self._connect(bag, sources)
            self._shift = clock_shift(bag, next(iter(sources.images.values())))
            first = bag.start + round(self.start * 1e9)
            self._await_listeners(first - self._shift)
            offset, begun = 0, False
            while not self._stop.is_set() and (self.loop or not begun):
                begun = True
                self._play(bag.read(sources.topics, start=first), offset, first)
                offset += bag.end - first + round(LOOP_GAP * 1e9)
        self.get_logger().info(f"{'stopped' if self._stop.is_set() else 'end of the bag'} after {self.published} messages")
        self.finished.set()

    def _connect(self, bag: Bag, sources: Sources) -> None:
        """Publishers of the robot's topics, and whether the pictures of one have to be decoded for it."""
        wanted = [topic for topic in self.image_topics if topic] or list(sources.images.values())
        if len(wanted) != len(sources.images):
            raise ConfigError(f"image_topics has {len(wanted)} entries {wanted}, embodiment {sources.embodiment.name!r} has cameras {list(sources.images)}")
        self._outlets, self._decoded = {}, set()
        for (camera, topic), target in zip(sources.images.items(), wanted, strict=True):
            kind = bag.topics[topic].type
            compressed = target.endswith("/compressed")
            if compressed and kind == IMAGE:
                raise ConfigError(f"camera {camera!r} was recorded uncompressed on {topic!r}; publish it on a topic that does not end in /compressed, not on {target!r}")
            if kind == COMPRESSED and not compressed:
                self._decoded.add(topic)
            self._outlets[topic] = self.create_publisher(message_class(COMPRESSED if compressed else IMAGE), target, QoSProfile(depth=5))
            self.get_logger().info(f"camera {camera}: {topic} ({bag.topics[topic].count} messages) on {self.resolve_topic_name(target)}")
        self._outlets[sources.joints] = self.create_publisher(message_class(JOINTS), "joint_states", QoSProfile(depth=50))
        self._ticks = self.create_publisher(Clock, "/clock", QoSProfile(depth=10)) if self.clock else None
        self.get_logger().info(f"{bag.path}: {bag.seconds:.1f} s of {sources.embodiment.name} ({sources.embodied_by}), rate {self.rate}")

    def _await_listeners(self, begin: int) -> None:
        """Until everything has a subscriber; the clock stands at `begin` (ns) meanwhile."""
        deadline, told = time.monotonic() + self.patience, False
        while self.patience and not self._stop.is_set():
            self._tell_time(begin)
            deaf = [outlet.topic_name for outlet in self._outlets.values() if not outlet.get_subscription_count()]
            if not deaf:
                self._stop.wait(SPIN_UP)
                return
            if time.monotonic() > deadline:
                self.get_logger().warning(f"nobody listens to {deaf} after {self.patience:.0f} s; playing all the same")
                return
            if not told:
                self.get_logger().info(f"waiting for somebody to listen to {deaf}")
                told = True
            self._stop.wait(0.1)

    def _play(self, records: Iterator[Record], offset: int, first: int) -> None:
        """One round. offset: ns that were played in the rounds before."""
        began, present = time.monotonic(), self.get_clock().now().nanoseconds
        late = False
        for record in records:
            played = (record.time - first) * 1e-9 / self.rate  # s of wall clock after `began`
            self._sleep_until(began, played, first + offset - self._shift)
            if self._stop.is_set():
                return
            if time.monotonic() - began - played > LATE and not late:
                late = True
                self.get_logger().warning(f"{time.monotonic() - began - played:.2f} s behind rate {self.rate}: this machine cannot play the bag that fast")
            time_ns = record.time - self._shift
            if self.clock:
                self._tell_time(time_ns + offset)
                move = offset
            else:
                move = present + round(played * 1e9) - time_ns
            data = self._raw(record) if record.topic in self._decoded else record.data
            self._outlets[record.topic].publish(shifted(data, move))
            self.published += 1
            self.position = (record.time - first) * 1e-9 + self.start

    def _raw(self, record: Record) -> bytes:
        from rclpy.serialization import deserialize_message

        message = deserialize_message(record.data, message_class(record.type))
        return serialize_message(to_message(from_compressed(message), header=message.header))

    def _sleep_until(self, began: float, played: float, origin: int) -> None:
        """Until `played` s after `began`, telling the time meanwhile. origin: ns on the stamps' clock at `began`."""
        while (left := played - (time.monotonic() - began)) > 0:
            if self._stop.wait(min(left, 1 / self.clock_rate)):
                return
            passed = min(played, time.monotonic() - began)
            self._tell_time(origin + round(passed * self.rate * 1e9))

    def _tell_time(self, nanoseconds: int) -> None:
        if self._ticks is not None:
            self._ticks.publish(Clock(clock=Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)))

    def goodbye(self) -> None:
        self._stop.set()
