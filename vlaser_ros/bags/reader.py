"""Any bag as a stream of messages: MCAP or sqlite3 files, rosbag2 folders (also without metadata.yaml), ROS 1 bags.

    with Bag(Path("episode.mcap")) as bag:
        for record in bag.read({"/joint_states"}):
            message = bag.decode(record)          # a message of rclpy's classes, as a subscriber would get it

Bytes leave as CDR, whatever they came as, so what is built from a bag is built from the same messages as live.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader

from vlaser_core.errors import InputError
from vlaser_ros.bag_types import BagTypes, message_class

STORAGE = (".mcap", ".db3", ".bag")


@dataclass(frozen=True)
class Topic:
    """What a bag holds on one name. type: e.g. `sensor_msgs/msg/Image`. count: messages."""

    name: str
    type: str
    count: int


@dataclass(frozen=True)
class Record:
    """One message. time: ns, when the recorder received it. data: CDR bytes."""

    topic: str
    type: str
    time: int
    data: bytes


def bag_files(path: Path) -> list[Path]:
    """What to open for `path`: itself, or the storage files of a folder that has no metadata.yaml. Raises InputError."""
    if not path.exists():
        raise InputError(f"there is no bag at {path}")
    if path.is_file():
        if path.suffix not in STORAGE:
            raise InputError(f"{path} is not a bag that can be read; expected a folder of rosbag2, or a file ending in {', '.join(STORAGE)}")
        return [path]
    if (path / "metadata.yaml").is_file():
        return [path]
    for suffix in STORAGE:
        if found := sorted(path.glob(f"*{suffix}")):
            return found
    raise InputError(f"{path} holds neither metadata.yaml nor a file ending in {', '.join(STORAGE)}; is it a bag?")


class Bag:
    """A bag as a context manager. topics: by name, known once entered; start, end: ns, of its first and last message."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = bag_files(path)
        self._types = BagTypes()
        self.topics: dict[str, Topic] = {}
        self._same: dict[str, bool] = {}
        self._at: int | None = None

    def __enter__(self) -> Bag:
        with self._told("cannot be opened"):
            self._reader = AnyReader(self._files, default_typestore=self._types.store)
            self._reader.open()
        for connection in self._reader.connections:
            before = self.topics.get(connection.topic)
            if before is not None and before.type != connection.msgtype:
                self._reader.close()
                raise InputError(f"{self.path}: topic {connection.topic!r} has two types, {before.type} and {connection.msgtype}")
            count = connection.msgcount + (before.count if before else 0)
            self.topics[connection.topic] = Topic(connection.topic, connection.msgtype, count)
        if not any(topic.count for topic in self.topics.values()):
            self._reader.close()
            raise InputError(f"{self.path} holds no messages")
        self.start, self.end = self._reader.start_time, self._reader.end_time - 1
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def seconds(self) -> float:
        """Length in s."""
        return (self.end - self.start) * 1e-9

    def named(self, *types: str) -> list[Topic]:
        """Topics of these types that hold messages, by name."""
        return sorted((topic for topic in self.topics.values() if topic.type in types and topic.count), key=lambda topic: topic.name)

    def need(self, name: str, *types: str) -> Topic:
        """The topic of that name. Raises InputError, telling what the bag has, when it is absent, empty or of another type."""
        topic = self.topics.get(name)
        if topic is not None and topic.count and (not types or topic.type in types):
            return topic
        what = "is not in the bag" if topic is None else "holds no messages" if not topic.count else f"is of type {topic.type}, expected {' or '.join(types)}"
        alike = self.named(*types) if types else sorted(self.topics.values(), key=lambda each: each.name)
        has = ", ".join(f"{each.name} ({each.count} × {each.type})" for each in alike) or f"nothing of {' or '.join(types)}"
        raise InputError(f"{self.path}: topic {name!r} {what}; it has {has}")

    def read(self, topics: Collection[str], start: int | None = None) -> Iterator[Record]:
        """Messages of these topics in the order they were recorded, from `start` (ns) on. Raises InputError where the file is damaged."""
        connections = [connection for connection in self._reader.connections if connection.topic in topics]
        if not connections:
            return
        with self._told("is damaged"):
            for connection, time, data in self._reader.messages(connections, start=start):
                self._at = time
                if not self._reader.is2:
                    # ROS 2's own definition where there is one: ROS 1's header has a field more.
                    store = self._types.store if connection.msgtype in self._types else self._reader.typestore
                    data = store.ros1_to_cdr(data, connection.msgtype)
                yield Record(connection.topic, connection.msgtype, time, bytes(data))

    def decode(self, record: Record):
        """The message: of rclpy's class where the bag's definition is the installed one, else as the bag defines it.

        Raises InputError naming the topic when the bytes are not such a message.
        """
        try:
            kind = message_class(record.type)
            if kind is not None and self._defined_alike(record.type):
                return deserialize_message(record.data, kind)
            return self._reader.typestore.deserialize_cdr(record.data, record.type)
        except Exception as error:  # whatever foreign bytes make a decoder raise; the user needs file and topic
            reason = "the bag has no definition of this type" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{self.path}: a message on {record.topic!r} is no {record.type}: {reason}") from error

    def _defined_alike(self, name: str) -> bool:
        """Whether the bag's definition of a type is ours; ROS 1 bags left their definitions when they became CDR."""
        if name not in self._same:
            store = self._reader.typestore
            known = name in self._types and name in store.fielddefs
            self._same[name] = not self._reader.is2 or not known or store.hash_rihs01(name) == self._types.store.hash_rihs01(name)
        return self._same[name]

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (InputError, GeneratorExit):
            raise
        except Exception as error:  # a damaged file makes readers raise anything: struct, zstd, sqlite, YAML …
            place = f" after {(self._at - self.start) * 1e-9:.1f} s of messages" if self._at is not None else ""
            mend = "; `vlaser bag repair` keeps what can be read" if any(file.suffix == ".mcap" or file.is_dir() for file in self._files) else ""
            reason = str(error) or type(error).__name__
            raise InputError(f"{self.path} {what}{place}: {reason.removesuffix('.')}{mend}") from error
