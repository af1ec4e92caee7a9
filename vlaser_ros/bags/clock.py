"""Recording time and message stamps on one clock.

A bag says when a message was received and the message says when it was true. Normally both are the wall clock. A bag
recorded of a simulation, or rewritten by a tool, may have them years apart: then the receive times are shifted.
"""

from __future__ import annotations

import itertools
import struct
from statistics import median

from vlaser_core.errors import InputError
from vlaser_ros.bags.reader import Bag

SAMPLES = 20
LARGEST_LATENCY = 10.0  # s between a stamp and its recording that a network and a slow camera explain


def header_stamp(data: bytes) -> float:
    """Seconds of the std_msgs/Header that a CDR message begins with."""
    seconds, nanoseconds = struct.unpack_from(_order(data) + "iI", data, 4)
    return seconds + nanoseconds * 1e-9


def shifted(data: bytes, nanoseconds: int) -> bytes:
    """The same message with a header stamp that much later. Raises InputError for one before 1970 or after 2038."""
    if not nanoseconds:
        return data
    changed, form = bytearray(data), _order(data) + "iI"
    sec, nanosec = struct.unpack_from(form, data, 4)
    total = sec * 10**9 + nanosec + nanoseconds
    if not 0 <= total < 2**31 * 10**9:
        raise InputError(f"a stamp of {total * 1e-9} s is no ROS time")
    struct.pack_into(form, changed, 4, total // 10**9, total % 10**9)
    return bytes(changed)


def _order(data: bytes) -> str:
    return "<" if data[1] & 1 else ">"


def clock_shift(bag: Bag, topic: str) -> int:
    """What to subtract from receive times (ns) to have them on the clock of `topic`'s stamps; 0 where they agree already."""
    gaps = [record.time - round(header_stamp(record.data) * 1e9) for record in itertools.islice(bag.read({topic}), SAMPLES)]
    return 0 if not gaps or abs(median(gaps)) <= LARGEST_LATENCY * 1e9 else min(gaps)
