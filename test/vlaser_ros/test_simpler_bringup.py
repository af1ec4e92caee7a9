"""`vlaser up simpler` as real processes, with the stand-in simulator behind them."""

from __future__ import annotations

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_msgs.action import Execute  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.errors import ConfigError  # noqa: E402
from vlaser_ros.bringup import compose  # noqa: E402
from vlaser_ros.client import VlaserClient  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402
from vlaser_ros.up import Stack  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def test_the_simulator_owns_the_time_and_nobody_stands_between_policy_and_world():
    driver, server = compose("simpler", {"checkout": "SimplerEnv", "seed": "7"})
    assert (driver.executable, server.executable) == ("simpler_driver", "vlaser_server")
    assert driver.parameters["checkout"] == "SimplerEnv" and driver.parameters["seed"] == 7
    assert server.parameters["use_sim_time"] is True and server.parameters["proprio_topic"] == "proprio"
    google = compose("simpler", {"suite": "google_vm", "embodiment": "google_robot"})
    assert {spec.parameters["embodiment"] for spec in google} == {"google_robot"}
    with pytest.raises(ConfigError, match="unknown arguments"):
        compose("simpler", {"world": "tabletop"})


def test_an_episode_is_played_to_its_end_over_real_processes(simpler_checkout, tmp_path):
    domain = free_domain()
    specs = compose("simpler", {"checkout": str(simpler_checkout), "engine": "stand_in", "task": "widowx_carrot_on_plate", "seed": "3"})
    with Stack(specs, logs=tmp_path, environment={"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}) as stack:
        with VlaserClient(domain_id=domain, timeout=60.0) as client:
            client.wait_ready(90.0, sim=True, controller=False, poll=stack.check)
            state = client.world_state()
            assert (state.task, state.seed, state.steps, state.max_steps) == ("widowx_carrot_on_plate", 3, 0, 60)
            result = client.execute(state.instruction, seed=0, max_chunks=15)
            assert (result.outcome, result.error_code) == (Execute.Result.MAX_CHUNKS, ResultCode.NONE), result.error_msg
            result = client.execute(state.instruction, seed=0, max_chunks=1)
            assert result.error_code == ResultCode.WORLD_FAILED and "over after 60 steps" in result.error_msg
    for name in stack.processes:
        assert "Traceback" not in stack.last_words(name, 1000), stack.last_words(name, 1000)
