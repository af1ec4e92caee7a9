"""Pictures as they come over the wire: their fields read from the CDR bytes, the pixels left where they are.

rclpy copies a picture three times to make a message of it, in the interpreter's lock: 30 times a second for a policy that
looks at five. What is read here has the fields of the message and shares the received bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from vlaser_core.errors import InputError

_BIG, _LITTLE = struct.Struct(">I"), struct.Struct("<I")
# Marks of plain CDR and plain CDR 2 (DDS-XTypes 1.3, 7.6.3.1.2), which are the same for these types.
_ORDERS = {b"\0\0": _BIG, b"\0\1": _LITTLE, b"\0\6": _BIG, b"\0\7": _LITTLE}


@dataclass(frozen=True)
class SerializedImage:
    """sensor_msgs/Image over received bytes."""

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


@dataclass(frozen=True)
class SerializedCompressedImage:
    """sensor_msgs/CompressedImage over received bytes."""

    header: Header
    format: str
    data: memoryview


def read_image(content: bytes) -> SerializedImage:
    """A serialised sensor_msgs/Image. Raises InputError for bytes that are none."""
    cdr = _Cdr(content)
    header, height, width, encoding = cdr.header(), cdr.number(), cdr.number(), cdr.text()
    return SerializedImage(header, height, width, encoding, cdr.byte(), cdr.number(), cdr.data())


def read_compressed(content: bytes) -> SerializedCompressedImage:
    """A serialised sensor_msgs/CompressedImage. Raises InputError for bytes that are none."""
    cdr = _Cdr(content)
    return SerializedCompressedImage(cdr.header(), cdr.text(), cdr.data())


class _Cdr:
    """Reads one field after the other. Numbers lie at multiples of their size, counted from behind the encapsulation of four bytes."""

    def __init__(self, content: bytes) -> None:
        order = _ORDERS.get(content[:2])
        if order is None:
            raise InputError(f"a serialised picture begins with {content[:4].hex(' ') or 'nothing'}, expected the mark of plain CDR")
        self._content, self._at, self._read = content, 4, order.unpack_from

    def number(self) -> int:
        at = self._at + -self._at % 4
        self._reach(at + 4)
        return self._read(self._content, at)[0]

    def byte(self) -> int:
        self._reach(self._at + 1)
        return self._content[self._at - 1]

    def data(self) -> memoryview:
        count = self.number()
        begin = self._at
        self._reach(begin + count)
        return memoryview(self._content)[begin : self._at]

    def text(self) -> str:
        return bytes(self.data()).rstrip(b"\0").decode(errors="replace")

    def header(self) -> Header:
        sec, nanosec, frame_id = self.number(), self.number(), self.text()
        return Header(stamp=Time(sec=sec - (sec >> 31 << 32), nanosec=nanosec), frame_id=frame_id)

    def _reach(self, end: int) -> None:
        if end > len(self._content):
            raise InputError(f"a serialised picture ends after {len(self._content)} bytes, {end} are needed")
        self._at = end
