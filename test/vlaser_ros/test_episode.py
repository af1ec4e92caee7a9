"""Episodes over DDS with the real processes: what a user sees when all is well, and when a request or an input is not."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from sensor_msgs.msg import JointState  # noqa: E402
from vlaser_msgs.action import Execute  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_ros.client import Refused  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]


@pytest.fixture(scope="module")
def robot(running):
    with running() as running_robot:
        # Discovery has no order: with every service there, the controller may still wait for its first joint state.
        for _ in range(10):
            if running_robot.client.execute("go to the middle", max_chunks=1).error_code != ResultCode.NO_JOINT_STATES:
                break
        yield running_robot


@pytest.fixture
def client(robot):
    robot.stack.check()
    robot.client.reset()
    robot.client.reset_world(seed=4)
    return robot.client


def gaps_after_accepted(told: list) -> list[float]:
    """Seconds from the view of each accepted chunk to the next view; a rejected one is followed by another at once."""
    stamps = [feedback.chunk.header.stamp.sec + feedback.chunk.header.stamp.nanosec * 1e-9 for feedback in told]
    return [gap for gap, feedback in zip(np.diff(stamps), told, strict=False) if feedback.verdict.accepted]


def test_an_episode_reaches_its_goal_and_every_chunk_is_told(client):
    told = []
    result = client.execute("go to the middle", feedback=told.append, max_chunks=4)
    assert (result.outcome, result.error_code) == (Execute.Result.MAX_CHUNKS, ResultCode.NONE), result.error_msg
    assert result.chunks_accepted == 4 and result.chunks_sent == 4 + result.chunks_rejected
    assert [feedback.index for feedback in told] == list(range(result.chunks_sent))
    assert all(feedback.verdict.sequence == feedback.chunk.sequence for feedback in told)
    gaps = gaps_after_accepted(told)
    # Each view is taken after the four steps of 0.2 s before it have been executed, and at best not a whole chunk later.
    assert 0.78 < min(gaps) < 1.6, gaps
    assert eventually(lambda: client.world_state().success)


def test_the_running_controller_has_no_torch_in_it(robot):
    libraries = {entry.path for entry in robot.process("chunk_controller").memory_maps()}
    assert libraries and not [path for path in libraries if "torch" in path]


def test_fewer_executed_steps_look_again_sooner(client):
    told = []
    client.execute("go to the middle", feedback=told.append, max_chunks=4, executed_steps=1)
    gaps = gaps_after_accepted(told)
    assert 0.18 < min(gaps) < 0.75, gaps


def test_text_is_answered_while_the_arm_moves(client):
    client.send("go to the middle", max_chunks=2)
    assert client.ask("what?") == "You asked: what?"
    found = client.ground("carrot")
    assert found.boxes == ((250, 250, 750, 750),) and (found.width, found.height) == (320, 240)
    assert client.plan("tidy up", ground=True).steps[0].grounding[0].phrase == "tidy up"
    assert client.result(30.0).error_code == ResultCode.NONE


def test_a_picture_of_the_request_is_the_one_looked_at(client):
    found = client.ground("carrot", np.zeros((48, 64, 3), np.uint8))
    assert (found.width, found.height) == (64, 48)


def test_predict_moves_nothing(client):
    before = client.world_state().steps
    chunk = client.predict("go", seed=3)
    assert chunk.actions.shape == (4, 7)
    time.sleep(0.5)
    assert client.world_state().steps == before == 0


@pytest.mark.parametrize(
    ("goal", "code", "word"),
    [
        ({"instruction": ""}, ResultCode.BAD_INSTRUCTION, "empty"),
        ({"instruction": "  \n"}, ResultCode.BAD_INSTRUCTION, "empty"),
        ({"instruction": "x" * 10240}, ResultCode.BAD_INSTRUCTION, "10240"),
        ({"instruction": "go", "executed_steps": 9}, ResultCode.BAD_GOAL, "executed_steps"),
        ({"instruction": "go", "timeout": float("nan")}, ResultCode.BAD_GOAL, "timeout"),
        ({"instruction": "go", "timeout": -1.0}, ResultCode.BAD_GOAL, "timeout"),
    ],
)
def test_a_bad_goal_ends_at_once_with_its_reason(client, goal, code, word):
    result = client.execute(**goal)
    assert (result.error_code, result.chunks_sent) == (code, 0) and word in result.error_msg


def test_bad_questions_are_refused_with_a_code(client):
    for call in (client.ask, client.ground, client.plan, client.predict):
        with pytest.raises(Refused, match="empty") as refusal:
            call(" ")
        assert refusal.value.code == ResultCode.BAD_INSTRUCTION
    with pytest.raises(Refused, match="no camera 'wrist'"):
        client.ground("cup", camera="wrist")
    with pytest.raises(Refused, match="unknown task 'juggle'.*reach"):
        client.reset_world("juggle")


def test_a_second_goal_learns_that_the_arm_is_busy_and_the_first_goes_on(client, robot):
    from vlaser_ros.client import VlaserClient

    client.send("go to the middle")
    with VlaserClient(domain_id=robot.domain, name="second_client") as second:
        second.wait_ready(30.0)
        refused = second.execute("something else")
    assert refused.error_code == ResultCode.BUSY and "running" in refused.error_msg
    before = client.feedback()
    assert eventually(lambda: client.feedback() is not before, 30.0) and not client.is_done()
    assert client.cancel() and client.result(30.0).error_code == ResultCode.CANCELED


def test_cancelling_stops_the_arm_within_a_step(client):
    started = threading.Event()
    client.send("go to the middle", feedback=lambda _: started.set())
    assert started.wait(30.0)
    assert client.cancel()
    result = client.result(20.0)
    assert (result.outcome, result.error_code) == (Execute.Result.STOPPED, ResultCode.CANCELED)
    assert_at_rest(client)


def test_a_goal_ends_at_its_timeout_and_the_arm_holds(client):
    result = client.execute("go to the middle", timeout=0.7)
    assert (result.outcome, result.error_code) == (Execute.Result.TIMED_OUT, ResultCode.TIMEOUT)
    assert 0.65 < result.duration < 10.0  # four chunks, let alone an episode, take longer than 0.7 s
    assert_at_rest(client)


def test_the_stop_ends_the_goal_and_latches_until_reset(client):
    started = threading.Event()
    client.send("go to the middle", feedback=lambda _: started.set())
    assert started.wait(30.0)
    client.estop()
    assert_at_rest(client)
    assert client.result(30.0).error_code == ResultCode.GATE_ESTOP
    assert client.execute("again").error_code == ResultCode.GATE_ESTOP
    client.reset()
    assert client.execute("again", max_chunks=1).error_code == ResultCode.NONE


def eventually(condition, patience: float = 10.0) -> bool:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def assert_at_rest(client) -> None:
    """Joint states stand still, and not because the arm arrived."""
    seen = []
    subscription = client.node.create_subscription(JointState, "joint_states", lambda message: seen.append(list(message.position)), 10)
    # Ten equal postures in a row: 0.2 s, in which an arm under way would have moved by a centimetre.
    assert eventually(lambda: len(seen) > 10 and np.ptp(np.array(seen[-10:]), axis=0).max() < 1e-6)
    client.node.destroy_subscription(subscription)
    assert not client.world_state().success
