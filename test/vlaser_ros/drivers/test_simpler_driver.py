"""SimplerEnv over ROS, with the stand-in simulator: the same chunks come to the same as without ROS."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from rclpy.context import Context  # noqa: E402
from rclpy.executors import ExternalShutdownException  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from vlaser_msgs.action import Execute  # noqa: E402
from vlaser_msgs.msg import ActionChunk as ChunkMessage  # noqa: E402
from vlaser_msgs.msg import ChunkVerdict, ResultCode  # noqa: E402

from sim_bridge.simpler.installation import find_installation  # noqa: E402
from sim_bridge.simpler.link import SimulatorLink  # noqa: E402
from sim_bridge.simpler.policies import CheckpointPolicy  # noqa: E402
from sim_bridge.simpler.rollout import policy_seed, run_episode  # noqa: E402
from sim_bridge.simpler.suites import suite  # noqa: E402
from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.types import ActionChunk  # noqa: E402
from vlaser_ros.client import VlaserClient  # noqa: E402
from vlaser_ros.domains import free_domain  # noqa: E402
from vlaser_ros.executor import PooledExecutor  # noqa: E402
from vlaser_ros.messages import chunk_message  # noqa: E402

pytestmark = pytest.mark.ros

WIDOWX = load_embodiment("widowx")
PATIENCE = 60.0  # s for what takes milliseconds on an idle machine
SPOON = "widowx_spoon_on_towel"


class Seeing:
    """A policy that finds the things in the picture, its hand in the state, and a tremble in the seed: every input decides.

    predict: as an engine's, so that server and evaluation ask it alike.
    """

    embodiment = WIDOWX

    def predict(self, observation, instruction, *, seed=None, steps=None):
        assert instruction == "put the spoon on the towel"
        picture, (x, y, z, *_, openness) = observation.images["image_0"], observation.proprio
        source, target = self._find(picture, (200, 120, 30)), self._find(picture, (40, 60, 200))
        hand = np.array([x, y, z])
        if openness < 0.5:
            there = np.linalg.norm(target - hand[:2]) < 0.01
            goal, grip = np.array([*target, 0.09 if there else 0.12]), 0.0
            if there and z < 0.1:
                grip = 1.0
            elif z < 0.08:
                goal[:2] = hand[:2]
        elif np.linalg.norm(source - target) < 0.03:
            goal, grip = np.array([*target, 0.16]), 1.0
        else:
            there = np.linalg.norm(source - hand[:2]) < 0.008
            goal, grip = np.array([*source, 0.02 if there else 0.1]), 0.0 if there and z < 0.032 else 1.0
        way = np.clip(goal - hand, -0.04, 0.04) + 0.0005 * np.random.default_rng(seed).normal(size=3)
        actions = np.zeros((4, 7))
        actions[0, :3], actions[:, 6] = way, grip
        return ActionChunk(actions, observation.stamp, self.embodiment.action.dt, 0.001)

    @staticmethod
    def _find(picture, colour) -> np.ndarray:
        rows, columns = np.nonzero((picture == colour).all(axis=2))
        return np.array([0.3 + (rows.mean() + 0.5 - 200) / 800, (320 - columns.mean() - 0.5) / 1500])


class Site:
    def __init__(self, driver, server, client) -> None:
        self.driver, self.server, self.client = driver, server, client


def until(condition, what: str):
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE} s"
        time.sleep(0.01)
    return value


@contextmanager
def running(checkout, **parameters):
    """Driver, server and client in this process, on a domain of their own."""
    import rclpy

    from vlaser_ros.drivers.simpler_node import SimplerDriver
    from vlaser_ros.server.node import THREADS, VlaserServer

    domain, context = free_domain(), Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)

    def made(kind, values):
        return kind(context=context, parameter_overrides=[Parameter(name, value=value) for name, value in values.items()])

    driver = made(SimplerDriver, {"checkout": str(checkout), "image_topics": ["front"], **parameters})
    values = {"engine": "stand_in", "image_topics": ["front"], "use_sim_time": True, "proprio_topic": "proprio"}
    server = made(VlaserServer, {**values, "controller_timeout": PATIENCE, "verdict_timeout": PATIENCE, "observation_timeout": PATIENCE, "default_timeout": 600.0, "max_observation_age": 60.0})
    executor = PooledExecutor(THREADS + 2, context=context)
    for node in (driver, server):
        executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            return

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        with VlaserClient(domain_id=domain, timeout=PATIENCE) as client:
            driver.begin()
            server.begin()
            client.wait_ready(PATIENCE, sim=True, controller=False)
            until(lambda: server.clock.now() > 0, "simulated time")
            yield Site(driver, server, client)
    finally:
        driver.goodbye()
        server.goodbye()
        executor.shutdown(timeout_sec=5.0)
        thread.join(timeout=5.0)
        if server.action is not None:
            server.action.destroy()
        for node in (driver, server):
            node.destroy_node()
        context.try_shutdown()


@pytest.fixture(scope="module")
def site(simpler_checkout):
    from vlaser_ros.server import node

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node, "load_engine", lambda setup: Seeing())
        with running(simpler_checkout) as made:
            yield made


@pytest.fixture(scope="module")
def link(simpler_checkout):
    with SimulatorLink(find_installation(simpler_checkout)) as made:
        yield made


def drive(site, seed: int, **options):
    """One episode over ROS: the result, and what the world says at its end."""
    episode = site.driver.loop.world.episode(SPOON, seed)
    instruction = site.client.reset_world(SPOON, seed=seed)
    result = site.client.execute(instruction, seed=policy_seed(episode), **options)
    world = site.driver.loop.world
    return result, world.actions, world.success, world.steps


def test_the_same_seeds_give_the_same_actions_and_successes_as_without_ros(site, link, seed=5):
    episode = [episode for episode in suite("widowx") if episode.task == SPOON][seed]
    alone = run_episode(link, episode, CheckpointPolicy(Seeing()))
    result, actions, success, steps = drive(site, seed, max_chunks=15)
    assert result.error_code == ResultCode.NONE, result.error_msg
    assert (actions, success, steps) == (alone.actions, alone.success, alone.steps)
    other = run_episode(link, episode, CheckpointPolicy(Seeing()), seed=1)
    assert other.actions != actions  # the comparison can tell


def test_a_policy_that_looks_after_every_step_succeeds_over_ros_as_it_does_alone(site, link):
    episode = [episode for episode in suite("widowx") if episode.task == SPOON][2]
    alone = run_episode(link, episode, CheckpointPolicy(Seeing()), executed_steps=1)
    result, actions, success, steps = drive(site, 2, max_chunks=60, executed_steps=1)
    assert alone.success and success and (actions, steps) == (alone.actions, alone.steps) and result.chunks_rejected == 0


def test_after_the_last_step_chunks_are_refused_with_the_reason(site):
    result, _, _, steps = drive(site, 1)
    assert steps == 60 and result.error_code == ResultCode.WORLD_FAILED and "over after 60 steps" in result.error_msg


def test_an_episode_that_there_is_not_is_refused_and_the_present_one_goes_on(site):
    site.client.reset_world(SPOON, seed=3)
    for task, seed, told in ((SPOON, 240, "0…239"), ("fly", 0, "known: widowx_spoon")):
        with pytest.raises(Exception, match=told):
            site.client.reset_world(task, seed=seed)
    assert site.client.execute("put the spoon on the towel", max_chunks=1, seed=0).outcome == Execute.Result.MAX_CHUNKS
    assert site.driver.loop.world.seed == 3


def test_chunks_that_are_none_are_answered_with_what_is_wrong(site):
    site.client.reset_world(SPOON, seed=0)
    verdicts: list[ChunkVerdict] = []
    node = site.client.node
    listening = node.create_subscription(ChunkVerdict, "vlaser/chunk_verdict", verdicts.append, 10)
    publisher = node.create_publisher(ChunkMessage, "vlaser/action_chunk", 10)
    until(lambda: publisher.get_subscription_count() and site.driver.verdicts.get_subscription_count() > 1, "discovery")

    def judged(**changes) -> ChunkVerdict:
        chunk = ActionChunk(np.zeros((4, 7)), site.driver.loop.now, 0.2, 0.0)
        message = chunk_message(chunk, WIDOWX, sequence=site.server.outlet.number(), goal_id="test", executed_steps=4)
        for name, value in changes.items():
            setattr(message, name, value)
        publisher.publish(message)
        return until(lambda: next((verdict for verdict in verdicts if verdict.sequence == message.sequence), None), "a verdict")

    assert judged().accepted
    until(lambda: site.driver.loop.world.steps == 4, "the execution of a chunk")
    assert judged(embodiment="aloha").code == ResultCode.GATE_SHAPE
    assert judged(dt=0.1).code == ResultCode.GATE_SHAPE
    assert judged(data=[float("nan")] * 28).code == ResultCode.GATE_NOT_FINITE
    assert judged(data=[0.0] * 27).code == ResultCode.GATE_SHAPE
    stale = judged(header=chunk_message(ActionChunk(np.zeros((4, 7)), 5.0, 0.2, 0.0), WIDOWX, sequence=0, goal_id="", executed_steps=4).header)
    assert stale.code == ResultCode.WORLD_FAILED and "before the scene last changed" in stale.reason
    last = judged()
    assert last.accepted
    verdicts.clear()
    assert judged(sequence=last.sequence).code == ResultCode.GATE_SEQUENCE
    until(lambda: site.driver.loop.world.steps == 8, "the execution of another")
    node.destroy_subscription(listening)
    node.destroy_publisher(publisher)


def test_a_simulator_that_dies_is_begun_anew_and_the_goal_is_told(site):
    site.client.reset_world(SPOON, seed=4)
    told = []

    def kill(feedback) -> None:
        told.append(feedback)
        if len(told) == 2:
            import os
            import signal

            os.kill(site.driver.loop.world._link.pid, signal.SIGKILL)

    result = site.client.execute("put the spoon on the towel", seed=0, max_chunks=15, feedback=kill)
    assert result.error_code == ResultCode.WORLD_FAILED and "begun anew" in result.error_msg
    assert site.driver.loop.restarts == 1 and site.driver.loop.world.steps == 0
    result, _, _, steps = drive(site, 4, max_chunks=15)
    assert result.error_code == ResultCode.NONE and steps == 60
