"""Calls into a model that may be slow, fail, or never return."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_ros.faults import Fault  # noqa: E402
from vlaser_ros.server.inference import Inference  # noqa: E402
from vlaser_ros.server.interrupt import Interrupted  # noqa: E402

PATIENCE = 10.0


@pytest.fixture
def said():
    return []


@pytest.fixture
def inference(said):
    made = Inference(2, said.append)
    yield made
    made.close()


def test_results_and_errors_reach_the_caller(inference):
    assert inference.act(lambda: 42, PATIENCE) == 42
    with pytest.raises(ZeroDivisionError):
        inference.act(lambda: 1 / 0, PATIENCE)
    assert inference.tell(lambda: "yes", PATIENCE) == "yes"


def test_a_call_that_takes_too_long_fails_and_hangs_until_it_returns(inference, said):
    leave = threading.Event()
    with pytest.raises(Fault, match="did not return within 0.1 s") as fault:
        inference.act(lambda: leave.wait(PATIENCE), 0.1)
    assert fault.value.code == ResultCode.MODEL_FAILED
    assert "has not returned" in inference.hanging()
    leave.set()
    deadline = time.monotonic() + PATIENCE
    while inference.hanging() or len(said) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "did not return" in said[0] and "returned after" in said[1]
    assert inference.act(lambda: "again", PATIENCE) == "again"


def test_who_is_cancelled_does_not_wait_for_the_model_and_its_late_result_goes_nowhere(inference):
    leave, entered, cancelled = threading.Event(), threading.Event(), threading.Event()
    outcome = []

    def ask() -> None:
        def work() -> str:
            entered.set()
            leave.wait(PATIENCE)
            return "late"

        try:
            outcome.append(inference.act(work, PATIENCE, cancelled.is_set))
        except Interrupted as error:
            outcome.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    assert entered.wait(PATIENCE)
    cancelled.set()
    inference.wake()
    asker.join(PATIENCE)
    assert isinstance(outcome[0], Interrupted) and inference.hanging() is None
    leave.set()
    assert inference.act(lambda: "next", PATIENCE) == "next"


def test_a_call_given_up_before_its_turn_is_never_made(inference):
    leave, entered, made = threading.Event(), threading.Event(), []
    first = threading.Thread(target=inference.act, args=(lambda: entered.set() or leave.wait(PATIENCE), PATIENCE))
    first.start()
    assert entered.wait(PATIENCE)
    with pytest.raises(Interrupted):
        inference.act(lambda: made.append(1), PATIENCE, lambda: True)
    leave.set()
    first.join(PATIENCE)
    assert inference.act(lambda: "after", PATIENCE) == "after" and made == []


def test_words_and_actions_do_not_wait_for_each_other_here(inference):
    leave, entered = threading.Event(), threading.Event()
    talk = threading.Thread(target=inference.tell, args=(lambda: entered.set() or leave.wait(PATIENCE), PATIENCE))
    talk.start()
    assert entered.wait(PATIENCE)
    assert inference.act(lambda: "chunk", PATIENCE) == "chunk"
    leave.set()
    talk.join(PATIENCE)


def test_an_idle_thread_keeps_neither_the_model_nor_its_answer(inference):
    class Model:
        def answer(self) -> Model:
            return self

    model = Model()
    known = weakref.ref(model)
    for call in (inference.act, inference.tell):
        call(model.answer, PATIENCE)
    del model
    deadline = time.monotonic() + PATIENCE
    while gc.collect() or known() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_closing_lets_waiting_callers_go_and_the_threads_end():
    before = set(threading.enumerate())
    inference = Inference(2, lambda line: None)
    mine = [thread for thread in threading.enumerate() if thread not in before]
    assert len(mine) == 3
    inference.close()
    for thread in mine:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    with pytest.raises(Interrupted):
        inference.act(lambda: 1, PATIENCE)
