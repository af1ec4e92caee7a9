"""Every topic of the running stack into one MCAP file, live, as the bytes came. Definitions travel in the file.

    with Recorder(Path("demo.mcap"), domain_id=7) as recorder:
        ...
        recorder.write("/vlaser/demo/grounding", message)     # what only this process knows
"""

from __future__ import annotations

import importlib
import shutil
import threading
import time
from collections import Counter
from pathlib import Path

from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from vlaser_core.errors import InputError, VlaserError
from vlaser_ros.bag_types import BagTypes

DISCOVERY_PERIOD = 0.5  # s between two looks for new topics
QUEUE = 100  # messages a subscription may lag behind


def message_class(name: str) -> type | None:
    """The Python class of `package/msg/Name` or `package/action/Name_FeedbackMessage`; None when it is not installed."""
    package, kind, type_name = name.split("/")
    try:
        module = importlib.import_module(f"{package}.{kind}")
    except ModuleNotFoundError:
        return None
    if kind == "action" and type_name.endswith("_FeedbackMessage"):
        action = getattr(module, type_name.removesuffix("_FeedbackMessage"), None)
        return None if action is None else action.Impl.FeedbackMessage
    return getattr(module, type_name, None)


class RecordingFailed(VlaserError):
    """The recording stopped before it was asked to."""


class Recorder:
    """Subscribes to each topic that appears, with its publishers' own quality of service, and writes what it carries.

    file: the .mcap to make; it must not exist. counts: messages written, by topic. skipped: topics of a type nobody
    here knows. The file is complete once the recorder has been left, however that happens.
    """

    def __init__(self, file: Path, *, domain_id: int | None = None) -> None:
        if file.exists():
            raise InputError(f"{file} exists already; a recording is never overwritten")
        self.file = file
        self.counts: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self._types = BagTypes()
        self._domain_id = domain_id
        self._lock = threading.Lock()
        self._connections: dict = {}
        self._failure: Exception | None = None

    def __enter__(self) -> Recorder:
        import rclpy

        # rosbag2 keeps an MCAP in a folder with a metadata file; the MCAP alone is what a viewer opens.
        self._folder = self.file.with_suffix(".bag.part")
        if self._folder.exists():
            shutil.rmtree(self._folder)
        self._writer = Writer(self._folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        self._context = Context()
        rclpy.init(context=self._context, domain_id=self._domain_id, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node("vlaser_recorder", context=self._context, enable_rosout=False, start_parameter_services=False)
        self._node.create_timer(DISCOVERY_PERIOD, self._discover)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="vlaser_recorder", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(timeout_sec=2.0)
        self._thread.join(timeout=3.0)
        self._node.destroy_node()
        self._context.try_shutdown()
        with self._lock:
            writer, self._writer = self._writer, None
        writer.close()
        next(self._folder.glob("*.mcap")).replace(self.file)
        shutil.rmtree(self._folder)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return
        except Exception as error:  # told to whoever asks next: a recording that ends in silence would look whole
            self._failure = error

    def check(self) -> None:
        """Raise what ended the recording early, if anything did."""
        if self._failure is not None:
            raise RecordingFailed(f"recording {self.file.name} failed: {self._failure!r}") from self._failure

    def _discover(self) -> None:
        for topic, types in self._node.get_topic_names_and_types():
            if topic in self._connections or topic in self.skipped:
                continue
            publishers = self._node.get_publishers_info_by_topic(topic)
            if not publishers:
                continue
            kind = message_class(types[0])
            if kind is None or types[0] not in self._types:
                self.skipped[topic] = types[0]
                continue
            with self._lock:
                self._connect(topic, types[0])
            qos = QoSProfile(
                depth=QUEUE,
                reliability=ReliabilityPolicy.BEST_EFFORT
                if any(p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for p in publishers)
                else ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL
                if all(p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in publishers)
                else DurabilityPolicy.VOLATILE,
            )
            self._node.create_subscription(kind, topic, lambda data, topic=topic: self._write(topic, data), qos, raw=True)

    def _connect(self, topic: str, type_name: str) -> None:
        text, type_hash = self._types.definition(type_name)
        self._connections[topic] = self._writer.add_connection(topic, type_name, msgdef=text, rihs01=type_hash)

    def _write(self, topic: str, data: bytes) -> None:
        with self._lock:
            if self._writer is not None:
                self._writer.write(self._connections[topic], time.time_ns(), data)
                self.counts[topic] += 1

    def write(self, topic: str, message: object) -> None:
        """One message of this process. Raises ConfigError for a type of unknown definition, InputError once closed."""
        kind = type(message)
        name = f"{kind.__module__.split('.')[0]}/{kind.__module__.split('.')[1]}/{kind.__name__}"
        with self._lock:
            if self._writer is None:
                raise InputError("the recording is closed")
            if topic not in self._connections:
                self._connect(topic, name)
        self._write(topic, serialize_message(message))
