"""What the wire costs: round trips of real messages to a served policy, less the model's own time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
from websockets.sync.client import connect

from vlaser_core.errors import InputError
from vlaser_core.serve.arrays import pack, unpack
from vlaser_core.serve.background import in_background
from vlaser_core.serve.keys import Keys, default_keys
from vlaser_core.serve.settings import Settings
from vlaser_core.serve.worker import Policy


@dataclass(frozen=True)
class Report:
    """Milliseconds, as (median, 99th percentile, largest). wait: for other clients' chunks; overhead: round trip less model and wait."""

    clients: int
    requests: int
    message_bytes: int
    round_trip_ms: tuple[float, float, float]
    infer_ms: tuple[float, float, float]
    wait_ms: tuple[float, float, float]
    overhead_ms: tuple[float, float, float]

    def to_json(self) -> dict:
        return asdict(self)


def measure(policy: Policy, requests: int, clients: int = 1) -> Report:
    """Ask `requests` times, from each of `clients` connections, with pictures of the contract's sizes. Raises InputError for none."""
    if min(requests, clients) < 1:
        raise InputError(f"at least one request of one client is timed, got {requests} of {clients}")
    keys = default_keys(policy.embodiment)
    message = pack(example(policy, keys))
    with in_background(policy, keys, Settings(port=0, max_connections=clients), checkpoint="bench") as server, ThreadPoolExecutor(clients) as pool:
        rows = np.concatenate(list(pool.map(lambda _: _ask(server.url, message, requests), range(clients))))
    columns = [*rows.T, rows[:, 0] - rows[:, 1] - rows[:, 2]]
    spread = [tuple(round(float(value), 3) for value in (np.median(column), np.quantile(column, 0.99), column.max())) for column in columns]
    return Report(clients, requests, len(message), *spread)


def example(policy: Policy, keys: Keys) -> dict:
    """A message that the policy answers: noise for pictures, so that nothing is cheaper than it would be."""
    noise = np.random.default_rng(0)
    sizes = {camera.name: (camera.height, camera.width, 3) for camera in policy.embodiment.cameras}
    pictures = {key: noise.integers(0, 256, sizes[name], dtype=np.uint8) for key, name in keys.cameras.items() if name in policy.cameras}
    state = np.array([home for arm in policy.embodiment.arms for home in (*arm.home, 1.0)])
    return {**pictures, keys.state[0]: np.resize(state, policy.embodiment.proprio_dim), keys.prompt: "put carrot on plate"}


def _ask(url: str, message: bytes, requests: int) -> np.ndarray:
    """(requests, 3) milliseconds: round trip, model, wait. One more goes before and is not counted."""
    rows = []
    with connect(url, compression=None, max_size=None, open_timeout=60) as client:
        client.recv()
        for _ in range(requests + 1):
            began = time.perf_counter()
            client.send(message)
            timing = unpack(client.recv())["server_timing"]
            rows.append(((time.perf_counter() - began) * 1000, timing["infer_ms"], timing["wait_ms"]))
    return np.array(rows[1:])
