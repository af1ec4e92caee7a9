"""One goal, without processes: what is asked of the model, what is sent to the arm, and how every ending is told."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from std_msgs.msg import Header  # noqa: E402
from vlaser_msgs.action import Execute  # noqa: E402
from vlaser_msgs.msg import ChunkVerdict, ResultCode  # noqa: E402

from vlaser_core.embodiment import load_embodiment  # noqa: E402
from vlaser_core.reasoning.types import Answer  # noqa: E402
from vlaser_core.types import ActionChunk, Observation  # noqa: E402
from vlaser_ros.messages import to_seconds, to_time  # noqa: E402
from vlaser_ros.server.execute import PolicyRun  # noqa: E402
from vlaser_ros.server.inference import Inference  # noqa: E402
from vlaser_ros.server.interrupt import CANCELED, SHUTDOWN, Interrupt, Interrupted  # noqa: E402
from vlaser_ros.server.reasoning import Reasoning  # noqa: E402
from vlaser_ros.server.requests import Predictor  # noqa: E402
from vlaser_ros.server.settings import Settings  # noqa: E402
from vlaser_ros.server.verdicts import Verdicts  # noqa: E402
from vlaser_ros.server.views import View  # noqa: E402

ROBOT = load_embodiment("widowx")
STEP = np.array([0.005, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


class Model:
    """The engine's protocol, scripted. answers: to the question whether the task is done, in order."""

    embodiment = ROBOT

    def __init__(self) -> None:
        self.answers: list = []
        self.asked: list[tuple[int, str]] = []
        self.predictions = 0
        self.actions = np.tile(STEP, (4, 1))
        self.seeds: list[int | None] = []
        self.before_returning = lambda: None

    def predict(self, observation, instruction, *, seed=None, steps=None) -> ActionChunk:
        self.predictions += 1
        self.seeds.append(seed)
        self.before_returning()
        return ActionChunk(self.actions, observation.stamp, ROBOT.action.dt, 0.01)

    def ask(self, image, question):
        self.asked.append((self.predictions, question))
        answer = self.answers.pop(0) if self.answers else "no"
        if isinstance(answer, Exception):
            raise answer
        return Answer(text=answer, score=1.0)


class Stage:
    """Views that come the moment they are asked for, and a controller that decides as `judge` says. Time is virtual."""

    def __init__(self) -> None:
        self.model, self.clock, self.sent, self.held, self.told, self.log = Model(), 100.0, [], [], [], []
        self.after: list[float] = []
        self.shown: list[tuple] = []
        self.judge = lambda index: ResultCode.NONE
        self.controllers = 1
        self.interrupt, self.verdicts = Interrupt(), Verdicts()
        self.settings = Settings(observation_timeout=1.0, verdict_timeout=0.2, controller_timeout=0.2, inference_timeout=20.0)
        self.inference = Inference(1, self.log.append)

    def wait(self, after: float, timeout: float, interrupted, clock) -> View:
        if interrupted():
            raise Interrupted
        self.after.append(after)
        self.clock = max(self.clock, after) + 0.01
        return View(Observation({"image_0": np.zeros((4, 4, 3), np.uint8)}, np.zeros(7), self.clock), {"image_0": Header()})

    def publish(self, message) -> None:
        self.sent.append(message)
        code = self.judge(len(self.sent) - 1)
        if code is None:
            return
        end = to_seconds(message.header.stamp) + message.executed_steps * message.dt
        verdict = ChunkVerdict(goal_id=message.goal_id, sequence=message.sequence, accepted=code == 0, code=code, reason="scripted" if code else "", age=0.02)
        verdict.end = to_time(0.0 if code else end)
        self.verdicts.put(verdict)

    def hold(self, goal_id: str) -> int:
        self.held.append(goal_id)
        self.verdicts.put(ChunkVerdict(goal_id=goal_id, sequence=10**6 + len(self.held), accepted=True))
        return 10**6 + len(self.held)

    def run(self, **goal) -> Execute.Result:
        predict = Predictor(self.model, self.inference, lambda: self.settings.inference_timeout)
        options = {"waiting": 1, "settings": lambda: self.settings, "now": lambda: self.clock, "refusal": lambda: None, "seen": lambda *_: None}
        views = SimpleNamespace(wait=self.wait)
        run = PolicyRun(
            embodiment=ROBOT,
            predict=predict,
            ask=Reasoning(engine=self.model, inference=self.inference, predict=predict, views=views, **options).said,
            views=views,
            verdicts=self.verdicts,
            settings=self.settings,
            now=lambda: self.clock,
            next_sequence=lambda: len(self.sent) + 1,
            listened=lambda: self.controllers,
            publish=self.publish,
            hold=self.hold,
            feedback=self.told.append,
            seen=lambda *what: self.shown.append(what[1:]),
            why=lambda: self.interrupt.reason,
            leaving=lambda: self.interrupt.reason == SHUTDOWN,
        )
        return run.run(Execute.Goal(**{"instruction": "put carrot on plate", "seed": -1, **goal}), "goal")


@pytest.fixture
def stage():
    made = Stage()
    yield made
    made.inference.close()


def test_the_model_is_asked_every_so_many_chunks_and_its_yes_ends_the_goal(stage):
    stage.model.answers = ["no", "Yes, it is."]
    result = stage.run(stop_when_done=True, done_check_every=2, instruction=" put carrot on plate ")
    assert (result.outcome, result.error_code, result.chunks_accepted) == (Execute.Result.DONE, ResultCode.NONE, 4)
    question = "Is the task done: put carrot on plate?"
    assert stage.model.asked == [(2, question), (4, question)] and stage.held == ["goal"]


