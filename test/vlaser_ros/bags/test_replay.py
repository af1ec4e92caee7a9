"""A bag played into a live stack: the same messages, on the recording's clock, at any rate."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from vlaser_msgs.action import Execute

from vlaser_ros.bringup import compose
from vlaser_ros.client import VlaserClient
from vlaser_ros.domains import free_domain
from vlaser_ros.images import colour
from vlaser_ros.messages import to_seconds
from vlaser_ros.up import Stack

from .conftest import IMAGES, JOINTS, ROBOT, START, picture

pytestmark = pytest.mark.ros
PATIENCE = 60.0  # s
SECONDS = 40.0  # of the bag that a stack plays


def home(time: float) -> np.ndarray:
    return np.array(ROBOT.arms[0].home)


@pytest.fixture(scope="module")
def long_bag(episode, tmp_path_factory):
    return episode(SECONDS, joints_at=home, size=(80, 60)).write(tmp_path_factory.mktemp("bag") / "long.mcap")


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0])
def test_a_live_stack_acts_on_a_bag_at_any_rate(long_bag, tmp_path, rate):
    """Ages are judged on the recording's clock: what was fresh then is fresh now, however fast it is played."""
    domain, ages = free_domain(), []
    specs = compose("replay", {"bag": str(long_bag), "rate": rate, "engine": "stand_in"})
    for spec in specs:
        if spec.executable == "vlaser_server":
            # The stand-in thinks in real time; at three times the rate it takes three times as long on this clock.
            spec.parameters.update({"stand_in_delay": 0.01, "max_observation_age": 3.0, "joint_states_tolerance": 0.3, "controller_timeout": 20.0, "verdict_timeout": 10.0})
        if spec.executable == "chunk_controller":
            spec.parameters.update({"joint_states_tolerance": 0.3, "joint_states_timeout": 3.0})
    with Stack(specs, logs=tmp_path / "logs", environment={"ROS_DOMAIN_ID": str(domain)}) as stack:
        family = [psutil.Process(process.pid) for process in stack.processes.values()]
        with VlaserClient(domain_id=domain, timeout=PATIENCE) as client:
            ticks: set[float] = set()
            client.node.create_subscription(Clock, "/clock", lambda message: ticks.add(to_seconds(message.clock)), 10)
            client.wait_ready(PATIENCE, poll=stack.check)
            deadline = time.monotonic() + PATIENCE
            while len(ticks) < 5:  # the player waits for listeners; from then on time goes by
                stack.check()
                assert time.monotonic() < deadline, "the clock stands still"
                time.sleep(0.05)
            stamps = []

            def hear(feedback: Execute.Feedback) -> None:
                ages.append(feedback.observation_age)
                stamps.append(to_seconds(feedback.chunk.header.stamp))

            result = client.execute("reach", max_chunks=3, feedback=hear)
    assert result.outcome == Execute.Result.MAX_CHUNKS and result.chunks_accepted == 3, result
    assert len(stamps) >= 3 and all(START <= stamp <= START + SECONDS for stamp in stamps) and stamps == sorted(stamps)
    assert all(-0.1 < age < 3.0 for age in ages), ages
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


class Ears:
    """What arrives on a domain, as (topic, stamp, wall time, message)."""

    def __init__(self, domain: int, images: str = IMAGES) -> None:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node, self.heard, self.ticks = Node("ears", context=self.context), [], []
        for kind, topic in ((Image, images), (JointState, JOINTS)):
            self.node.create_subscription(kind, topic, lambda message, topic=topic: self.hear(topic, message), QoSProfile(depth=500))
        self.node.create_subscription(Clock, "/clock", lambda message: self.ticks.append(to_seconds(message.clock)), QoSProfile(depth=500))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()

    def _spin(self) -> None:
        try:
            self.executor.spin()
        except ExternalShutdownException:
            pass

    def hear(self, topic: str, message) -> None:
        self.heard.append((topic, to_seconds(message.header.stamp), time.time(), message))

    def on(self, topic: str) -> list:
        return [each for each in self.heard if each[0] == topic]

    def close(self) -> None:
        self.executor.shutdown(timeout_sec=1.0)
        self.thread.join(2.0)
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def ears():
    domain = free_domain()
    made = Ears(domain)
    made.domain = domain
    yield made
    made.close()


