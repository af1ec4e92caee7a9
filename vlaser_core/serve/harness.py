"""The vla-evaluation-harness' protocol to a model server (allenai/vla-evaluation-harness, protocol version 1; read at vla-eval 0.8.0).

Both sides send maps `{type, payload, seq, timestamp}`. The client says hello and is told what the policy needs; `episode_start` and
`episode_end` are not answered; each `observation` is answered by the `action` of one step, an `error` where something is wrong. The steps of
a chunk are handed out one by one, and the policy looks again when they are used up.

How a benchmark names its cameras and state, and how it wants actions, is an `Adapter`; `Plain` takes the robot's own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

import vlaser_core
from vlaser_core.errors import InputError
from vlaser_core.serve.arrays import pack_text_keys
from vlaser_core.serve.keys import Request, numbers, picture, text
from vlaser_core.serve.session import Seeds, Tally
from vlaser_core.serve.worker import Policy, Worker
from vlaser_core.types import Observation

PROTOCOL_VERSION = 1
STATE_KEYS = ("joint_state", "state", "states")


class Adapter(Protocol):
    """A benchmark's conventions turned into the robot's."""

    def needs(self) -> dict:
        """What the hello says: `observation_params` for the benchmark, `action_spec` and `observation_spec` to compare with its own."""

    def view(self, payload: Mapping) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Pictures by the contract's camera, and proprioception. Raises InputError."""

    def action(self, action: np.ndarray) -> np.ndarray:
        """The benchmark's action of one step, from the policy's (A,)."""


class Plain:
    """Pictures under the contract's camera names, the state as the contract has it, actions as the policy gives them."""

    def __init__(self, policy: Policy) -> None:
        self._embodiment, self._cameras = policy.embodiment, policy.cameras

    def needs(self) -> dict:
        robot = self._embodiment
        name, form = ("joints", "joint_positions") if robot.action.kind == "joints" else ("actions", robot.action.kind)
        return {"action_spec": {name: {"name": name, "dims": robot.action_dim, "format": form}}}

    def view(self, payload: Mapping) -> tuple[dict[str, np.ndarray], np.ndarray]:
        robot = self._embodiment
        state = next((payload[key] for key in STATE_KEYS if key in payload), None)
        if state is None:
            raise InputError(f"the observation has none of {', '.join(STATE_KEYS)}, the state {robot.proprio.names}; it has {sorted(map(str, payload))}")
        values = numbers(state, "state")
        if values.shape != (robot.proprio_dim,):
            raise InputError(f"the state must be {robot.proprio_dim} values {robot.proprio.names}, got {values.size}")
        return images_of(payload, {camera.name: camera.name for camera in robot.cameras}, self._cameras), values

    def action(self, action: np.ndarray) -> np.ndarray:
        return action


def images_of(payload: Mapping, names: Mapping[str, str], cameras: Sequence[str]) -> dict[str, np.ndarray]:
    """Pictures by the contract's camera. names: the contract's name → the benchmark's. cameras: those that must be there, by the
    contract's names. Raises InputError naming the first that is missing."""
    images = payload.get("images")
    if not isinstance(images, Mapping):
        raise InputError(f"the observation has no map of 'images'; it has {sorted(map(str, payload))}")
    missing = [names[name] for name in cameras if names[name] not in images]
    if missing:
        raise InputError(f"missing 'images/{missing[0]}'; the observation has {sorted(map(str, images))}")
    return {name: picture(images[theirs], f"images/{theirs}") for name, theirs in names.items() if theirs in images}


class Harness:
    """One connection of the harness: episodes one after the other."""

    protocol = "vla-eval"

    def __init__(self, worker: Worker, adapter: Adapter, executed_steps: int, seeds: Seeds) -> None:
        self._worker, self._adapter, self._executed, self._seeds, self.tally = worker, adapter, executed_steps, seeds, Tally()
        self._steps: deque[np.ndarray] = deque()

    def greeting(self) -> None:
        return None

    def refusal(self, reason: str, message: object = None) -> bytes:
        return self._say("error", {"error": reason}, message)

    async def answer(self, message: object, gone: Callable[[], bool]) -> bytes | None:
        kind, payload = _envelope(message)
        if kind == "hello":
            return self._hello(payload, message)
        if kind in ("episode_start", "episode_end"):
            self._steps.clear()
            self._seeds.reset()
            return None
        if kind == "observation":
            if not self._steps:
                await self._look(payload, gone)
            return self._say("action", {"actions": self._adapter.action(self._steps.popleft())}, message)
        if kind == "error":
            return None
        raise InputError(f"unknown message type {kind!r:.60}; known: hello, episode_start, observation, episode_end, error")

    def _hello(self, payload: Mapping, message: object) -> bytes:
        if payload.get("protocol_version", PROTOCOL_VERSION) != PROTOCOL_VERSION:
            raise InputError(f"the client speaks protocol {payload['protocol_version']!r:.20}, this server {PROTOCOL_VERSION}")
        server = {"harness_version": f"vlaser {vlaser_core.__version__}", "protocol_version": PROTOCOL_VERSION}
        return self._say("hello", {**server, "model_server": "vlaser", "capabilities": {}, **self._adapter.needs()}, message)

    async def _look(self, payload: Mapping, gone: Callable[[], bool]) -> None:
        if "task_description" not in payload:
            raise InputError(f"missing 'task_description', the instruction; the observation has {sorted(map(str, payload))}")
        instruction = text(payload["task_description"], "task_description")
        images, state = self._adapter.view(payload)
        request = Request(Observation(images, state, time.time()), instruction, None)
        computed = await self._worker.run(request, self._seeds.take(None), gone)
        self.tally.computed(computed.inference_s)
        self._steps.extend(computed.chunk.actions[: self._executed])

    def sent(self) -> None:
        pass

    def _say(self, kind: str, payload: dict, message: object) -> bytes:
        seq = message.get("seq", 0) if isinstance(message, Mapping) else 0
        return pack_text_keys({"type": kind, "payload": payload, "seq": seq if isinstance(seq, int) else 0, "timestamp": time.time()})


def _envelope(message: object) -> tuple[str, Mapping]:
    wanted = ("type", "payload", "seq", "timestamp")
    if not isinstance(message, Mapping) or any(key not in message for key in wanted):
        raise InputError(f"a message is a map with {', '.join(wanted)}, got {sorted(map(str, message)) if isinstance(message, Mapping) else type(message).__name__}")
    if not isinstance(message["type"], str) or not isinstance(message["payload"], Mapping):
        raise InputError("a message's type is text and its payload a map")
    return message["type"], message["payload"]