def test_nobody_is_asked_who_did_not_want_to_stop_when_done(stage):
    assert stage.run(max_chunks=7).outcome == Execute.Result.MAX_CHUNKS
    assert stage.model.asked == [] and len(stage.sent) == 7


def test_a_model_that_fails_to_answer_ends_the_goal_with_the_arm_held(stage):
    stage.model.answers = [RuntimeError("out of memory")]
    result = stage.run(stop_when_done=True, done_check_every=1)
    assert result.error_code == ResultCode.MODEL_FAILED and "out of memory" in result.error_msg and stage.held == ["goal"]


def test_a_chunk_computed_while_the_goal_was_cancelled_is_never_sent(stage):
    stage.model.before_returning = lambda: stage.model.predictions == 2 and stage.interrupt.give(CANCELED)
    result = stage.run()
    assert (result.outcome, result.error_code) == (Execute.Result.STOPPED, ResultCode.CANCELED)
    assert stage.model.predictions == 2 and len(stage.sent) == 1 and stage.held == ["goal"]


def test_cancelling_before_anything_was_sent_sends_nothing(stage):
    stage.interrupt.give(CANCELED)
    result = stage.run()
    assert result.error_code == ResultCode.CANCELED and stage.sent == [] and stage.held == []


def test_cancelling_while_the_controller_thinks_does_not_wait_for_it(stage):
    stage.judge = lambda index: stage.interrupt.give(CANCELED)  # no verdict comes
    result = stage.run()
    assert result.error_code == ResultCode.CANCELED and stage.held == ["goal"]


def test_a_server_that_stops_says_so(stage):
    stage.model.before_returning = lambda: stage.interrupt.give(SHUTDOWN)
    assert stage.run().error_code == ResultCode.SHUTDOWN


def test_inference_that_raises_ends_the_goal_and_names_the_error(stage):
    def fail() -> None:
        raise RuntimeError("boom")

    stage.model.before_returning = fail
    result = stage.run()
    assert result.error_code == ResultCode.MODEL_FAILED and "RuntimeError: boom" in result.error_msg and stage.sent == []


def test_a_chunk_of_another_shape_is_not_sent(stage):
    stage.model.actions = np.zeros((4, 6))
    result = stage.run()
    assert result.error_code == ResultCode.BAD_MODEL_OUTPUT and "(4, 6)" in result.error_msg and stage.sent == []


def test_without_a_verdict_the_missing_controller_is_named(stage):
    stage.judge = lambda index: None
    result = stage.run()
    assert result.error_code == ResultCode.NO_CONTROLLER and "chunk_controller" in result.error_msg and stage.held == ["goal"]


def test_nothing_is_sent_to_a_controller_that_is_not_there(stage):
    stage.controllers = 0
    result = stage.run()
    assert result.error_code == ResultCode.NO_CONTROLLER and "chunk_verdict" in result.error_msg
    assert stage.sent == [] and stage.model.predictions == 0


def test_the_latched_stop_ends_the_goal_at_its_first_refusal(stage):
    stage.judge = lambda index: ResultCode.GATE_ESTOP if index else ResultCode.NONE
    result = stage.run()
    assert (result.error_code, result.chunks_sent, result.chunks_rejected) == (ResultCode.GATE_ESTOP, 2, 1)


def test_only_refusals_in_a_row_end_a_goal(stage):
    stage.judge = lambda index: ResultCode.NONE if index % 3 == 2 else ResultCode.GATE_VELOCITY
    result = stage.run(max_chunks=3)
    assert (result.outcome, result.chunks_sent, result.chunks_rejected) == (Execute.Result.MAX_CHUNKS, 9, 6)
    stage.judge = lambda index: ResultCode.GATE_VELOCITY
    result = stage.run()
    assert (result.error_code, result.chunks_sent) == (ResultCode.GATE_VELOCITY, 3) and "scripted (3 chunks in a row" in result.error_msg


def test_the_next_view_is_taken_when_the_executed_steps_are_over(stage):
    stage.run(max_chunks=2, executed_steps=2)
    first = to_seconds(stage.sent[0].header.stamp)
    assert stage.after[1] == pytest.approx(first + 2 * ROBOT.action.dt - 0.01)
    assert to_seconds(stage.sent[1].header.stamp) >= stage.after[1]


def test_a_seeded_goal_uses_another_seed_for_every_chunk(stage):
    stage.run(max_chunks=3, seed=7)
    assert stage.model.seeds == [7, 8, 9]
    stage.model.seeds.clear()
    stage.run(max_chunks=1)
    assert stage.model.seeds == [None]


def test_feedback_tells_each_chunk_with_its_verdict(stage):
    stage.judge = lambda index: ResultCode.GATE_AGE if index == 0 else ResultCode.NONE
    stage.run(max_chunks=1)
    assert [feedback.index for feedback in stage.told] == [0, 1]
    assert "rejected (402: scripted)" in stage.told[0].status and "accepted, 4 steps" in stage.told[1].status


def test_a_chunk_is_shown_with_what_became_of_it_and_not_before(stage):
    stage.judge = lambda index: ResultCode.GATE_STEP if index == 0 else ResultCode.NONE
    stage.run(max_chunks=2)
    assert [(chunk.sequence, verdict.accepted, text) for chunk, verdict, text in stage.shown] == [
        (1, False, "put carrot on plate"),
        (2, True, "put carrot on plate"),
        (3, True, "put carrot on plate"),
    ]
