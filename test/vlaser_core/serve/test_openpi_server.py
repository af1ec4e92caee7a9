"""openpi's protocol as its clients meet it: the installed client where it is, and the bare wire."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from contextlib import ExitStack

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from vlaser_core.engine import Engine
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.serve.arrays import pack, unpack
from vlaser_core.serve.keys import default_keys
from vlaser_core.serve.server import serve
from vlaser_core.serve.settings import Settings
from vlaser_core.types import Observation

from .conftest import QUICK, Counting, ask, until

TOKEN = "correct-horse-battery"


def real_client(port: int, **options):
    module = pytest.importorskip("openpi_client.websocket_client_policy", reason="make setup installs openpi-client")
    return module.WebsocketClientPolicy("127.0.0.1", port, **options)


def test_the_real_client_gets_the_very_actions_of_the_model(serving, tiny):
    engine = Engine(tiny)
    picture = np.random.default_rng(1).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    state = np.linspace(0, 1, 7).astype(np.float32)
    with serving(engine) as server:
        reply = real_client(server.port).infer({"observation/image": picture, "observation/state": state, "prompt": "put carrot on plate", "seed": 3})
    expected = engine.predict(Observation({"image_0": picture}, state.astype(float), 0.0), "put carrot on plate", seed=3)
    assert np.array_equal(reply["actions"], expected.actions) and reply["actions"].shape == (4, 7)
    assert 0 < reply["server_timing"]["infer_ms"] < 1000 * QUICK


def test_the_real_client_is_told_what_the_policy_is_and_how_long_it_took(serving, counting, view):
    with serving(counting) as server:
        client = real_client(server.port)
        told = client.get_server_metadata()
        first, second = client.infer(view), client.infer(view)
    assert told["embodiment"] == "widowx" and told["checkpoint"] == "test"
    assert told["observation"]["cameras"] == [{"key": "observation/image", "camera": "image_0", "height": 240, "width": 320, "required": True}]
    assert told["observation"]["state"]["names"] == list(counting.embodiment.proprio.names) and told["actions"]["horizon"] == 4
    assert set(first["server_timing"]) == {"infer_ms", "wait_ms"}
    assert second["server_timing"]["prev_total_ms"] >= first["server_timing"]["infer_ms"]


def test_the_real_chunk_broker_asks_once_a_chunk(serving, counting, view):
    broker = pytest.importorskip("openpi_client.action_chunk_broker", reason="make setup installs openpi-client and dm-tree")
    with serving(counting, seed=0) as server:
        policy = broker.ActionChunkBroker(real_client(server.port), counting.embodiment.action.horizon)
        actions = [policy.infer(view)["actions"] for _ in range(6)]
        policy.reset()
        policy.infer(view)
    assert [action.shape for action in actions] == [(7,)] * 6
    assert [round(float(action[0]), 1) for action in actions] == [0.0, 0.1, 0.2, 0.3, 1.0, 1.1]
    assert [seed for _, seed in counting.asked] == [0, 1, 2]


def test_the_real_client_raises_what_was_wrong_and_goes_on(serving, counting, view):
    with serving(counting) as server:
        client = real_client(server.port)
        with pytest.raises(RuntimeError, match="missing 'prompt'"):
            client.infer({key: value for key, value in view.items() if key != "prompt"})
        assert client.infer(view)["actions"].shape == (4, 7)


def test_a_seed_of_the_request_goes_before_the_connections_own(serving, counting, view):
    with serving(counting, seed=10) as server, server.connect() as client, server.connect() as other:
        client.recv(QUICK), other.recv(QUICK)
        firsts = [ask(connection, message)["actions"][0, 0] for connection, message in ((client, view), (client, {**view, "seed": 99}), (client, view), (other, view))]
        assert firsts == [10, 99, 11, 10]
        assert ask(client, {"reset": True}) == {"reset": True}
        assert ask(client, view)["actions"][0, 0] == 10
        assert ask(client, {"reset": True, "seed": 50}) == {"reset": True}
        assert [ask(client, view)["actions"][0, 0] for _ in range(2)] == [50, 51]
        assert "a reset is" in ask(client, {"reset": True, "prompt": "go"})
        assert "a reset is" in ask(client, {"reset": False})


def test_without_a_seed_the_noise_is_free(serving, counting, view):
    with serving(counting) as server, server.connect() as client:
        client.recv(QUICK)
        ask(client, view)
    assert counting.asked == [("put carrot on plate", None)]


def test_requests_are_answered_in_the_order_they_came(serving, counting, view):
    counting.release.clear()
    with serving(counting) as server, ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(5)]
        for index, client in enumerate(clients):
            client.recv(QUICK)
            client.send(pack({**view, "seed": index}))
            until(lambda: server.worker.in_line == index + 1)
        counting.release.set()
        assert [unpack(client.recv(QUICK))["actions"][0, 0] for client in clients] == list(range(5))
    assert [seed for _, seed in counting.asked] == list(range(5))


def test_a_policy_that_breaks_says_no_more_than_its_kind_and_the_others_go_on(serving, counting, view):
    with serving(counting) as server, server.connect() as client, server.connect() as other:
        client.recv(QUICK), other.recv(QUICK)
        counting.failure = RuntimeError("secret path")
        answer = ask(client, view)
        assert "RuntimeError" in answer and "secret" not in answer
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(QUICK)
        assert closed.value.rcvd.code == 1011
        counting.failure = InputError("the instruction is empty")
        assert ask(other, view) == "the instruction is empty"
        counting.failure = None
        assert ask(other, view)["actions"].shape == (4, 7)


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=QUICK) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_health_is_told_to_everyone(serving, counting):
    with serving(counting, token=TOKEN) as server:
        assert get(server.port, "/healthz") == (200, "OK\n") and get(server.port, "/health") == (200, "OK\n")


def test_who_shows_no_token_is_turned_away(serving, counting, view):
    with serving(counting, token=TOKEN) as server:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            with pytest.raises(InvalidStatus) as refused:
                server.connect(additional_headers=headers)
            assert refused.value.response.status_code == 401
        with server.connect(additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            client.recv(QUICK)
            assert ask(client, view)["actions"].shape == (4, 7)
        assert real_client(server.port, api_key=TOKEN).infer(view)["actions"].shape == (4, 7)
    assert sum("turned away: 401" in line for line in server.log) == 2


def test_a_page_in_a_browser_is_turned_away(serving, counting):
    with serving(counting) as server, pytest.raises(InvalidStatus) as refused:
        server.connect(origin="http://evil.example")
    assert refused.value.response.status_code == 403


def test_another_path_is_told_which_there_are(serving, counting):
    with serving(counting) as server:
        status, text = get(server.port, "/predict")
    assert status == 404 and "/vla-eval" in text


def test_a_port_that_is_taken_is_named(serving, counting):
    with serving(counting) as server, pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        asyncio.run(serve(counting, default_keys(counting.embodiment), Settings(port=server.port), checkpoint="test"))


def test_one_line_a_client(serving, counting, view):
    with serving(counting) as server:
        with server.connect() as client:
            client.recv(QUICK)
            ask(client, view)
            ask(client, {"x": 1})
        until(lambda: len(server.log) == 1)
    assert "openpi: 1 chunks of" in server.log[0] and "1 refused" in server.log[0] and "closed 1000" in server.log[0]


def test_a_policy_of_two_arms_that_looks_through_two_cameras_is_served_as_well(serving):
    aloha = Counting("aloha", views=2)
    with serving(aloha) as server, server.connect() as client:
        told = unpack(client.recv(QUICK))
        view = {"observation/image": np.zeros((24, 32, 3), np.uint8), "observation/state": np.zeros(14), "prompt": "go", "seed": 1}
        assert "missing 'observation/cam_left_wrist'" in ask(client, view)
        answer = ask(client, {**view, "observation/cam_left_wrist": np.zeros((8, 8, 3), np.uint8)})
    assert [camera["required"] for camera in told["observation"]["cameras"]] == [True, True, False]
    assert answer["actions"].shape == (50, 14)


def test_the_greeting_and_the_answers_are_plain_msgpack(serving, counting, view):
    # What a client in another language sees: no type of ours, arrays as maps.
    with serving(counting) as server, server.connect() as client:
        assert isinstance(msgpack.unpackb(client.recv(QUICK))["actions"], dict)
        client.send(pack(view))
        actions = msgpack.unpackb(client.recv(QUICK))["actions"]
    assert actions[b"dtype"] == "<f8" and actions[b"shape"] == [4, 7] and len(actions[b"data"]) == 4 * 7 * 8
