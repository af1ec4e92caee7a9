"""Clients that die, flood, send garbage, too much or nothing: they are answered or closed with a reason, and the others are served on."""

from __future__ import annotations

import dataclasses
import os
import socket
import struct
import threading
from contextlib import ExitStack

import numpy as np
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from vlaser_core.serve.arrays import pack, unpack

from .conftest import QUICK, Counting, ask, until

MEGABYTE = 2**20


def handshake(port: int) -> socket.socket:
    """A bare connection that is a websocket, greeting unread."""
    bare = socket.create_connection(("127.0.0.1", port), QUICK)
    bare.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += bare.recv(1)
    assert b" 101 " in head.splitlines()[0]
    return bare


def frame(length: int, opcode: int = 2) -> bytes:
    """The head of a masked message of `length` bytes; with a mask of zeros the payload is sent as it is."""
    return bytes([0x80 | opcode, 0xFF]) + length.to_bytes(8, "big") + bytes(4)


def served(server, view) -> bool:
    with server.connect() as client:
        client.recv(QUICK)
        return ask(client, view)["actions"].shape == (4, 7)


@pytest.mark.parametrize(("message", "code"), [(b"\xc1\xc1", 1007), (b"", 1007), (b"\x80\x04\x95pickle", 1007), (b"\xdd\xff\xff\xff\xff", 1007), ("a text frame", 1003)])
def test_garbage_and_text_are_answered_and_the_connection_closed_with_the_reason(serving, counting, view, message, code):
    with serving(counting) as server:
        with server.connect() as client:
            client.recv(QUICK)
            client.send(message)
            assert "msgpack" in client.recv(QUICK)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(QUICK)
            assert closed.value.rcvd.code == code and "msgpack" in closed.value.rcvd.reason
        assert served(server, view)
    assert not counting.asked[1:]


def test_a_client_that_dies_in_the_middle_of_a_request_leaves_the_line(serving, counting, view):
    counting.release.clear()
    with serving(counting) as server, server.connect() as first:
        first.recv(QUICK)
        first.send(pack({**view, "seed": 0}))
        until(lambda: server.worker.in_line == 1)
        bare, message = handshake(server.port), pack({**view, "seed": 1})
        bare.sendall(frame(len(message)) + message)
        until(lambda: server.worker.in_line == 2)
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        bare.close()  # a reset, as when a process is killed with data unread
        # Another client's answer to a wrong message shows that the server has seen what came before it.
        with server.connect() as other:
            other.recv(QUICK)
            assert "missing" in ask(other, {})
        counting.release.set()
        assert unpack(first.recv(QUICK))["actions"][0, 0] == 0
        until(lambda: any("left" in line for line in server.log))
        assert served(server, view)
    assert [seed for _, seed in counting.asked] == [0, None], "the dead client's request was computed"


def test_a_flood_of_requests_waits_its_turn_and_others_are_served_in_between(serving, counting, view):
    with serving(counting) as server, server.connect() as flooder, server.connect() as other:
        flooder.recv(QUICK), other.recv(QUICK)
        message = pack({**view, "seed": 7})
        flood = threading.Thread(target=lambda: [flooder.send(message) for _ in range(80)], daemon=True)
        flood.start()
        for index in range(5):
            assert ask(other, {**view, "seed": 100 + index})["actions"][0, 0] == 100 + index
        assert [unpack(flooder.recv(QUICK))["actions"][0, 0] for _ in range(80)] == [7] * 80
        flood.join(QUICK)


def test_100_megabytes_are_refused_without_being_kept(serving, counting, view):
    with serving(counting) as server:
        before, highest = psutil.Process().memory_info().rss, 0
        bare, piece = handshake(server.port), bytes(MEGABYTE)
        try:
            bare.sendall(frame(100 * MEGABYTE))
            for _ in range(100):
                bare.sendall(piece)
                highest = max(highest, psutil.Process().memory_info().rss)
        except OSError:
            pass  # refused by its head, it may be closed before it has sent everything
        bare.close()
        assert served(server, view)
        until(lambda: any("1009" in line for line in server.log))
    assert highest - before < 40 * MEGABYTE


