"""When a part is missing, mute, wrong, or dies: who says so, and that the arm is still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from sensor_msgs.msg import Image, JointState  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_ros.bringup import compose  # noqa: E402
from vlaser_ros.client import NotReady  # noqa: E402
from vlaser_ros.images import to_message  # noqa: E402
from vlaser_ros.up import Stack  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]
ROBOT = load_embodiment("widowx")
FAST = {"vlaser_server": {"observation_timeout": 1.0, "verdict_timeout": 2.0, "max_observation_age": 1.0}}


class FakeRobot:
    """Publishes camera and joint states from the client's own node, right or wrong as told."""

    def __init__(self, client) -> None:
        self.node = client.node
        self.image: Image | None = to_message(np.zeros((240, 320, 3), np.uint8))
        self.names: list[str] | None = [*ROBOT.joint_names, "left_finger"]
        self.lag = 0.0
        self.images = self.node.create_publisher(Image, "/camera/color/image_raw", 1)
        self.joints = self.node.create_publisher(JointState, "/joint_states", 10)
        self.timer = self.node.create_timer(0.03, self.publish)

    def publish(self) -> None:
        now = self.node.get_clock().now().nanoseconds - round(self.lag * 1e9)
        stamp = {"sec": now // 10**9, "nanosec": now % 10**9}
        if self.names is not None:
            message = JointState(name=self.names, position=[*ROBOT.arms[0].home, 0.03][: len(self.names)])
            message.header.stamp.sec, message.header.stamp.nanosec = stamp["sec"], stamp["nanosec"]
            self.joints.publish(message)
        if self.image is not None:
            self.image.header.stamp.sec, self.image.header.stamp.nanosec = stamp["sec"], stamp["nanosec"]
            self.images.publish(self.image)


@pytest.fixture(scope="module")
def bare(running):
    """Server and controller, and a robot that this file plays itself."""
    with running(without=("sim_driver",), parameters=FAST) as robot:
        robot.fake = FakeRobot(robot.client)
        yield robot


@pytest.fixture
def fake(bare):
    """A fresh server: what it heard in another test does not count in this one."""
    fake = bare.fake
    fake.image, fake.names, fake.lag = to_message(np.zeros((240, 320, 3), np.uint8)), [*ROBOT.joint_names, "left_finger"], 0.0
    yield fake
    fake.image = fake.names = None
    time.sleep(0.7)


def test_a_camera_that_never_publishes_is_named(bare):
    bare.fake.image = None
    result = bare.client.execute("go", timeout=20.0)
    assert result.error_code == ResultCode.NO_IMAGE and "/camera/color/image_raw" in result.error_msg
    assert result.chunks_sent == 0


def test_joint_names_of_another_robot_are_named(bare):
    bare.fake.names = ["panda_joint1", "panda_joint2"]
    bare.fake.image = to_message(np.zeros((240, 320, 3), np.uint8))
    time.sleep(0.5)
    result = bare.client.execute("go", timeout=20.0)
    assert result.error_code == ResultCode.JOINTS_MISMATCH and "panda_joint1" in result.error_msg and "waist" in result.error_msg


def test_missing_joint_states_are_named(bare, fake):
    fake.names = None
    time.sleep(0.5)
    result = bare.client.execute("go", timeout=20.0)
    assert result.error_code in (ResultCode.NO_JOINT_STATES, ResultCode.JOINTS_MISMATCH) and "/joint_states" in result.error_msg


def test_a_wrong_encoding_is_named(bare, fake):
    fake.image.encoding = "yuv422"
    result = bare.client.execute("go", timeout=20.0)
    assert result.error_code == ResultCode.BAD_CAMERA_IMAGE and "yuv422" in result.error_msg and "/camera/color/image_raw" in result.error_msg


def test_a_picture_of_another_shape_is_named(bare, fake):
    fake.image = to_message(np.zeros((320, 320, 3), np.uint8))
    result = bare.client.execute("go", timeout=20.0)
    assert result.error_code == ResultCode.BAD_CAMERA_IMAGE and "320×320" in result.error_msg


def test_a_stale_view_is_refused(bare, fake):
    fake.lag = 2.0
    time.sleep(0.5)
    result = bare.client.execute("go", timeout=20.0)
    assert result.error_code == ResultCode.STALE_OBSERVATION and "old" in result.error_msg


def test_with_everything_right_the_same_pieces_accept_a_chunk(bare, fake):
    result = bare.client.execute("go", timeout=20.0, max_chunks=1)
    assert result.error_code == ResultCode.NONE, result.error_msg


def test_a_policy_that_strides_too_far_is_rejected_and_the_goal_says_why(running):
    with running(parameters={"vlaser_server": {"stand_in_stride": 0.2, "max_rejections": 2}}) as robot:
        told = []
        result = robot.client.execute("go", feedback=told.append, timeout=30.0)
        assert result.error_code == ResultCode.GATE_STEP and "at most 0.080 m" in result.error_msg
        assert (result.chunks_sent, result.chunks_accepted, result.chunks_rejected) == (2, 0, 2)
        assert [feedback.verdict.code for feedback in told] == [ResultCode.GATE_STEP] * 2
        assert robot.client.world_state().steps == 0


def moving_robot(robot) -> None:
    """Start a goal and return while its first chunk is being executed."""
    begun = threading.Event()
    robot.client.reset_world(seed=4)
    robot.client.send("go to the middle", feedback=lambda _: begun.set())
    assert begun.wait(30.0)


def positions(robot, seconds: float) -> np.ndarray:
    seen = []
    subscription = robot.client.node.create_subscription(JointState, "joint_states", lambda message: seen.append(list(message.position)), 10)
    time.sleep(seconds)
    robot.client.node.destroy_subscription(subscription)
    return np.array(seen)


def test_interrupting_the_server_holds_the_arm_and_leaves_with_code_0(running):
    with running() as robot:
        moving_robot(robot)
        robot.process("vlaser_server").send_signal(signal.SIGINT)
        assert robot.stack.processes["vlaser_server"].wait(20.0) == 0
        after = positions(robot, 0.5)
        assert np.ptp(after, axis=0).max() < 1e-6 and not robot.client.world_state().success
        # The goal's end is told as SHUTDOWN, or noticed by the server's absence, never waited for in vain.
        try:
            assert robot.client.result(20.0).error_code == ResultCode.SHUTDOWN
        except NotReady as error:
            assert "went away" in str(error)
        robot.stack.start(robot.stack.specs[-1])
        robot.client.wait_ready(60.0, sim=True)
        assert robot.client.execute("go", max_chunks=1).error_code == ResultCode.NONE


def test_interrupting_the_controller_ends_the_goal_and_the_arm_stops_at_the_chunks_end(running):
    with running(parameters=FAST) as robot:
        moving_robot(robot)
        robot.process("chunk_controller").send_signal(signal.SIGINT)
        assert robot.stack.processes["chunk_controller"].wait(20.0) == 0
        assert robot.client.result(30.0).error_code == ResultCode.NO_CONTROLLER
        assert np.ptp(positions(robot, 0.4), axis=0).max() < 1e-6


def test_interrupting_the_driver_ends_the_goal(running):
    with running(parameters=FAST) as robot:
        moving_robot(robot)
        robot.process("sim_driver").send_signal(signal.SIGINT)
        assert robot.stack.processes["sim_driver"].wait(20.0) == 0
        assert robot.client.result(30.0).error_code in (ResultCode.STALE_OBSERVATION, ResultCode.NO_JOINT_STATES)


def test_interrupting_during_inference_leaves_with_code_0_at_once(running):
    with running(parameters={"vlaser_server": {"stand_in_delay": 30.0}}) as robot:
        robot.client.send("go to the middle")
        time.sleep(0.5)
        began = time.monotonic()
        robot.process("vlaser_server").send_signal(signal.SIGTERM)
        assert robot.stack.processes["vlaser_server"].wait(20.0) == 0
        assert time.monotonic() - began < 20.0  # inference would take 30 s


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_while_the_node_loads_leaves_with_code_0(tmp_path, number):
    spec = compose("tabletop")[-1]
    for later in (0.0, 0.4):
        with Stack([spec], logs=tmp_path, environment={"ROS_DOMAIN_ID": "101"}) as stack:
            process = stack.processes[spec.executable]
            while not catches(process.pid, signal.SIGTERM):
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(later)
            process.send_signal(number)
            assert process.wait(20.0) == 0, stack.last_words(spec.executable)
            assert "Traceback" not in stack.last_words(spec.executable, 1000)


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for the signal: Python has none for SIGTERM until ours is set."""
    with open(f"/proc/{pid}/status") as status:
        caught = next(line for line in status if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_nothing_outlives_a_parent_that_is_killed():
    program = "from vlaser_ros.up import up; up('tabletop', {'engine': 'stand_in', 'world': 'stand_in'})"
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "ROS_DOMAIN_ID": "100", "PYTHONPATH": root}
    parent = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 40
        while len(children := psutil.Process(parent.pid).children()) < 3 or not all(catches(child.pid, signal.SIGTERM) for child in children):
            assert time.monotonic() < deadline and parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.kill()
        parent.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    for process in alive:
        process.kill()
    assert not alive
