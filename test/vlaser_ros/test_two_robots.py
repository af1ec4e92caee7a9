"""Two robots side by side in one ROS domain, each in a namespace: both move at once and neither hears the other."""

from __future__ import annotations

import dataclasses
import time

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from vlaser_msgs.action import Execute  # noqa: E402
from vlaser_msgs.msg import ActionChunk, ResultCode  # noqa: E402

from vlaser_ros.bringup import ProcessSpec, compose  # noqa: E402
from vlaser_ros.client import VlaserClient  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402
from vlaser_ros.up import Stack  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]
SIDES = ("left", "right")
PATIENT = {
    "vlaser_server": {"max_observation_age": 3.0, "joint_states_tolerance": 0.3, "observation_timeout": 10.0, "controller_timeout": 20.0, "verdict_timeout": 10.0, "image_topics": ["camera"]},
    "chunk_controller": {"max_observation_age": 3.0, "joint_states_tolerance": 0.3, "joint_states_timeout": 3.0, "trajectory_topic": "trajectory"},
    "sim_driver": {"trajectory_topic": "trajectory", "image_topics": ["camera"]},
}


def side_specs(side: str) -> list[ProcessSpec]:
    """The tabletop's processes in a namespace, with every topic relative to it."""
    return [
        dataclasses.replace(spec, parameters={**spec.parameters, **PATIENT[spec.executable]}, remappings=(("__ns", f"/{side}"),))
        for spec in compose("tabletop", {"engine": "stand_in", "world": "stand_in"})
    ]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    domain = free_domain()
    environment = {"ROS_DOMAIN_ID": str(domain)}
    logs = tmp_path_factory.mktemp("logs")
    with (
        Stack(side_specs("left"), logs=logs / "left", environment=environment) as left,
        Stack(side_specs("right"), logs=logs / "right", environment=environment) as right,
        VlaserClient(domain_id=domain, namespace="left", name="left_client", timeout=20.0) as first,
        VlaserClient(domain_id=domain, namespace="right", name="right_client", timeout=20.0) as second,
    ):
        for client, stack in ((first, left), (second, right)):
            client.wait_ready(90.0, sim=True, poll=stack.check)
        yield {"left": first, "right": second}


def test_both_execute_at_once_and_each_reaches_its_own_goal(pair):
    heard: dict[str, list[ActionChunk]] = {side: [] for side in SIDES}
    for side, client in pair.items():
        client.node.create_subscription(ActionChunk, "vlaser/action_chunk", heard[side].append, 50)
    for seed, client in enumerate(pair.values()):
        client.reset_world(seed=seed + 3)
    for client in pair.values():
        client.send("go to the middle", max_chunks=4)
    assert not any(client.is_done() for client in pair.values()), "both are under way"
    for side, client in pair.items():
        result = client.result(60.0)
        assert (result.outcome, result.error_code) == (Execute.Result.MAX_CHUNKS, ResultCode.NONE), f"{side}: {result.error_msg}"
        assert client.world_state().steps > 0
    goals = {side: {chunk.goal_id for chunk in chunks} for side, chunks in heard.items()}
    assert all(len(ids) == 1 for ids in goals.values()) and goals["left"] != goals["right"]


def test_stopping_one_leaves_the_other_moving(pair):
    for client in pair.values():
        client.reset()
        client.reset_world(seed=4)
        client.send("go to the middle", max_chunks=3)
    pair["left"].estop()
    assert pair["left"].result(60.0).error_code == ResultCode.GATE_ESTOP
    assert pair["right"].result(60.0).error_code == ResultCode.NONE
    pair["left"].reset()


def test_diagnostics_tell_whose_they_are_and_no_topic_but_theirs_is_shared(pair):
    names: set[tuple[str, str]] = set()
    node = pair["left"].node
    parts = ("vlaser_server: policy", "chunk_controller: gate", "sim_driver: world")
    wanted = {(f"{side}/{part}", f"{side}/widowx") for side in SIDES for part in parts}

    def note(report: DiagnosticArray) -> None:
        names.update((status.name, status.hardware_id) for status in report.status)

    subscription = node.create_subscription(DiagnosticArray, "/diagnostics", note, 10)
    deadline = time.monotonic() + 20.0
    while not wanted <= names and time.monotonic() < deadline:
        time.sleep(0.05)
    node.destroy_subscription(subscription)
    assert wanted <= names
    shared = {name for name, _ in node.get_topic_names_and_types() if not name.startswith(("/left/", "/right/"))}
    assert shared <= {"/diagnostics", "/parameter_events", "/rosout", "/clock"}, shared

