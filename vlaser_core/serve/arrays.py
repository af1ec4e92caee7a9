"""Messages with arrays as msgpack: what openpi's client and the vla-evaluation-harness put on the wire, and never a pickle.

An array is a map with its marker, its bytes, its dtype's name and its shape. openpi spells these names as bytes, the harness as text; the
harness also sends pictures as PNG or JPEG. What came from the network is held to limits before anything is made of it: kinds of dtype,
bytes against shape, number of maps and lists (a short message can ask for very many), pixels of a picture before it is decoded.
"""

from __future__ import annotations

import math
import re

import cv2
import msgpack
import numpy as np

from vlaser_core.errors import InputError

MAX_MAPS = 256  # an observation has a dozen
MAX_LISTS = 512
MAX_LENGTH = 4096  # entries of a list or map; longer ones are arrays
MAX_TEXT = 64 * 1024  # bytes of one string
MAX_DIMENSIONS = 8
MAX_PIXELS = 4096 * 4096
MAX_CODE_POINT = 0x10FFFF  # NumPy takes higher ones, and fails badly when they are read
_DTYPE = re.compile(r"[<>|=]?(?:[biu][1248]|f[248]|[US]\d{1,5})")
_KINDS = "booleans, integers, floats and text"


def pack(message: object) -> bytes:
    """A message as openpi's client reads it. Arrays of numbers, booleans or text; anything else is the caller's mistake (TypeError)."""
    return msgpack.packb(message, default=_openpi_map)


def pack_text_keys(message: object) -> bytes:
    """A message as the vla-evaluation-harness reads it."""
    return msgpack.packb(message, default=_harness_map)


def unpack(data: bytes) -> object:
    """The message of either client. Raises InputError for what is not msgpack, has an object in it, or asks for too much."""
    maps = lists = 0

    def on_map(found: dict) -> object:
        nonlocal maps
        maps += 1
        if maps > MAX_MAPS:
            raise InputError(f"more than {MAX_MAPS} maps in one message")
        return _array_of(found)

    def on_list(found: list) -> list:
        nonlocal lists
        lists += 1
        if lists > MAX_LISTS:
            raise InputError(f"more than {MAX_LISTS} lists in one message; send arrays")
        return found

    try:
        return msgpack.unpackb(
            data,
            object_hook=on_map,
            list_hook=on_list,
            max_array_len=MAX_LENGTH,
            max_map_len=MAX_LENGTH,
            max_str_len=MAX_TEXT,
            max_bin_len=len(data),
            max_ext_len=0,
        )
    except InputError:
        raise
    except (msgpack.exceptions.UnpackException, ValueError, TypeError, OverflowError, RecursionError) as error:
        # A stack that is too deep is an error of msgpack's own without a text.
        raise InputError(f"the message is not msgpack that can be read ({len(data)} bytes): {error or type(error).__name__}") from error


def _openpi_map(value: object) -> object:
    if isinstance(value, np.ndarray):
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic):
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _harness_map(value: object) -> object:
    if isinstance(value, np.ndarray):
        return {"__ndarray__": True, "data": value.tobytes(), "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _array_of(found: dict) -> object:
    """The array, scalar or picture that a map stands for; the map itself when it stands for none."""
    for spell in (str.encode, str):
        if spell("__ndarray__") in found:
            return _array(found, spell)
        if spell("__npgeneric__") in found:
            data, dtype = _field(found, spell("data")), _dtype(_field(found, spell("dtype")))
            if not isinstance(data, (bool, int, float, str, bytes)):
                raise InputError(f"a scalar of {dtype} holds {type(data).__name__}")
            return dtype.type(data)
    if "__image__" in found:
        return _array(found, str) if found.get("format") == "raw" else _picture(found)
    return found


def _array(found: dict, spell) -> np.ndarray:
    data, dtype, shape = _field(found, spell("data")), _dtype(_field(found, spell("dtype"))), _shape(_field(found, spell("shape")))
    if not isinstance(data, bytes):
        raise InputError(f"an array's data are bytes, got {type(data).__name__}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise InputError(f"an array of {dtype.str} with shape {shape} has {math.prod(shape) * dtype.itemsize} bytes, got {len(data)}")
    if dtype.kind == "U" and (np.frombuffer(data, dtype.str[0] + "u4") > MAX_CODE_POINT).any():
        raise InputError("an array of text with code points that no text has")
    # A copy, as a view of the message would be read-only.
    return np.frombuffer(data, dtype).reshape(shape).copy() if data else np.zeros(shape, dtype)


def _picture(found: dict) -> np.ndarray:
    """RGB of a compressed picture; its size is read before it is decoded, as a small file can hold a very large one."""
    data, shape = _field(found, "data"), _shape(_field(found, "shape"))
    if found.get("format") not in ("png", "jpeg") or not isinstance(data, bytes):
        raise InputError(f"a picture's format is raw, png or jpeg with bytes as data, got {found.get('format')!r}")
    size = _declared_size(data)
    if size is None or math.prod(size) > MAX_PIXELS or tuple(shape) != (*size, 3):
        raise InputError(f"a compressed picture is PNG or JPEG of at most {MAX_PIXELS} pixels in the shape it says; it says {shape}, the file {size}")
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None or decoded.shape != tuple(shape):
        raise InputError(f"a {found['format']} picture of {len(data)} bytes cannot be decoded")
    return np.ascontiguousarray(decoded[..., ::-1])


def _declared_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) that a PNG or JPEG file says it has; None when it is neither, or cut off before it says so."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        # Start of frame, baseline to progressive; the other markers in that range are tables.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _field(found: dict, name: str | bytes) -> object:
    if name not in found:
        raise InputError(f"an array without {name!r}")
    return found[name]


def _dtype(name: object) -> np.dtype:
    # Matched before numpy reads it: numpy also understands objects, records and sub-arrays.
    if isinstance(name, str) and _DTYPE.fullmatch(name):
        try:
            return np.dtype(name)
        except TypeError:
            pass
    raise InputError(f"arrays of dtype {name!r:.60} are refused; send {_KINDS}")


def _shape(shape: object) -> tuple[int, ...]:
    if (
        not isinstance(shape, (list, tuple))
        or len(shape) > MAX_DIMENSIONS
        or any(not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**31 for size in shape)
    ):
        raise InputError(f"an array's shape is at most {MAX_DIMENSIONS} sizes, got {shape!r:.60}")
    return tuple(shape)
