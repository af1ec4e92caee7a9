"""openpi's websocket protocol, as Physical-Intelligence/openpi serves it (packages/openpi-client, version 0.1.2).

The server speaks first: a map that describes the policy. Then each binary message is an observation and is answered by
`{"actions": (H, A), "server_timing": {...}}`; a text frame says what was wrong. Ours adds: `seed` in a message, and the message
`{"reset": true}`, which starts the connection's seeds anew. Actions are in the robot's units, one row a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from vlaser_core.errors import InputError
from vlaser_core.serve.arrays import pack
from vlaser_core.serve.keys import RESET, SEED, Keys, request_of, seed_of
from vlaser_core.serve.session import MILLISECONDS, Seeds, Tally
from vlaser_core.serve.worker import Policy, Worker


def describe(policy: Policy, keys: Keys, checkpoint: str) -> dict:
    """The greeting: what to send, what comes back. Plain values alone."""
    embodiment, cameras = policy.embodiment, {name: key for key, name in keys.cameras.items()}
    action = embodiment.action
    return {
        "server": "vlaser",
        "checkpoint": checkpoint,
        "embodiment": embodiment.name,
        "description": embodiment.description,
        "observation": {
            "cameras": [
                {"key": cameras[camera.name], "camera": camera.name, "height": camera.height, "width": camera.width, "required": camera.name in policy.cameras}
                for camera in embodiment.cameras
                if camera.name in cameras
            ],
            "pictures": "RGB uint8 (height, width, 3) of any size, not padded: the policy sees the whole picture stretched to a square",
            "state": {"keys": list(keys.state), "kind": embodiment.proprio.kind, "names": list(embodiment.proprio.names)},
            "prompt": keys.prompt,
            "default_prompt": keys.default_prompt,
            "ignored": list(keys.ignore),
            "optional": {SEED: "whole number: the same seed gives the same chunk"},
        },
        "actions": {
            "kind": action.kind,
            "names": list(action.names),
            "frame": action.frame,
            "horizon": action.horizon,
            "rate_hz": action.rate_hz,
            "gripper_dims": list(action.gripper_dims),
            "units": "metres, radians; gripper 0 closed to 1 open",
        },
        RESET: {RESET: True, SEED: "optional: of the next chunk, counted on from there"},
    }


class OpenPi:
    """One client of openpi's."""

    protocol = "openpi"

    def __init__(self, worker: Worker, keys: Keys, metadata: Mapping, seeds: Seeds) -> None:
        self._worker, self._keys, self._metadata, self._seeds, self.tally = worker, keys, metadata, seeds, Tally()
        self._began = 0.0
        self._last_total_s: float | None = None

    def greeting(self) -> bytes:
        return pack(self._metadata)

    def refusal(self, reason: str, message: object = None) -> str:
        return reason

    async def answer(self, message: object, gone: Callable[[], bool]) -> bytes:
        self._began = time.perf_counter()
        if isinstance(message, Mapping) and RESET in message:
            return self._reset(message)
        policy = self._worker.policy
        request = request_of(message, self._keys, policy.embodiment, policy.cameras, stamp=time.time())
        computed = await self._worker.run(request, self._seeds.take(request.seed), gone)
        self.tally.computed(computed.inference_s)
        timing = {"infer_ms": computed.inference_s * MILLISECONDS, "wait_ms": computed.waited_s * MILLISECONDS}
        if self._last_total_s is not None:
            timing["prev_total_ms"] = self._last_total_s * MILLISECONDS
        return pack({"actions": computed.chunk.actions, "server_timing": timing})

    def sent(self) -> None:
        self._last_total_s = time.perf_counter() - self._began

    def _reset(self, message: Mapping) -> bytes:
        if message[RESET] is not True or set(message) - {RESET, SEED}:
            raise InputError(f"a reset is {{{RESET!r}: True}}, with {SEED!r} beside it or nothing; got {sorted(map(str, message))}")
        self._seeds.reset(seed_of(message.get(SEED)))
        return pack({RESET: True})
