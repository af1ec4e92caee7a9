"""Topics of the running stack into MCAP, live, as the bytes came. Definitions and the robot's contract travel in the file.

    with Recorder(Path("demo.mcap"), contract=Contract.of("tabletop"), domain_id=7) as recorder:
        ...
        recorder.write("/vlaser/demo/grounding", message)     # what only this process knows

Two threads: one takes messages from DDS, one compresses and writes, so that a slow disk is not felt by the robot. What
is lost on the way is counted: by the publishers' sequence numbers before this process, by the full queue in it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from vlaser_core.errors import ConfigError, InputError, VlaserError
from vlaser_ros.bag_types import BagTypes, message_class
from vlaser_ros.bags.contract import CONTRACT_TOPIC, CONTRACT_TYPE, Contract
from vlaser_ros.bags.files import BagFiles, Channel
from vlaser_ros.bags.qos import LATCHED, listening_to, to_plain

DISCOVERY_PERIOD = 0.5  # s between two looks for new topics
QUEUE = 100  # messages a subscription may lag behind
WAITING_BYTES = 256 * 2**20  # that may wait for the disk
SILENCE = 1.0  # s without a message after which nothing is kept back
FLUSH = 30.0  # s to write what still waits when the recording ends


class RecordingFailed(VlaserError):
    """The recording stopped before it was asked to."""


@dataclass(frozen=True)
class TopicReport:
    """What became of one topic. rate: Hz over the time it was heard. lost: never reached this process. dropped: the disk was too slow."""

    topic: str
    type: str
    count: int
    rate: float
    lost: int
    dropped: int


class Recorder:
    """Subscribes to each topic that appears and is `wanted`, with its publishers' own quality of service.

    out: the .mcap to make (see BagFiles for split ones); it must not exist. contract: written first, into every file.
    counts: messages written, by topic. skipped: topics whose type nobody here knows. The file is complete once the
    recorder has been left, however that happens.
    """

    def __init__(
        self,
        out: Path,
        *,
        contract: Contract | None = None,
        wanted: Callable[[str], bool] = lambda topic: True,
        domain_id: int | None = None,
        compression: str = "zstd",
        split_bytes: int = 0,
        split_seconds: float = 0.0,
    ) -> None:
        self.files = BagFiles(out, compression=compression, split_bytes=split_bytes, split_seconds=split_seconds)
        self.counts: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self._wanted, self._contract, self._domain_id = wanted, contract, domain_id
        self._types = BagTypes()
        self._channels: dict[str, Channel] = {}
        self._subscriptions: dict[str, object] = {}
        self._spans: dict[str, tuple[int, int]] = {}
        self._numbers: dict[object, int] = {}
        self._lock = threading.Lock()
        self._open = False
        self._waiting: queue.SimpleQueue = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._failure: Exception | None = None

    def __enter__(self) -> Recorder:
        import rclpy

        if self._contract is not None:
            channel = self._channel(CONTRACT_TOPIC, CONTRACT_TYPE, (to_plain(LATCHED),))
            self.files.repeated.append((channel, self._types.encode(String(data=self._contract.to_yaml()))[1]))
        self.files.begin(time.time_ns())
        self._context = Context()
        rclpy.init(context=self._context, domain_id=self._domain_id, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("vlaser_recorder", context=self._context, enable_rosout=False, start_parameter_services=False)
        self._node.create_timer(DISCOVERY_PERIOD, self._discover)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._open = True
        self._threads = [threading.Thread(target=work, name="vlaser_recorder", daemon=True) for work in (self._spin, self._drain)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(timeout_sec=2.0)
        self._threads[0].join(timeout=3.0)
        with self._lock:
            self._open = False
            self._waiting.put(None)
        self._threads[1].join(timeout=FLUSH)
        if self._threads[1].is_alive():
            self._failure = self._failure or TimeoutError(f"the disk did not take the last messages within {FLUSH:.0f} s")
        self._node.destroy_node()
        self._context.try_shutdown()

    @property
    def failure(self) -> RecordingFailed | None:
        """What ended the recording early, if anything did."""
        if self._failure is None:
            return None
        failed = RecordingFailed(f"recording {self.files.out} ended early: {self._failure}; what was written until then can be read")
        failed.__cause__ = self._failure
        return failed

    def check(self) -> None:
        """Raise what ended the recording early, if anything did."""
        if (failed := self.failure) is not None:
            raise failed

    def write(self, topic: str, message: object) -> None:
        """One message of this process. Raises ConfigError for a type of unknown definition, InputError once closed."""
        name, data = self._types.encode(message)
        with self._lock:
            if not self._open:
                raise InputError("the recording is closed")
        if topic not in self._channels:
            self._channels[topic] = self._channel(topic, name, ())
        self._put(topic, data, time.time_ns())

    def report(self) -> list[TopicReport]:
        """Every topic that was listened to, by name."""
        rows = []
        for topic in sorted({*self._channels} | set(self.counts)):
            first, last = self._spans.get(topic, (0, 0))
            count = self.counts[topic]
            rate = (count - 1) / ((last - first) * 1e-9) if count > 1 and last > first else 0.0
            rows.append(TopicReport(topic, self._channels[topic].type, count, rate, self.lost[topic], self.dropped[topic]))
        return rows

    def _channel(self, topic: str, type_name: str, qos: tuple[dict, ...]) -> Channel:
        return Channel(topic, type_name, *self._types.definition(type_name), qos)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return
        except Exception as error:  # told to whoever asks next: a recording that ends in silence would look whole
            self._failure = error

    def _drain(self) -> None:
        """The writing thread: ends with the file."""
        try:
            while (item := self._next()) is not None:
                topic, data, received, published = item
                with self._lock:
                    self._waiting_bytes -= len(data)
                self.files.add(self._channels[topic], received, published, data)
                self.counts[topic] += 1
                self._spans[topic] = (self._spans.get(topic, (received, 0))[0], received)
        except Exception as error:
            self._failure = error
            with self._lock:
                self._open = False
        try:
            self.files.close()
        except Exception as error:
            self._failure = self._failure or error

    def _next(self) -> tuple | None:
        """What waits, None for the end. In silence everything goes to the disk."""
        try:
            return self._waiting.get(timeout=SILENCE)
        except queue.Empty:
            self.files.flush()
            return self._waiting.get()

    def _put(self, topic: str, data: bytes, published: int) -> None:
        with self._lock:
            if not self._open:
                return
            if self._waiting_bytes + len(data) > WAITING_BYTES:
                self.dropped[topic] += 1
                return
            self._waiting_bytes += len(data)
            # The time is taken here, in order, so that the file is in order too.
            self._waiting.put((topic, data, time.time_ns(), published))

    def _discover(self) -> None:
        for topic, types in self._node.get_topic_names_and_types():
            if topic in self.skipped or not self._wanted(topic):
                continue
            publishers = [publisher for publisher in self._node.get_publishers_info_by_topic(topic) if publisher.topic_type == types[0]]
            if publishers:
                self._listen(topic, types[0], [publisher.qos_profile for publisher in publishers])

    def _listen(self, topic: str, type_name: str, offered: list) -> None:
        qos = listening_to(offered, QUEUE)
        before = self._subscriptions.get(topic)
        # A publisher that came later may offer less than the first: listening stays possible to all of them.
        if before is not None and (before.qos_profile.reliability, before.qos_profile.durability) == (qos.reliability, qos.durability):
            return
        kind = message_class(type_name)
        try:
            if kind is None:
                raise ConfigError(f"{type_name} is not installed")
            if topic not in self._channels:
                self._channels[topic] = self._channel(topic, type_name, tuple(to_plain(profile) for profile in offered))
        except ConfigError:
            self.skipped[topic] = type_name
            return
        if before is not None:
            self._node.destroy_subscription(before)
        self._subscriptions[topic] = self._node.create_subscription(kind, topic, lambda data, info, topic=topic: self._take(topic, data, info), qos, raw=True)

    def _take(self, topic: str, data: bytes, info: dict) -> None:
        number, gid = info.get("publication_sequence_number"), info.get("publisher_gid")
        if number is not None and gid is not None:
            publisher = (topic, bytes(gid["data"]))
            before = self._numbers.get(publisher)
            if before is not None and number > before + 1:
                self.lost[topic] += number - before - 1
            self._numbers[publisher] = max(number, before or 0)
        self._put(topic, data, info.get("source_timestamp") or time.time_ns())
