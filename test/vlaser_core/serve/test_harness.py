"""The vla-evaluation-harness as it meets us: its own connection and episode runner where they are installed, and the bare wire."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from vlaser_core.errors import ConfigError
from vlaser_core.serve.arrays import pack_text_keys, unpack

from .conftest import QUICK, Counting

ALOHA_VIEW = {
    "images": {"cam_high": np.zeros((24, 32, 3), np.uint8), "cam_left_wrist": np.zeros((24, 32, 3), np.uint8)},
    "task_description": "put the cube in the box",
    "joint_state": np.arange(14.0),
}


def say(connection, kind: str, payload: dict, seq: int = 1) -> dict:
    connection.send(pack_text_keys({"type": kind, "payload": payload, "seq": seq, "timestamp": time.time()}))
    return unpack(connection.recv(QUICK))


def test_the_real_connection_is_greeted_and_gets_a_step_an_observation(serving):
    connection = pytest.importorskip("vla_eval.connection", reason="make setup installs vla-eval")
    aloha = Counting("aloha")

    async def episode(port: int) -> tuple[dict, list]:
        client = connection.Connection(f"ws://127.0.0.1:{port}/vla-eval", timeout=QUICK, max_retries=1)
        await client.connect(benchmark="test")
        await client.start_episode({"name": "cube"})
        actions = [await client.act(ALOHA_VIEW) for _ in range(5)]
        await client.end_episode({"success": False})
        await client.start_episode({"name": "cube"})
        actions.append(await client.act(ALOHA_VIEW))
        with pytest.raises(RuntimeError, match="missing 'images/cam_high'"):
            await client.start_episode({})
            await client.act({**ALOHA_VIEW, "images": {}})
        told = client.server_info
        await client.close()
        return told, actions

    with serving(aloha, seed=4, executed_steps=3) as server:
        told, actions = asyncio.run(episode(server.port))
    assert told["model_server"] == "vlaser" and told["protocol_version"] == 1
    assert told["action_spec"] == {"joints": {"name": "joints", "dims": 14, "format": "joint_positions"}}
    assert [action["actions"].shape for action in actions] == [(14,)] * 6
    # Three steps of a chunk, then it looks again; a new episode starts the seeds anew.
    assert [round(float(action["actions"][0]), 1) for action in actions] == [4.0, 4.1, 4.2, 5.0, 5.1, 4.0]
    assert set(aloha.observations[0].images) == {"cam_high", "cam_left_wrist"} and aloha.asked[0] == ("put the cube in the box", 4)


def test_the_real_episode_runner_plays_an_episode(serving):
    runners = pytest.importorskip("vla_eval.runners.sync_runner", reason="make setup installs vla-eval")
    base = pytest.importorskip("vla_eval.benchmarks.base")
    connection = pytest.importorskip("vla_eval.connection")

    class Table(base.StepBenchmark):
        """Ends well when it was given nine actions."""

        def __init__(self) -> None:
            super().__init__()
            self.taken = 0

        def get_tasks(self):
            return [{"name": "cube"}]

        def reset(self, task):
            return ALOHA_VIEW

        def step(self, action):
            assert action["actions"].shape == (14,)
            self.taken += 1
            return base.StepResult(obs=ALOHA_VIEW, reward=0.0, done=self.taken == 9, info={})

        def make_obs(self, raw_obs, task):
            return raw_obs

        def check_done(self, step_result):
            return step_result.done

        def get_step_result(self, step_result):
            return {"success": step_result.done}

        def get_action_spec(self):
            return {}

        def get_observation_spec(self):
            return {}

    async def episode(port: int) -> dict:
        async with connection.Connection(f"ws://127.0.0.1:{port}/vla-eval", timeout=QUICK, max_retries=1) as client:
            return await runners.SyncEpisodeRunner().run_episode(Table(), {"name": "cube"}, client, max_steps=20)

    aloha = Counting("aloha")
    with serving(aloha, executed_steps=4) as server:
        result = asyncio.run(episode(server.port))
    # It ran to its end at the ninth step: three looks at four steps each.
    assert result["metrics"]["success"] is True and result["steps"] == 9 and len(aloha.asked) == 3


def test_the_bare_wire_is_answered_in_kind(serving):
    with serving(Counting("aloha")) as server, server.connect("/vla-eval") as client:
        hello = say(client, "hello", {"harness_version": "0.8.0", "protocol_version": 1}, seq=7)
        assert hello["type"] == "hello" and hello["seq"] == 7 and set(hello) == {"type", "payload", "seq", "timestamp"}
        action = say(client, "observation", ALOHA_VIEW, seq=8)
        assert action["type"] == "action" and action["seq"] == 8 and action["payload"]["actions"].shape == (14,)


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("hello", {"protocol_version": 2}, "speaks protocol 2"),
        ("observation", {**ALOHA_VIEW, "task_description": None}, "'task_description' must be text"),
        ("observation", {"images": ALOHA_VIEW["images"], "joint_state": np.zeros(14)}, "missing 'task_description'"),
        ("observation", {"task_description": "go", "joint_state": np.zeros(14)}, "no map of 'images'"),
        ("observation", {**ALOHA_VIEW, "joint_state": np.zeros(7)}, "14 values"),
        ("observation", {"task_description": "go", "images": ALOHA_VIEW["images"]}, "none of joint_state, state, states"),
        ("observation", {**ALOHA_VIEW, "images": {"cam_high": np.zeros((24, 32), np.uint8)}}, "'images/cam_high' must be one RGB picture"),
        ("dance", {}, "unknown message type 'dance'"),
    ],
)
def test_what_is_wrong_is_an_error_message_and_the_next_one_is_answered(serving, kind, payload, reason):
    with serving(Counting("aloha")) as server, server.connect("/vla-eval") as client:
        answer = say(client, kind, payload, seq=3)
        assert answer["type"] == "error" and reason in answer["payload"]["error"] and answer["seq"] == 3
        assert say(client, "observation", ALOHA_VIEW)["type"] == "action"


@pytest.mark.parametrize("message", [{"type": "hello"}, [1], {"type": 3, "payload": {}, "seq": 1, "timestamp": 0}, {"type": "hello", "payload": 1, "seq": "x", "timestamp": 0}])
def test_what_is_no_message_of_the_protocol_is_an_error(serving, message):
    with serving(Counting("aloha")) as server, server.connect("/vla-eval") as client:
        client.send(pack_text_keys(message))
        assert "a message" in unpack(client.recv(QUICK))["payload"]["error"]


def test_garbage_is_an_error_message_and_the_end(serving):
    with serving(Counting("aloha")) as server, server.connect("/vla-eval") as client:
        client.send(b"\xc1")
        assert unpack(client.recv(QUICK))["type"] == "error"
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(QUICK)
        assert closed.value.rcvd.code == 1007


def test_more_steps_than_a_chunk_has_are_refused(serving):
    with pytest.raises(ConfigError, match="executed steps must be 1…50, got 51"), serving(Counting("aloha"), executed_steps=51):
        pass
