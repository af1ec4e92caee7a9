"""A small client of `vlaser serve`: the standard library and numpy, for environments whose packages are somebody else's.

    policy = Policy("ws://127.0.0.1:8000")
    policy.metadata["observation"]["cameras"]
    policy.infer({"observation/image": picture, "observation/state": state, "prompt": "…"})["actions"]      # (H, A)

Speaks openpi's protocol (msgpack in binary websocket messages) and needs Python 3.8. Anything the server refuses is a VlaserError with its words.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
import time
from urllib.parse import urlsplit

import numpy as np

MAX_ANSWER = 64 * 2**20  # bytes; a chunk has thousands


class VlaserError(RuntimeError):
    """The server said no, or cannot be talked to."""


class Policy:
    """A policy behind `url`. token: what the server was told to ask for. timeout: seconds an answer may take. Waits `wait` s for a server
    that is still starting. Opens its connection anew when it was lost, as a simulator may be busy for longer than the server keeps it."""

    def __init__(self, url: str = "ws://127.0.0.1:8000", token: str | None = None, timeout: float = 300.0, wait: float = 60.0) -> None:
        self._where = urlsplit(url if "://" in url else "ws://" + url)
        if self._where.scheme != "ws" or not self._where.hostname:
            raise VlaserError(f"the address of a policy is ws://host:port, got {url!r}")
        self._token, self._timeout, self._socket = token, timeout, None
        end = time.monotonic() + wait
        while True:
            try:
                self._connect()
                return
            except ConnectionRefusedError as error:
                if time.monotonic() > end:
                    raise VlaserError(f"nobody listens at {url}: start `vlaser serve` first ({error})") from error
                time.sleep(min(1.0, wait / 10))

    def infer(self, message: dict) -> dict:
        """The server's answer; its arrays are numpy's."""
        packed = pack(message)
        if self._socket is not None:
            try:
                return self._ask(packed)
            except (ConnectionError, EOFError):
                self.close()
        try:
            self._connect()
            return self._ask(packed)
        except (OSError, EOFError) as error:
            self.close()
            raise VlaserError(f"the server at {self._where.geturl()} is gone: {error}") from error

    def reset(self, seed: int | None = None) -> None:
        """Start the connection's noise anew: the next chunk's seed is `seed`, counted on from there."""
        self.infer({"reset": True} if seed is None else {"reset": True, "seed": int(seed)})

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, packed: bytes) -> dict:
        try:
            self._send(0x2, packed)
            return self._message()
        except socket.timeout as error:
            self.close()
            raise VlaserError(f"no answer within {self._timeout:g} s") from error

    def _connect(self) -> None:
        port = self._where.port or 8000
        self._socket = socket.create_connection((self._where.hostname, port), self._timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [
            f"GET {self._where.path or '/'} HTTP/1.1",
            f"Host: {self._where.hostname}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        ]
        if self._token:
            lines.append(f"Authorization: Bearer {self._token}")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head and len(head) < 65536:
            byte = self._socket.recv(1)
            if not byte:
                break
            head += byte
        status = head.split(b"\r\n", 1)[0].decode(errors="replace")
        if " 101 " not in status:
            said = self._socket.recv(500).decode(errors="replace").strip() if b"\r\n\r\n" in head else ""
            self.close()
            raise VlaserError(f"{self._where.geturl()} is no policy that lets us in: {status or 'no answer'}; {said}".rstrip("; "))
        self.metadata = self._message()

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        else:
            head += bytes([0x80 | 126]) + struct.pack(">H", size) if size < 65536 else bytes([0x80 | 127]) + struct.pack(">Q", size)
        mask = os.urandom(4)
        masked = np.frombuffer(payload, np.uint8) ^ np.resize(np.frombuffer(mask, np.uint8), size)
        self._socket.sendall(head + mask + masked.tobytes())

    def _message(self) -> dict:
        parts, kind = [], None
        while True:
            opcode, final, payload = self._frame()
            if opcode == 0x9:
                self._send(0xA, payload)
            elif opcode == 0x8:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
                self.close()
                raise ConnectionResetError(f"closed by the server: {code} {payload[2:].decode(errors='replace')}")
            elif opcode in (0x0, 0x1, 0x2):
                kind = opcode or kind
                parts.append(payload)
                if sum(map(len, parts)) > MAX_ANSWER:
                    raise VlaserError(f"an answer of more than {MAX_ANSWER} bytes")
                if final:
                    break
        whole = b"".join(parts)
        if kind == 0x1:
            raise VlaserError(whole.decode(errors="replace"))
        return unpack(whole)

    def _frame(self) -> tuple[int, bool, bytes]:
        first, second = self._exactly(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._exactly(8))[0]
        if second & 0x80 or size > MAX_ANSWER:
            raise VlaserError(f"a frame that no server sends: masked, or of {size} bytes")
        return first & 0x0F, bool(first & 0x80), self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            piece = self._socket.recv(min(count - len(found), 2**20))
            if not piece:
                raise EOFError("the server left")
            found += piece
        return bytes(found)


def pack(value: object) -> bytes:
    """msgpack of None, booleans, numbers, text, bytes, lists, dicts and numpy arrays, the last as openpi's client writes them."""
    if value is None:
        return b"\xc0"
    if isinstance(value, (bool, np.bool_)):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, (int, np.integer)):
        return (b"\xcf" + struct.pack(">Q", int(value))) if value >= 0 else (b"\xd3" + struct.pack(">q", int(value)))
    if isinstance(value, (float, np.floating)):
        return b"\xcb" + struct.pack(">d", float(value))
    if isinstance(value, str):
        data = value.encode()
        return b"\xdb" + struct.pack(">I", len(data)) + data
    if isinstance(value, bytes):
        return b"\xc6" + struct.pack(">I", len(value)) + value
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufUS":
            raise TypeError(f"arrays of {value.dtype} cannot be sent")
        return pack({b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": list(value.shape)})
    if isinstance(value, (list, tuple)):
        return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return b"\xdf" + struct.pack(">I", len(value)) + b"".join(pack(key) + pack(one) for key, one in value.items())
    raise TypeError(f"{type(value).__name__} cannot be sent")


def unpack(data: bytes) -> object:
    """What `pack` and openpi's server write. Raises VlaserError for anything else."""
    try:
        value, end = _value(memoryview(data), 0)
    except (struct.error, IndexError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise VlaserError(f"an answer that is not msgpack: {error}") from error
    if end != len(data):
        raise VlaserError("an answer that is not msgpack: something follows it")
    return value


_FIXED = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_SIZED = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}


def _value(data: memoryview, at: int) -> tuple[object, int]:
    code, at = data[at], at + 1
    if code < 0x80 or code >= 0xE0:
        return (code if code < 0x80 else code - 0x100), at
    if code in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[code], at
    if code in _FIXED:
        (number,) = struct.unpack_from(_FIXED[code], data, at)
        return number, at + struct.calcsize(_FIXED[code])
    if code in _SIZED:
        (size,) = struct.unpack_from(_SIZED[code], data, at)
        at += struct.calcsize(_SIZED[code])
        kind = "bytes" if code <= 0xC6 else "text" if code <= 0xDB else "list" if code <= 0xDD else "map"
    elif code < 0x90:
        kind, size = "map", code & 0x0F
    elif code < 0xA0:
        kind, size = "list", code & 0x0F
    elif code < 0xC0:
        kind, size = "text", code & 0x1F
    else:
        raise ValueError(f"code {code:#x}")
    if size > len(data) - at:
        raise ValueError("it is cut off")
    if kind == "bytes":
        return bytes(data[at : at + size]), at + size
    if kind == "text":
        return bytes(data[at : at + size]).decode(), at + size
    items = []
    for _ in range(size if kind == "list" else 2 * size):
        item, at = _value(data, at)
        items.append(item)
    return (items if kind == "list" else _array(dict(zip(items[::2], items[1::2])))), at


def _array(found: dict) -> object:
    if b"__ndarray__" not in found:
        return found
    dtype = np.dtype(found[b"dtype"])
    if dtype.kind not in "biuf":
        raise ValueError(f"an array of {dtype}")
    return np.frombuffer(found[b"data"], dtype).reshape(found[b"shape"]).copy()
