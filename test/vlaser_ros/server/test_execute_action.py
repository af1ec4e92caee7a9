"""The action over DDS: cancels early, late and during inference, one goal in another's place, a model that hangs or errs."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from action_msgs.msg import GoalStatus  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from vlaser_msgs.action import Execute  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_core.types import ActionChunk  # noqa: E402
from vlaser_ros.client import Refused, VlaserClient  # noqa: E402

from .conftest import PATIENCE, until  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def site(serving):
    with serving() as made:
        yield made


@pytest.fixture(autouse=True)
def afresh(site):
    site.robot.wire.clear()
    site.robot.judge = lambda chunk: 0
    yield
    site.set("goal_policy", "reject")
    site.set("inference_timeout", 30.0)


class Gate:
    """Keeps every prediction of the site's engine in the model until `open` is set."""

    def __init__(self, site, monkeypatch) -> None:
        self.entered, self.open, self.calls = threading.Event(), threading.Event(), 0
        predict = site.engine.predict

        def wait(*arguments, **options):
            self.calls += 1
            self.entered.set()
            assert self.open.wait(PATIENCE)
            return predict(*arguments, **options)

        monkeypatch.setattr(site.engine, "predict", wait)


@pytest.fixture
def gate(site, monkeypatch):
    made = Gate(site, monkeypatch)
    yield made
    made.open.set()
    until(lambda: not site.server.goals.running and site.server.loaded.inference.hanging() is None, "quiet after the test")


def holds_last(site) -> bool:
    return bool(site.robot.wire) and site.robot.wire[-1].horizon == 0


def test_a_cancel_that_comes_right_behind_the_goal_is_not_lost(site):
    action = ActionClient(site.client.node, Execute, "vlaser/execute")
    try:
        assert action.wait_for_server(PATIENCE)
        outcomes = []
        for _ in range(20):
            handles, cancelled = [], []

            def accepted(future, handles=handles, cancelled=cancelled) -> None:
                handles.append(future.result())
                # In the callback: the server may still be between accepting the goal and executing it.
                cancelled.append(future.result().cancel_goal_async())

            action.send_goal_async(Execute.Goal(instruction="go", seed=-1)).add_done_callback(accepted)
            until(lambda handles=handles: handles, "acceptance")
            answer = handles[0].get_result_async()
            until(answer.done, "the end of a goal that was cancelled at once")
            outcomes.append((answer.result().status, answer.result().result.error_code))
        assert outcomes == [(GoalStatus.STATUS_CANCELED, ResultCode.CANCELED)] * 20
    finally:
        action.destroy()


def test_a_stale_cancel_leaves_the_next_goal_alone(site):
    assert site.client.execute("go", max_chunks=1).error_code == ResultCode.NONE
    stale = site.client._goal
    site.client.send("go", max_chunks=3)
    stale.cancel_goal_async()
    result = site.client.result(PATIENCE)
    assert (result.outcome, result.chunks_accepted) == (Execute.Result.MAX_CHUNKS, 3)


def test_after_a_cancel_the_hold_is_the_last_thing_on_the_wire(site):
    for _ in range(5):
        moving = threading.Event()
        site.client.send("go", feedback=lambda _, moving=moving: moving.set())
        assert moving.wait(PATIENCE)
        assert site.client.cancel()
        assert site.client.result(PATIENCE).error_code == ResultCode.CANCELED
        count = len(site.robot.wire)
        assert holds_last(site)
        time.sleep(0.1)
        assert len(site.robot.wire) == count


def test_cancelling_does_not_wait_for_inference_and_its_chunk_is_never_sent(site, gate):
    site.client.send("go")
    assert gate.entered.wait(PATIENCE)
    assert site.client.cancel()
    result = site.client.result(PATIENCE)  # the model is still busy
    assert (result.outcome, result.error_code) == (Execute.Result.STOPPED, ResultCode.CANCELED) and not gate.open.is_set()
    gate.open.set()
    assert site.client.execute("go", max_chunks=1).error_code == ResultCode.NONE
    assert [chunk.horizon > 0 for chunk in site.robot.wire] == [True, False]


def test_a_goals_timeout_does_not_wait_for_inference(site, gate):
    result = site.client.execute("go", timeout=0.3)
    assert (result.outcome, result.error_code) == (Execute.Result.TIMED_OUT, ResultCode.TIMEOUT) and not gate.open.is_set()
    assert site.robot.wire == [] and result.chunks_sent == 0


def test_a_model_that_hangs_fails_the_goal_and_takes_no_other_until_it_returns(site, gate):
    assert site.set("inference_timeout", 0.3) == ""
    result = site.client.execute("go")
    assert (result.outcome, result.error_code) == (Execute.Result.FAILED, ResultCode.MODEL_FAILED) and "0.3 s" in result.error_msg
    assert site.client.execute("go").error_code == ResultCode.MODEL_NOT_READY
    with pytest.raises(Refused, match="has not returned") as refusal:
        site.client.ask("what?")
    assert refusal.value.code == ResultCode.MODEL_NOT_READY and gate.calls == 1
    assert until(lambda: site.status("policy", "has not returned"), "a report on the hanging model").level == b"\x02"
    gate.open.set()
    until(lambda: site.server.loaded.inference.hanging() is None, "the model's return")
    assert site.client.execute("go", max_chunks=1).error_code == ResultCode.NONE
    assert until(lambda: site.status("policy", "ready"), "a report on the recovery").level == b"\x00"