def test_100_megabytes_in_pieces_are_no_way_around(serving, counting, view):
    with serving(counting) as server, server.connect() as client:
        client.recv(QUICK)
        with pytest.raises(ConnectionClosedError) as closed:
            client.send(bytes(MEGABYTE) for _ in range(100))
            client.recv(QUICK)
        assert (closed.value.rcvd is None or closed.value.rcvd.code == 1009) and served(server, view)
    assert any("closed 1009" in line for line in server.log) and not counting.asked[1:]


def test_the_real_client_is_told_of_a_message_that_is_too_large(serving, counting, view):
    module = pytest.importorskip("openpi_client.websocket_client_policy", reason="make setup installs openpi-client")
    with serving(counting, max_message=MEGABYTE) as server:
        client = module.WebsocketClientPolicy("127.0.0.1", server.port)
        with pytest.raises((ConnectionClosedError, OSError)):
            client.infer({"observation/image": bytes(3 * MEGABYTE)})
        assert served(server, view)


def test_of_100_connections_as_many_are_taken_as_were_said(serving, counting, view):
    with serving(counting, max_connections=8) as server, ExitStack() as stack:
        taken, refused = [], []
        for _ in range(100):
            try:
                taken.append(stack.enter_context(server.connect()))
            except (InvalidStatus, ConnectionClosed) as error:
                refused.append(error)
        assert len(taken) == 8 and len(refused) == 92 and all(error.response.status_code == 503 for error in refused)
        for client in taken[:3]:
            client.recv(QUICK)
            assert ask(client, view)["actions"].shape == (4, 7)
        for client in taken:
            client.close()
        until(lambda: sum("openpi" in line for line in server.log) == 8)
        assert served(server, view)


def test_who_reads_nothing_is_given_up_and_holds_up_nobody(serving):
    aloha = Counting("aloha")
    long = dataclasses.replace(aloha.embodiment.action, horizon=4000)  # answers of 450 kB soon fill what the system keeps of them
    aloha.embodiment = dataclasses.replace(aloha.embodiment, action=long)
    view = {"observation/image": np.zeros((8, 8, 3), np.uint8), "observation/state": np.zeros(14), "prompt": "go"}
    with serving(aloha, send_s=0.2) as server:
        bare, message, dropped = handshake(server.port), pack(view), threading.Event()
        bare.settimeout(None)

        def flood() -> None:
            try:
                while True:
                    bare.sendall(frame(len(message)) + message)
            except OSError:
                dropped.set()

        threading.Thread(target=flood, daemon=True).start()
        with server.connect() as client:
            client.recv(QUICK)
            assert ask(client, view)["actions"].shape == (4000, 14)
            assert dropped.wait(3 * QUICK), "a client that reads nothing was kept"
            assert ask(client, view)["actions"].shape == (4000, 14)
        until(lambda: any("left" in line for line in server.log))
        bare.close()


def test_who_asks_nothing_is_closed(serving, counting):
    with serving(counting, idle_s=0.2) as server, server.connect() as client:
        client.recv(QUICK)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(QUICK)
        assert closed.value.rcvd.code == 1008 and "asked nothing for 0.2 s" in closed.value.rcvd.reason


@pytest.mark.parametrize("noise", [os.urandom(400), b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET / HTTP/1.1\r\n\r\n", b"HELP\r\n", b""])
def test_what_is_no_websocket_at_all_does_no_harm(serving, counting, view, noise):
    with serving(counting) as server:
        with socket.create_connection(("127.0.0.1", server.port), QUICK) as bare:
            bare.sendall(noise)
        assert served(server, view)


def test_clients_are_told_when_the_server_goes(serving, counting, view):
    with serving(counting) as server, server.connect() as client:
        client.recv(QUICK)
        ask(client, view)
        server.stop()
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(QUICK)
    assert closed.value.rcvd.code == 1001


def test_a_server_that_stops_while_the_model_works_begins_nothing_new(serving, counting, view):
    counting.release.clear()
    with ExitStack() as stack, serving(counting) as server:
        for index in range(3):
            client = stack.enter_context(server.connect())
            client.recv(QUICK)
            client.send(pack(view))
            until(lambda: server.worker.in_line == index + 1)
        server.stop()
        until(lambda: client.protocol.state.name != "OPEN")
        counting.release.set()
    assert len(counting.asked) == 1