def play(ears, bag, *, until=None, **parameters) -> tuple[int, str]:
    """Exit code and output of a `replay` process; `until` ends it early."""
    words = [sys.executable, "-m", "vlaser_ros.replay", "--ros-args", "-p", f"bag:={bag}", "-p", "embodiment:=widowx"]
    words += [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    environment = {**__import__("os").environ, "ROS_DOMAIN_ID": str(ears.domain)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and not (until and until()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if process.poll() is None:
        process.terminate()
    out, _ = process.communicate(timeout=PATIENCE)
    time.sleep(0.3)
    return process.returncode, out


def test_messages_come_as_they_were_recorded_and_the_player_leaves_at_the_end(ears, episode, tmp_path):
    made = episode(2.0)
    code, out = play(ears, made.write(tmp_path / "a.mcap"), rate=2.0)
    assert code == 0 and "end of the bag after 120 messages" in out, out
    for topic in (IMAGES, JOINTS):
        sent = [message for _, name, message in sorted(made.messages, key=lambda each: each[0]) if name == topic]
        assert [message for _, _, _, message in ears.on(topic)] == sent
    assert ears.ticks == sorted(ears.ticks) and START <= ears.ticks[0] and ears.ticks[-1] == pytest.approx(START + 2.0, abs=0.05)


def test_it_can_begin_later_and_go_on_for_ever_with_time_that_never_goes_back(ears, episode, tmp_path):
    bag = episode(1.5).write(tmp_path / "a.mcap")
    code, out = play(ears, bag, start=1.0, loop=True, rate=4.0, until=lambda: len(ears.on(IMAGES)) >= 17)
    stamps = [stamp for _, stamp, _, _ in ears.on(IMAGES)]
    assert code == 0 and stamps == sorted(stamps) and stamps[0] >= START + 0.95 and stamps[-1] > START + 2.0, out
    assert ears.ticks == sorted(ears.ticks)
    # The rounds show the same pictures, later.
    assert len({each[3].data.tobytes() for each in ears.on(IMAGES)}) == 5


def test_without_a_clock_of_its_own_stamps_are_of_now(ears, episode, tmp_path):
    code, out = play(ears, episode(1.0).write(tmp_path / "a.mcap"), clock=False)
    assert code == 0 and not ears.ticks, out
    assert ears.on(IMAGES) and all(abs(wall - stamp) < 5.0 for _, stamp, wall, _ in ears.heard)


def test_compressed_pictures_are_decoded_for_a_stack_that_takes_raw_ones(ears, episode, tmp_path):
    made = episode(0.5, compressed=True, image_topic="/eye/compressed")
    code, out = play(ears, made.write(tmp_path / "a.mcap"), image_topics=f"[{IMAGES}]", source_image_topics="['image_0:=/eye/compressed']")
    sent = [colour(message) for _, topic, message in made.messages if topic == "/eye/compressed"]
    got = [colour(message) for _, _, _, message in ears.on(IMAGES)]
    assert code == 0 and len(got) == 5 and all(np.array_equal(ours, theirs) for ours, theirs in zip(got, sent, strict=True)), out
    assert np.abs(got[0].astype(int) - picture(0)).max() < 100


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"start": 9.0}, "the bag is 1.0 s long"),
        ({"source_joint_topic": "/absent"}, "'/absent' is not in the bag"),
        ({"image_topics": "[/a, /b]"}, "image_topics has 2 entries"),
        ({"image_topics": "[/eye/compressed]"}, "was recorded uncompressed"),
        ({"rate": -1.0}, "parameter 'rate'"),
    ],
)
def test_what_cannot_be_played_is_said_and_ends_with_1(ears, episode, tmp_path, parameters, words):
    code, out = play(ears, episode(1.0).write(tmp_path / "a.mcap"), **parameters)
    assert code == 1 and words in out and "Traceback" not in out, out
