"""The real SimplerEnv, where `--simpler-checkout` gives one. Tasks whose assets are missing there are skipped by name."""

from __future__ import annotations

import numpy as np
import pytest

from sim_bridge.simpler import assets
from sim_bridge.simpler.evaluate import choose
from sim_bridge.simpler.installation import find_installation
from sim_bridge.simpler.link import SimulatorLink
from sim_bridge.simpler.oracle import Oracle
from sim_bridge.simpler.policies import ZeroPolicy
from sim_bridge.simpler.rollout import run_episode
from sim_bridge.simpler.suites import suite, tasks_of
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError
from vlaser_core.processing.proprio import proprio_from_joints

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def place(real_simpler_checkout):
    return find_installation(real_simpler_checkout)


@pytest.fixture(scope="module")
def simulator(place):
    with SimulatorLink(place) as link:
        yield link


def first(place, name: str, task: str):
    episode = choose(suite(name), 1, (task,))[0]
    try:
        assets.check(place, [episode])
    except ConfigError as error:
        pytest.skip(str(error))
    return episode


@pytest.mark.parametrize("task", tasks_of("widowx"))
def test_the_oracle_succeeds_and_the_zero_policy_does_not(place, simulator, task):
    episode = first(place, "widowx", task)
    robot = load_embodiment("widowx")
    assert run_episode(simulator, episode, Oracle(robot)).success
    assert not run_episode(simulator, episode, ZeroPolicy(robot)).success_any


@pytest.mark.parametrize("task", ["pick_coke_can", "move_near"])
def test_the_google_robots_oracle_succeeds_too(place, simulator, task):
    assert run_episode(simulator, first(place, "google_vm", task), Oracle(load_embodiment("google_robot"))).success


def test_an_episode_repeats_itself_to_the_last_bit(place, simulator):
    episode = first(place, "widowx", "widowx_stack_cube")
    views = []
    for _ in range(2):
        simulator.ask("episode", env_id=episode.env_id, build=dict(episode.build), reset=dict(episode.reset), seed=episode.seed, camera=episode.robot.camera)
        views.append(simulator.ask("act", {"actions": np.tile([0.01, 0.005, -0.01, 0, 0, 0.1, 1.0], (8, 1))}, every=False)[1])
    for name in views[0]:
        np.testing.assert_array_equal(views[0][name], views[1][name])


def test_the_stand_in_answers_in_the_real_ones_shapes(place, simulator, link):
    episode = first(place, "widowx", "widowx_stack_cube")
    told = []
    for made in (simulator, link):
        begun = made.ask("episode", env_id=episode.env_id, build=dict(episode.build), reset=dict(episode.reset), seed=episode.seed, camera=episode.robot.camera)
        acted, truth = made.ask("act", {"actions": np.zeros((2, 7))}, every=True), made.ask("truth")
        told.append([(sorted(fields), {name: (array.shape, array.dtype) for name, array in arrays.items()}) for fields, arrays in (begun, acted, truth)])
    assert told[0] == told[1]


def test_the_google_robots_contract_states_what_the_simulator_states(place, simulator):
    episode = first(place, "google_vm", "drawer")
    build = {name: value for name, value in episode.build.items() if name != "shader_dir"}  # rasterised: this is not about pictures
    _, arrays = simulator.ask("episode", env_id=episode.env_id, build=build, reset=dict(episode.reset), seed=episode.seed, camera=episode.robot.camera)
    from sim_bridge.simpler.robots import Adapter

    robot = load_embodiment("google_robot")
    stated = Adapter(episode.robot, robot).proprio(arrays["eef"], float(arrays["openness"][0]))
    np.testing.assert_allclose(stated, proprio_from_joints(robot, arrays["joints"][:7], arrays["openness"]), atol=2e-6)
