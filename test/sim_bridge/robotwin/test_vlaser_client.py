"""The small client: it speaks with the server as openpi's does, and says what is wrong."""

from __future__ import annotations

import socket
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.robotwin.adapter.vlaser_client import Policy, VlaserError, pack, unpack
from vlaser_core.serve import arrays
from vlaser_core.serve.background import in_background
from vlaser_core.serve.keys import default_keys
from vlaser_core.serve.settings import Settings

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=40) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


def message() -> dict:
    small = np.zeros((24, 32, 3), np.uint8)
    pictures = {"observation/image": small, "observation/left_camera": small, "observation/right_camera": small}
    return {**pictures, "observation/state": np.zeros(14), "prompt": "press the bell"}


@given(PLAIN)
@settings(max_examples=60, deadline=None)
def test_what_it_writes_the_server_reads_and_the_other_way_round(value):
    assert arrays.unpack(pack(value)) == value
    assert unpack(arrays.pack(value)) == value


@pytest.mark.parametrize("array", [np.arange(6, dtype=np.uint8).reshape(2, 3), np.array([[0.5]]), np.zeros((0, 3), np.float32), np.array([True])])
def test_arrays_survive_both_ways(array):
    for back in (arrays.unpack(pack({"a": array})), unpack(arrays.pack({"a": array}))):
        assert np.array_equal(back["a"], array) and back["a"].dtype == array.dtype


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x92\x01", b"\xdb\xff\xff\xff\xff", b"\x01\x02", b"\xa1\xff", arrays.pack({"a": np.array(["x"])})])
def test_an_answer_that_is_none_is_refused(data):
    with pytest.raises(VlaserError, match="not msgpack"):
        unpack(data)


def test_what_cannot_be_sent_is_said_at_once():
    for value in (object(), {1, 2}, np.array([object()])):
        with pytest.raises(TypeError, match="cannot be sent"):
            pack({"a": value})


def test_it_is_told_what_the_policy_is_and_gets_actions(served, pusher):
    policy = Policy(served.url)
    assert policy.metadata["embodiment"] == "robotwin"
    policy.reset(seed=5)
    answer = policy.infer(message())
    assert answer["actions"].shape == (8, 14) and [seed for *_, seed in pusher.shown] == [5]
    # A large message has the long form of its length.
    large = np.zeros((300, 300, 3), np.uint8)
    assert policy.infer({**message(), "observation/image": large})["actions"].shape == (8, 14)


def test_a_refusal_is_the_servers_words_and_the_next_request_is_answered(served):
    policy = Policy(served.url)
    with pytest.raises(VlaserError, match="missing 'prompt'"):
        policy.infer({key: value for key, value in message().items() if key != "prompt"})
    assert policy.infer(message())["actions"].shape == (8, 14)


def test_a_connection_that_was_lost_is_opened_anew(served):
    policy = Policy(served.url)
    policy._socket.shutdown(socket.SHUT_RDWR)
    assert policy.infer(message())["actions"].shape == (8, 14)


def test_a_server_that_is_gone_is_named(pusher):
    with in_background(pusher, default_keys(pusher.embodiment), Settings(port=0), checkpoint="test") as server:
        policy = Policy(server.url)
    with pytest.raises(VlaserError, match=f"the server at {server.url} is gone"):
        policy.infer(message())


def test_nobody_at_the_address_is_said_after_the_wait():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(VlaserError, match="start `vlaser serve` first"):
            Policy(f"ws://127.0.0.1:{free.getsockname()[1]}", wait=0.05)
    with pytest.raises(VlaserError, match="ws://host:port"):
        Policy("http://127.0.0.1:1")


def test_a_token_is_shown_and_a_wrong_one_is_said(pusher):
    token = "correct-horse-battery"
    with in_background(pusher, default_keys(pusher.embodiment), Settings(port=0, token=token), checkpoint="test") as server:
        assert Policy(server.url, token).metadata["server"] == "vlaser"
        with pytest.raises(VlaserError, match="401.*show the token"):
            Policy(server.url, "wrong")


def test_a_server_that_falls_silent_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def half_a_server() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            greeting = arrays.pack({"server": "vlaser"})
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + bytes([0x82, len(greeting)]) + greeting)
            threading.Event().wait(3)
            connection.close()

        threading.Thread(target=half_a_server, daemon=True).start()
        policy = Policy(f"ws://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2)
        with pytest.raises(VlaserError, match="no answer within 0.2 s"):
            policy.infer({})


def test_pings_are_answered_and_fragments_put_together():
    whole = arrays.pack({"server": "vlaser", "n": list(range(50))})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answers = []

        def server() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            first, second = whole[:20], whole[20:]
            ping = bytes([0x89, 2]) + b"hi"
            connection.sendall(b"HTTP/1.1 101 x\r\n\r\n" + bytes([0x02, len(first)]) + first + ping + bytes([0x80, len(second)]) + second)
            answers.append(connection.recv(100))
            connection.close()

        thread = threading.Thread(target=server, daemon=True)
        thread.start()
        assert Policy(f"ws://127.0.0.1:{listener.getsockname()[1]}").metadata["n"] == list(range(50))
        thread.join(10)
    head, mask, payload = answers[0][:2], answers[0][2:6], answers[0][6:]
    assert head == bytes([0x8A, 0x82]) and bytes(a ^ b for a, b in zip(payload, mask)) == b"hi"
