"""Real processes for tests: each test module gets its own ROS domain, and nothing it started outlives it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest


@pytest.fixture(scope="session", autouse=True)
def local_discovery() -> Iterator[None]:
    """Keep DDS discovery on this machine: other people's robots are not part of a test."""
    before = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE")
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    yield
    if before is None:
        del os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"]
    else:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = before


# A test machine may be busy: what arrives late there is not what these tests are about, unless they say so themselves.
PATIENT = {
    "vlaser_server": {"max_observation_age": 3.0, "joint_states_tolerance": 0.3, "observation_timeout": 5.0, "controller_timeout": 20.0, "verdict_timeout": 5.0},
    "chunk_controller": {"max_observation_age": 3.0, "joint_states_tolerance": 0.3, "joint_states_timeout": 3.0},
}


class Robot:
    """A running stack and a client for it."""

    def __init__(self, stack, client, domain: int) -> None:
        self.stack, self.client, self.domain = stack, client, domain

    def process(self, name: str) -> psutil.Process:
        return psutil.Process(self.stack.processes[name].pid)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """`with running(overrides, without=(...)) as robot:` starts the tabletop bring-up on a domain of its own."""
    pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")
    from vlaser_ros.bringup import compose
    from vlaser_ros.client import VlaserClient
    from vlaser_ros.domains import free_domain
    from vlaser_ros.up import Stack

    @contextmanager
    def start(overrides: dict | None = None, *, without: tuple[str, ...] = (), parameters: dict | None = None) -> Iterator[Robot]:
        domain = free_domain()
        specs = [spec for spec in compose("tabletop", {"engine": "stand_in", "world": "stand_in", **(overrides or {})}) if spec.executable not in without]
        for spec in specs:
            spec.parameters.update({**PATIENT.get(spec.executable, {}), **(parameters or {}).get(spec.executable, {})})
        logs = tmp_path_factory.mktemp("logs")
        with Stack(specs, logs=logs, environment={"ROS_DOMAIN_ID": str(domain)}) as stack:
            family = [psutil.Process(process.pid) for process in stack.processes.values()]
            with VlaserClient(domain_id=domain, timeout=20.0) as client:
                client.wait_ready(60.0, sim="sim_driver" not in without, controller="chunk_controller" not in without, poll=stack.check)
                yield Robot(stack, client, domain)
        assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE], "a process was left behind"
        for name in stack.processes:
            assert "Traceback" not in stack.last_words(name, 1000), stack.last_words(name, 1000)

    return start
