"""TFRecord files and the `tf.train.Example` messages in them, without TensorFlow.

A record is: length (uint64), masked CRC-32C of the length, the bytes, masked CRC-32C of the bytes; little endian.
An Example is a map from names to lists of bytes, floats or integers in protobuf's wire format.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from pathlib import Path

import google_crc32c
import numpy as np

from vlaser_core.data.damaged import Damaged

_MASK = 0xA282EAD8
_LARGEST = 1 << 31  # no episode is that long: a length beyond it is noise


def masked_crc(data: bytes) -> int:
    """The checksum of a record's part, rotated and shifted as TFRecord stores it."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def write_record(data: bytes) -> bytes:
    """One record as it stands in a file."""
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc(head)) + data + struct.pack("<I", masked_crc(data))


def read_records(path: Path, only: Collection[int] | None = None) -> Iterator[bytes | Damaged | None]:
    """Records of a file, one in memory at a time; a record whose checksum is wrong comes as a Damaged. only: numbers of the
    wanted ones; each other is passed over unread and comes as None.

    After a wrong length nothing more can be found: the last item is then the Damaged that says so.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        number = 0
        while head := file.read(12):
            where = f"{path.name} record {number}"
            if len(head) < 12 or masked_crc(head[:8]) != struct.unpack("<I", head[8:])[0]:
                yield Damaged(
                    "rest of a TFRecord file is unreadable", f"{where}: the length's checksum is wrong at byte {file.tell() - len(head)}"
                )
                return
            length = struct.unpack("<Q", head[:8])[0]
            if length > min(size - file.tell() - 4, _LARGEST):
                yield Damaged("TFRecord file is cut off", f"{where}: {length} bytes announced, {size - file.tell()} left")
                return
            if only is not None and number not in only:
                file.seek(length + 4, 1)
                yield None
                number += 1
                continue
            data = file.read(length)
            good = masked_crc(data) == struct.unpack("<I", file.read(4))[0]
            yield data if good else Damaged("record checksum is wrong", where)
            number += 1


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("varint longer than 64 bits")


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview | int]]:
    """(field number, wire type, value) of a message; length-delimited values are views."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + length > len(data):
            raise ValueError("a field is longer than its message")
        yield number, wire, data[at : at + length]
        at += length


def parse_example(data: bytes) -> dict[str, list[bytes] | np.ndarray]:
    """The features of an Example: bytes as a list, floats as float32 (n,), integers as int64 (n,). Raises Damaged."""
    features: dict[str, list[bytes] | np.ndarray] = {}
    try:
        for number, _, body in _fields(memoryview(data)):
            if number != 1:
                continue
            for _, _, entry in _fields(body):
                parts = {key: value for key, _, value in _fields(entry)}
                features[bytes(parts[1]).decode("utf-8")] = _feature(parts.get(2, memoryview(b"")))
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise Damaged("record is not an Example", str(error)) from error
    return features


def _feature(data: memoryview) -> list[bytes] | np.ndarray:
    for kind, _, body in _fields(data):
        if kind == 1:
            return [bytes(value) for _, _, value in _fields(body)]
        if kind == 2:
            return _numbers(body, "<f4")
        if kind == 3:
            return _numbers(body, None)
    return []


def _numbers(body: memoryview, dtype: str | None) -> np.ndarray:
    """A FloatList or Int64List, packed or not."""
    parts: list[np.ndarray] = []
    for _, wire, value in _fields(body):
        if dtype is not None:
            parts.append(np.frombuffer(value, dtype))
        elif wire == 0:
            parts.append(np.array([value], np.uint64))
        else:
            parts.append(_packed_integers(value))
    if not parts:
        return np.zeros(0, np.float32 if dtype else np.int64)
    joined = np.concatenate(parts)
    return joined if dtype else joined.view(np.int64)


def _packed_integers(value: memoryview) -> np.ndarray:
    numbers, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        numbers.append(number)
    return np.array(numbers, np.uint64)


def parse_sequence_example(data: bytes) -> dict[str, list[list[bytes] | np.ndarray]]:
    """The feature lists of a SequenceExample: by name, one feature a step. Raises Damaged."""
    lists: dict[str, list[list[bytes] | np.ndarray]] = {}
    try:
        for number, _, body in _fields(memoryview(data)):
            if number != 2:
                continue
            for _, _, entry in _fields(body):
                parts = {key: value for key, _, value in _fields(entry)}
                lists[bytes(parts[1]).decode("utf-8")] = [_feature(step) for _, _, step in _fields(parts.get(2, memoryview(b"")))]
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise Damaged("record is not a SequenceExample", str(error)) from error
    return lists
