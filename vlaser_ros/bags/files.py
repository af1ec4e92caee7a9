"""MCAP files as rosbag2 lays them out: one file, or a folder of numbered files and metadata.yaml.

Whatever goes wrong while writing, the file on disk holds whole records only: a write that fails half-way is undone, and
the file gets a proper end without an index. After `kill -9` there is no end; `repair` makes one.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml
from mcap.writer import CompressionType, Writer

from vlaser_core.errors import InputError

CHUNK = 4 * 2**20  # bytes of messages that are compressed together at most: pictures of one scene are much alike
FLUSH = 10**9  # ns of messages that are kept back at most, and lost when the process is killed
COMPRESSION = {"zstd": CompressionType.ZSTD, "lz4": CompressionType.LZ4, "none": CompressionType.NONE}
_MAGIC, _DATA_END = b"\x89MCAP0\r\n", 0x0F
_BARE_END = struct.pack("<BQI", _DATA_END, 4, 0) + struct.pack("<BQQQI", 0x02, 20, 0, 0, 0) + _MAGIC


@dataclass(frozen=True)
class Channel:
    """What is written on one topic. definition: text with everything it refers to. hash: RIHS01. qos: as rosbag2's YAML."""

    topic: str
    type: str
    definition: str
    hash: str
    qos: tuple[dict, ...] = ()


class _Whole:
    """A file that takes each write completely or not at all."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "xb", buffering=0)
        self.size = 0
        self._data_end: int | None = None

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(self.size)
            self._file.seek(self.size)
            raise
        if len(data) and data[0] == _DATA_END:
            self._data_end = self.size
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Nothing is held back."""

    def end_bare(self) -> None:
        """The shortest legal end, without an index, after the last whole record."""
        self.size = self._data_end if self._data_end is not None else self.size
        self._file.truncate(self.size)
        self._file.seek(self.size)
        self.write(_BARE_END)

    def close(self) -> None:
        self._file.close()


class McapFile:
    """One MCAP. counts: messages by topic. first, last: ns, of its messages."""

    def __init__(self, path: Path, compression: str = "zstd", chunk: int = CHUNK) -> None:
        self.path, self.counts = path, Counter()
        self.first, self.last, self._flushed = 0, 0, 0
        self.broken = False
        self._stream = _Whole(path)
        self._writer = Writer(self._stream, chunk_size=chunk, compression=COMPRESSION[compression])
        self._writer.start(profile="ros2", library="vlaser_ros")
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._stream.size

    def add(self, channel: Channel, received: int, published: int, data: bytes) -> None:
        """One message; times in ns. Raises OSError when the disk takes no more; `close` is all that may follow."""
        try:
            if channel.topic not in self._channels:
                self._register(channel)
            self._writer.add_message(self._channels[channel.topic], received, data, published, self.counts[channel.topic])
            if received - self._flushed > FLUSH:
                self._writer.flush()
                self._flushed = received
        except OSError:
            self.broken = True
            raise
        self.first = min(self.first, received) if self.first else received
        self.last = max(self.last, received)
        self.counts[channel.topic] += 1

    def flush(self) -> None:
        """Everything to the disk. Raises OSError as `add` does."""
        try:
            self._writer.flush()
        except OSError:
            self.broken = True
            raise

    def _register(self, channel: Channel) -> None:
        if channel.type not in self._schemas:
            self._schemas[channel.type] = self._writer.register_schema(channel.type, "ros2msg", channel.definition.encode())
        metadata = {"offered_qos_profiles": yaml.safe_dump(list(channel.qos), sort_keys=False), "topic_type_hash": channel.hash}
        self._channels[channel.topic] = self._writer.register_channel(channel.topic, "cdr", self._schemas[channel.type], metadata)

    def close(self) -> bool:
        """End the file; False when there was no room for its index: it can be read, more slowly. Raises OSError."""
        try:
            if not self.broken:
                self._writer.finish()
        except OSError:
            self.broken = True
        try:
            if self.broken:
                self._stream.end_bare()
        finally:
            self._stream.close()
        return not self.broken


