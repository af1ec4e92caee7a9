from __future__ import annotations

import json
import socket
import struct
import threading

import numpy as np
import pytest

from sim_bridge.simpler.worker import wire


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def raw(header: bytes, size: int = 0, *, magic: bytes = wire.MAGIC, version: int = wire.VERSION, length: int | None = None) -> bytes:
    return struct.pack("<4sHIQ", magic, version, len(header) if length is None else length, size) + header


def test_fields_and_arrays_arrive_as_they_were_sent(ends):
    ours, theirs = ends
    rng = np.random.default_rng(0)
    arrays = {
        "picture": rng.integers(0, 255, (48, 64, 3), dtype=np.uint8),
        "turned": rng.normal(size=(4, 4)).T,
        "big endian": np.arange(3, dtype=">f8"),
        "none": np.zeros((0, 7)),
        "flags": np.array([True, False]),
        "one": np.array(3.5),
    }
    sender = threading.Thread(target=wire.send, args=(ours, "act", {"every": True, "n": 3, "näme": "ü"}, arrays))
    sender.start()
    fields, came = wire.receive(theirs, 10.0)
    sender.join()
    assert fields == {"kind": "act", "every": True, "n": 3, "näme": "ü"}
    assert list(came) == list(arrays)
    for name, array in arrays.items():
        assert came[name].shape == array.shape and came[name].dtype == array.dtype.newbyteorder("<")
        np.testing.assert_array_equal(came[name], array)


@pytest.mark.parametrize(
    ("fields", "arrays"), [({"x": float("nan")}, {}), ({"x": object()}, {}), ({}, {"o": np.array([object()])}), ({}, {"c": np.zeros(2, complex)})]
)
def test_what_cannot_be_said_is_refused_before_a_byte_is_sent(ends, fields, arrays):
    ours, theirs = ends
    with pytest.raises(wire.WireError):
        wire.send(ours, "act", fields, arrays)
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "begins with"),
        (raw(b"{}", version=99), "version 99"),
        (raw(b"", length=1 << 30), "at most"),
        (raw(b"{}", 1 << 40), "at most"),
        (raw(b"not json"), "header is no message"),
        (raw(b"[1, 2]"), "header is no message"),
        (raw(b'{"kind": "done"}'), "header is no message"),
        (raw(json.dumps({"kind": "done", "arrays": [["x", "|O", [1]]]}).encode(), 8), "not sent"),
        (raw(json.dumps({"kind": "done", "arrays": [["x", "<f8", [-1]]]}).encode(), 8), "no side"),
        (raw(json.dumps({"kind": "done", "arrays": [["x", "<f8", [1e9]]]}).encode(), 8), "no side"),
        (raw(json.dumps({"kind": "done", "arrays": [["x", "<f8", [3]]]}).encode(), 8), "do not fill"),
        (raw(json.dumps({"kind": 7, "arrays": []}).encode()), "do not fill"),
    ],
)
def test_what_is_no_message_is_named_and_never_run_or_stored(ends, sent, told):
    ours, theirs = ends
    ours.sendall(sent)
    with pytest.raises(wire.WireError, match=told):
        wire.receive(theirs, 10.0)


def test_half_a_message_is_late_and_a_closed_end_is_closed(ends):
    ours, theirs = ends
    ours.sendall(raw(b'{"kind": "done", "arrays": []}')[:-3])
    with pytest.raises(wire.Late, match="of 30 bytes"):
        wire.receive(theirs, 0.05)
    ours.close()
    with pytest.raises(wire.Closed):
        wire.receive(theirs, 10.0)
    with pytest.raises(wire.Closed):
        wire.send(theirs, "act", {}, {"much": np.zeros(1 << 20)})