def test_a_model_that_hangs_in_a_later_chunk_leaves_the_arm_held(site, monkeypatch):
    leave, predict, calls = threading.Event(), site.engine.predict, []

    def second_hangs(*arguments, **options):
        calls.append(1)
        return leave.wait(PATIENCE) and None if len(calls) == 2 else predict(*arguments, **options)

    monkeypatch.setattr(site.engine, "predict", second_hangs)
    site.set("inference_timeout", 0.3)
    result = site.client.execute("go")
    assert (result.error_code, result.chunks_accepted) == (ResultCode.MODEL_FAILED, 1) and holds_last(site)
    leave.set()
    until(lambda: site.server.loaded.inference.hanging() is None, "the model's return")


def test_a_newer_goal_takes_the_place_of_the_running_one_when_it_may(site):
    assert site.set("goal_policy", "preempt") == ""
    moving = threading.Event()
    site.client.send("first", feedback=lambda _: moving.set())
    assert moving.wait(PATIENCE)
    with VlaserClient(domain_id=site.domain, name="second_client", timeout=PATIENCE) as second:
        second.wait_ready(PATIENCE, controller=False)
        assert second.execute("second", max_chunks=1).error_code == ResultCode.NONE
    first = site.client.result(PATIENCE)
    assert (first.outcome, first.error_code) == (Execute.Result.STOPPED, ResultCode.PREEMPTED)
    goals = [chunk.goal_id for chunk in site.robot.wire]
    last_of_first = max(index for index, goal in enumerate(goals) if goal == goals[0])
    assert site.robot.wire[last_of_first].horizon == 0 and last_of_first < goals.index(goals[-1]), "the arm holds between the two goals"


def test_a_second_goal_is_refused_where_it_must_not_displace(site, gate):
    site.client.send("first")
    assert gate.entered.wait(PATIENCE)
    with VlaserClient(domain_id=site.domain, name="second_client", timeout=PATIENCE) as second:
        second.wait_ready(PATIENCE, controller=False)
        assert second.execute("second").error_code == ResultCode.BUSY
    assert not site.client.is_done()
    assert site.client.cancel() and site.client.result(PATIENCE).error_code == ResultCode.CANCELED
    assert site.client.is_done()


def test_steps_to_execute_are_each_goals_own(site):
    for steps, expected in ((2, 2), (0, 4), (4, 4)):
        site.robot.wire.clear()
        assert site.client.execute("go", max_chunks=2, executed_steps=steps).error_code == ResultCode.NONE
        assert [chunk.executed_steps for chunk in site.robot.wire if chunk.horizon] == [expected] * 2


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (RuntimeError("CUDA out of memory"), ResultCode.MODEL_FAILED, "CUDA out of memory"),
        (np.zeros((4, 6)), ResultCode.BAD_MODEL_OUTPUT, "(4, 6)"),
        (np.zeros((9, 7)), ResultCode.BAD_MODEL_OUTPUT, "(9, 7)"),
        (None, ResultCode.BAD_MODEL_OUTPUT, "not a chunk"),
    ],
)
def test_a_model_that_errs_is_told_by_its_code_and_nothing_moves(site, monkeypatch, answer, code, words):
    def predict(observation, instruction, **options):
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else ActionChunk(answer, observation.stamp, 0.2, 0.01)

    monkeypatch.setattr(site.engine, "predict", predict)
    result = site.client.execute("go")
    assert (result.outcome, result.error_code) == (Execute.Result.FAILED, code) and words in result.error_msg
    assert site.robot.wire == []
    with pytest.raises(Refused) as refusal:
        site.client.predict("go")
    assert refusal.value.code == code and words in str(refusal.value)


@pytest.mark.parametrize("verb", ["ground", "plan", "ask"])
def test_words_that_are_none_are_told_by_their_code(site, monkeypatch, verb):
    monkeypatch.setattr(site.engine, verb, lambda *arguments, **options: None)
    with pytest.raises(Refused) as refusal:
        getattr(site.client, verb)("cup")
    assert refusal.value.code == ResultCode.BAD_MODEL_OUTPUT


def test_limits_that_change_take_effect_with_the_next_goal(site):
    site.robot.judge = lambda chunk: ResultCode.GATE_VELOCITY if chunk.horizon else 0
    for rejections in (1, 5):
        assert site.set("max_rejections", rejections) == ""
        result = site.client.execute("go")
        assert (result.error_code, result.chunks_rejected) == (ResultCode.GATE_VELOCITY, rejections)
    assert site.set("max_rejections", 3) == ""
    site.robot.judge = lambda chunk: 0
    assert site.set("default_timeout", 0.3) == ""
    assert site.client.execute("go").error_code == ResultCode.TIMEOUT
    assert site.set("default_timeout", 60.0) == ""


def test_the_client_hears_of_every_chunk(site):
    told = []
    assert site.client.feedback() is None or site.client.feedback().index >= 0
    site.client.send("go", max_chunks=3, feedback=told.append)
    site.client.result(PATIENCE)
    until(lambda: len(told) == 3, "three feedbacks")
    assert [message.index for message in told] == [0, 1, 2] and site.client.feedback() == told[-1]


def test_an_error_of_the_servers_own_is_told_and_the_arm_is_asked_to_hold(site, monkeypatch):
    monkeypatch.setattr(site.server.outlet, "send", lambda *_: 1 / 0)
    result = site.client.execute("go", timeout=PATIENCE)
    assert result.error_code == ResultCode.MODEL_FAILED and "the server failed: ZeroDivisionError" in result.error_msg
    until(lambda: holds_last(site), "the hold")
    monkeypatch.undo()
    assert site.client.execute("go", max_chunks=1, timeout=PATIENCE).error_code == ResultCode.NONE