class BagFiles:
    """Where a recording goes. out: a name ending in .mcap is one file; with a limit on a file's size or length it is the
    folder of that name without the ending, with numbered files. repeated: what each file begins with.

    Raises InputError when something is there already.
    """

    def __init__(self, out: Path, *, compression: str = "zstd", split_bytes: int = 0, split_seconds: float = 0.0, chunk: int = CHUNK) -> None:
        if compression not in COMPRESSION:
            raise InputError(f"unknown compression {compression!r}; known: {', '.join(COMPRESSION)}")
        self.split_bytes, self.split_seconds, self._compression, self._chunk = split_bytes, split_seconds, compression, chunk
        self.split = bool(split_bytes or split_seconds)
        self.out = out.with_suffix("") if self.split and out.suffix == ".mcap" else out
        if not self.split and out.suffix != ".mcap":
            raise InputError(f"a recording is called something.mcap, got {out.name!r}")
        if self.out.exists():
            raise InputError(f"{self.out} exists already; a recording is never overwritten")
        self.closed: list[McapFile] = []
        self.channels: dict[str, Channel] = {}
        self.repeated: list[tuple[Channel, bytes]] = []
        self._file: McapFile | None = None
        self.whole = True

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self.closed) + (self._file.size if self._file else 0)

    @property
    def counts(self) -> Counter[str]:
        return sum((file.counts for file in [*self.closed, *filter(None, [self._file])]), Counter())

    def begin(self, now: int) -> None:
        """Open the first file already; now: ns. Raises InputError when it cannot be made there."""
        try:
            self._begin_file(now)
        except OSError as error:
            raise InputError(f"cannot record to {self.out}: {error.strerror or error}") from error

    def add(self, channel: Channel, received: int, published: int, data: bytes) -> None:
        """One message; times in ns. Raises OSError."""
        if self._file is not None and self._is_full(self._file, received):
            self._close_file()
        if self._file is None:
            self._begin_file(received)
        self.channels.setdefault(channel.topic, channel)
        self._file.add(channel, received, published, data)

    def flush(self) -> None:
        """Everything to the disk. Raises OSError."""
        if self._file is not None:
            self._file.flush()

    def _is_full(self, file: McapFile, now: int) -> bool:
        too_long = self.split_seconds and file.counts and now - file.first > self.split_seconds * 1e9
        return bool(too_long or (self.split_bytes and file.size >= self.split_bytes))

    def _begin_file(self, now: int) -> None:
        (self.out if self.split else self.out.parent).mkdir(parents=True, exist_ok=True)
        path = self.out / f"{self.out.name}_{len(self.closed)}.mcap" if self.split else self.out
        self._file = McapFile(path, self._compression, self._chunk)
        for channel, data in self.repeated:
            self.channels.setdefault(channel.topic, channel)
            self._file.add(channel, now, now, data)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        self.closed.append(file)
        self.whole &= file.close()

    def close(self) -> None:
        """End the file, and write metadata.yaml beside split ones. Raises OSError. `whole` then says whether every index is there."""
        if self._file is not None:
            self._close_file()
        if self.split and self.closed:
            text = yaml.safe_dump({"rosbag2_bagfile_information": self._metadata()}, sort_keys=False)
            temporary = self.out / "metadata.yaml.part"
            temporary.write_text(text, encoding="utf-8")
            os.replace(temporary, self.out / "metadata.yaml")

    def _metadata(self) -> dict:
        """rosbag2's metadata, version 9."""
        files = [file for file in self.closed if file.counts]
        start, end = min((file.first for file in files), default=0), max((file.last for file in files), default=0)
        counts = self.counts
        topics = [
            {
                "topic_metadata": {
                    "name": channel.topic,
                    "type": channel.type,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": list(channel.qos),
                    "type_description_hash": channel.hash,
                },
                "message_count": counts[channel.topic],
            }
            for channel in self.channels.values()
        ]
        return {
            "version": 9,
            "storage_identifier": "mcap",
            "duration": {"nanoseconds": end - start},
            "starting_time": {"nanoseconds_since_epoch": start},
            "message_count": sum(counts.values()),
            "topics_with_message_count": topics,
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [file.path.name for file in self.closed],
            "files": [
                {
                    "path": file.path.name,
                    "starting_time": {"nanoseconds_since_epoch": file.first},
                    "duration": {"nanoseconds": file.last - file.first},
                    "message_count": sum(file.counts.values()),
                }
                for file in self.closed
            ],
            "custom_data": None,
            "ros_distro": "kilted",
        }
