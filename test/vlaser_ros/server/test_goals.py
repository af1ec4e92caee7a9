"""Whose turn it is, without ROS: cancels that come early or late, and what a second goal meets."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_ros.faults import Fault  # noqa: E402
from vlaser_ros.server.goals import Goals  # noqa: E402
from vlaser_ros.server.interrupt import CANCELED, DEACTIVATED, Interrupted  # noqa: E402
from vlaser_ros.server.settings import PREEMPT, REJECT  # noqa: E402

PATIENCE = 10.0


@pytest.fixture
def goals():
    made = Goals(lambda: None)
    made.open()
    return made


class Running:
    """A goal in a thread of its own that runs until it is given a reason to end, and notes how it went."""

    def __init__(self, goals: Goals, name: str, policy: str, order: list[str]) -> None:
        self.goals, self.name, self.policy, self.order = goals, name, policy, order
        self.begun, self.fault, self.ended = threading.Event(), None, threading.Event()
        self.release = threading.Event()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        try:
            with self.goals.turn(self.name, self.policy) as interrupt:
                self.order.append(f"{self.name} begins")
                self.begun.set()
                while interrupt.reason is None and not self.release.wait(0.005):
                    pass
                self.order.append(f"{self.name} ends")
        except (Fault, Interrupted) as error:
            self.fault = error
        self.ended.set()


def test_a_cancel_between_acceptance_and_execution_is_not_lost(goals):
    goals.cancel("a")
    with pytest.raises(Interrupted):
        with goals.turn("a", REJECT):
            raise AssertionError("it ran")
    assert goals.why("a") == CANCELED


def test_a_stale_cancel_does_not_stop_the_next_goal(goals):
    with goals.turn("a", REJECT):
        pass
    goals.cancel("a")
    with goals.turn("b", REJECT) as interrupt:
        goals.cancel("a")
        assert interrupt.reason is None and goals.running == "b"


def test_a_second_goal_is_refused_by_name_of_the_first(goals):
    with goals.turn("a", REJECT):
        with pytest.raises(Fault, match="goal a is running") as refusal:
            with goals.turn("b", REJECT):
                raise AssertionError("it ran")
        assert refusal.value.code == ResultCode.BUSY
        assert goals.why("a") is None


def test_a_newer_goal_begins_only_after_the_one_it_displaces_has_ended(goals):
    order: list[str] = []
    first = Running(goals, "a", PREEMPT, order)
    assert first.begun.wait(PATIENCE)
    second = Running(goals, "b", PREEMPT, order)
    assert second.begun.wait(PATIENCE) and first.ended.wait(PATIENCE)
    second.release.set()
    assert second.ended.wait(PATIENCE)
    assert order == ["a begins", "a ends", "b begins", "b ends"]


def test_of_several_that_wait_only_the_newest_runs(goals):
    order: list[str] = []
    leave = threading.Event()

    def hold() -> None:
        with goals.turn("a", PREEMPT):
            leave.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    while goals.running != "a":
        pass
    waiting = []
    for name in ("b", "c", "d"):
        waiting.append(Running(goals, name, PREEMPT, order))
        while goals._waiting != name:
            pass
    assert waiting[0].ended.wait(PATIENCE) and waiting[1].ended.wait(PATIENCE)
    leave.set()
    assert waiting[2].begun.wait(PATIENCE)
    waiting[2].release.set()
    assert waiting[2].ended.wait(PATIENCE) and order == ["d begins", "d ends"]
    assert [goals.why(name).code for name in ("b", "c")] == [ResultCode.PREEMPTED] * 2
    holder.join(PATIENCE)


def test_closing_ends_what_runs_and_refuses_what_comes(goals):
    order: list[str] = []
    first = Running(goals, "a", REJECT, order)
    assert first.begun.wait(PATIENCE)
    assert goals.close("closed for the night", DEACTIVATED, PATIENCE)
    assert order == ["a begins", "a ends"]
    with pytest.raises(Fault, match="closed for the night") as refusal:
        with goals.turn("b", PREEMPT):
            raise AssertionError("it ran")
    assert refusal.value.code == ResultCode.MODEL_NOT_READY
    goals.open()
    with goals.turn("c", REJECT):
        assert goals.running == "c"


def test_closing_tells_when_a_goal_does_not_end(goals):
    with goals.turn("a", REJECT):
        assert not goals.close("closed", DEACTIVATED, 0.01)


def test_the_first_reason_stays(goals):
    with goals.turn("a", REJECT) as interrupt:
        goals.cancel("a")
        goals.interrupt(DEACTIVATED)
        assert interrupt.reason == CANCELED


def test_a_model_that_hangs_takes_no_goal(goals):
    with pytest.raises(Fault, match="hangs") as refusal:
        with goals.turn("a", REJECT, lambda: "it hangs"):
            raise AssertionError("it ran")
    assert refusal.value.code == ResultCode.MODEL_NOT_READY
