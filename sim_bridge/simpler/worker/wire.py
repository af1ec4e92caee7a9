"""Messages between vlaser and a simulator in another Python: a JSON header and raw arrays, length-prefixed.

    prefix   b"VLSM", version (uint16), bytes of JSON (uint32), bytes of arrays (uint64); little endian
    JSON     {"kind": …, fields …, "arrays": [[name, dtype, shape], …]}
    arrays   their bytes in that order, C-contiguous, little endian

Nothing is pickled and nothing that came is executed. Standard library and numpy alone: both sides import this file.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time

import numpy as np

VERSION = 1
MAGIC = b"VLSM"
MOST_JSON = 1 << 20
MOST_BYTES = 1 << 28  # of arrays: a chunk's pictures are 4 MB
DTYPES = ("|u1", "|b1", "<i4", "<i8", "<f4", "<f8")
_PREFIX = struct.Struct("<4sHIQ")


class WireError(Exception):
    """What came is not a message of this protocol."""


class Closed(WireError):
    """The other side has gone."""


class Late(WireError):
    """Nothing complete came in time."""


def send(connection: socket.socket, kind: str, fields: dict | None = None, arrays: dict[str, np.ndarray] | None = None) -> None:
    """One message. Raises WireError for what cannot be said (NaN in a field, an odd dtype), Closed when nobody is there."""
    parts = {name: np.asarray(array, _dtype(np.asarray(array).dtype), order="C") for name, array in (arrays or {}).items()}
    listed = [[name, array.dtype.str, list(array.shape)] for name, array in parts.items()]
    try:
        text = json.dumps({**(fields or {}), "kind": kind, "arrays": listed}, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise WireError(f"{kind}: {error}") from error
    size = sum(array.nbytes for array in parts.values())
    if len(text) > MOST_JSON or size > MOST_BYTES:
        raise WireError(f"{kind}: {len(text)} bytes of JSON and {size} of arrays are more than a message holds")
    try:
        connection.settimeout(None)
        connection.sendall(_PREFIX.pack(MAGIC, VERSION, len(text), size) + text)
        for array in parts.values():
            if array.nbytes:
                connection.sendall(memoryview(array.reshape(-1)).cast("B"))
    except OSError as error:
        raise Closed(f"cannot send {kind}: {error}") from error


def receive(connection: socket.socket, timeout: float | None = None) -> tuple[dict, dict[str, np.ndarray]]:
    """The next message's fields (`kind` among them) and arrays; timeout: s until it must be complete, None waits for ever.

    Raises Closed, Late, or WireError for anything that is not a message of this version.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    magic, version, length, size = _PREFIX.unpack(_exactly(connection, _PREFIX.size, deadline))
    if magic != MAGIC:
        raise WireError(f"a message begins with {MAGIC!r}, got {bytes(magic)!r}")
    if version != VERSION:
        raise WireError(f"the other side speaks version {version}, this one {VERSION}: both must be of one vlaser")
    if length > MOST_JSON or size > MOST_BYTES:
        raise WireError(f"a message of {length} + {size} bytes is announced, at most {MOST_JSON} + {MOST_BYTES} are read")
    try:
        fields = json.loads(bytes(_exactly(connection, length, deadline)))
        kind, listed = fields["kind"], fields.pop("arrays")
        shapes = [(str(name), np.dtype(_known(dtype)), tuple(_whole(side) for side in shape)) for name, dtype, shape in listed]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WireError(f"the header is no message: {type(error).__name__}: {error}") from error
    if not isinstance(kind, str) or sum(math.prod(shape) * dtype.itemsize for _, dtype, shape in shapes) != size:
        raise WireError(f"the arrays listed in {kind!r} do not fill the {size} bytes announced")
    arrays = {}
    for name, dtype, shape in shapes:
        data = _exactly(connection, math.prod(shape) * dtype.itemsize, deadline)
        arrays[name] = np.frombuffer(data, dtype).reshape(shape)
    return fields, arrays


def _exactly(connection: socket.socket, count: int, deadline: float | None) -> bytearray:
    data = bytearray(count)
    view, got = memoryview(data), 0
    while got < count:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise Late(f"{got} of {count} bytes came in time")
        try:
            connection.settimeout(left)
            now = connection.recv_into(view[got:])
        except socket.timeout as error:
            raise Late(f"{got} of {count} bytes came in time") from error
        except OSError as error:
            raise Closed(str(error)) from error
        if not now:
            raise Closed("the other side closed the connection")
        got += now
    return data


def _dtype(dtype: np.dtype) -> str:
    return _known(dtype.newbyteorder("<").str)


def _known(dtype: object) -> str:
    if dtype not in DTYPES:
        raise WireError(f"arrays of {dtype!r} are not sent; known: {', '.join(DTYPES)}")
    return str(dtype)


def _whole(side: object) -> int:
    if type(side) is not int or side < 0:
        raise ValueError(f"{side!r} is no side of an array")
    return side
