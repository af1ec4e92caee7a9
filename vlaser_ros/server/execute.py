"""One Execute goal: look, predict, publish, wait for the verdict and for the motion, look again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from vlaser_msgs.action import Execute
from vlaser_msgs.msg import ActionChunk, ChunkVerdict, ResultCode

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_ros.faults import Fault
from vlaser_ros.messages import chunk_message, to_seconds
from vlaser_ros.server.verdicts import Verdicts
from vlaser_ros.server.views import Interrupted, View, Views

LONGEST_TEXT = 1024
MOST_FLOW_STEPS = 1000


@dataclass(frozen=True)
class Settings:
    """Times in s. end_tolerance: how much earlier than the chunk's end a view may be taken. done_question: with {instruction}."""

    default_timeout: float
    observation_timeout: float
    verdict_timeout: float
    end_tolerance: float
    max_rejections: int
    done_check_every: int
    done_question: str


@dataclass
class Tally:
    """What happened so far, for feedback and result."""

    began: float = field(default_factory=time.monotonic)
    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    inference: list[float] = field(default_factory=list)
    view_age: list[float] = field(default_factory=list)
    chunk_age: list[float] = field(default_factory=list)


class TimedOut(Exception):
    """The goal's own timeout."""


def check_text(text: str, what: str) -> str:
    """`text` without surrounding space. Raises Fault when empty or too long."""
    stripped = text.strip()
    if not stripped:
        raise Fault(ResultCode.BAD_INSTRUCTION, f"{what} is empty; expected 1…{LONGEST_TEXT} characters")
    if len(stripped) > LONGEST_TEXT:
        raise Fault(ResultCode.BAD_INSTRUCTION, f"{what} has {len(stripped)} characters; expected 1…{LONGEST_TEXT}")
    return stripped


def check_goal(goal: Execute.Goal, embodiment: Embodiment) -> None:
    """Raises Fault naming the field that is out of range."""
    check_text(goal.instruction, "instruction")
    if not (math.isfinite(goal.timeout) and goal.timeout >= 0):
        raise Fault(ResultCode.BAD_GOAL, f"timeout is {goal.timeout} s, expected 0 (default) or a positive number")
    if goal.executed_steps > embodiment.action.horizon:
        raise Fault(ResultCode.BAD_GOAL, f"executed_steps is {goal.executed_steps}, a chunk has {embodiment.action.horizon} steps")
    if goal.flow_steps > MOST_FLOW_STEPS:
        raise Fault(ResultCode.BAD_GOAL, f"flow_steps is {goal.flow_steps}, expected 0 (the model's own) … {MOST_FLOW_STEPS}")


class PolicyRun:
    """Runs one goal. publish sends a chunk, hold asks the controller to hold and returns that request's number; both are thread-safe.

    listened: whether a controller is there to take chunks and answer. cancelled and stopping are asked often and must be cheap; now: the ROS clock in s; next_sequence counts chunks.
    """

    def __init__(
        self,
        *,
        engine,
        views: Views,
        verdicts: Verdicts,
        settings: Settings,
        now: Callable[[], float],
        next_sequence: Callable[[], int],
        listened: Callable[[], bool],
        publish: Callable[[ActionChunk], None],
        hold: Callable[[str], int],
        feedback: Callable[[Execute.Feedback], None],
        seen: Callable[[View, str], None],
        cancelled: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> None:
        self.engine, self.views, self.verdicts, self.settings = engine, views, verdicts, settings
        self.now, self.next_sequence, self.listened, self.publish, self.hold = now, next_sequence, listened, publish, hold
        self.feedback, self.seen, self.cancelled, self.stopping = feedback, seen, cancelled, stopping

    def run(self, goal: Execute.Goal, goal_id: str) -> Execute.Result:
        """Never raises for what can go wrong on a robot: the result says it."""
        tally, result = Tally(), Execute.Result()
        try:
            check_goal(goal, self.engine.embodiment)
            result.outcome = self._loop(goal, goal_id, tally)
        except Interrupted:
            result.outcome = Execute.Result.FAILED if self.stopping() else Execute.Result.STOPPED
            result.error_code = ResultCode.SHUTDOWN if self.stopping() else ResultCode.CANCELED
            result.error_msg = "the server is shutting down; the arm holds" if self.stopping() else "cancelled; the arm holds"
        except TimedOut as error:
            result.outcome, result.error_code, result.error_msg = Execute.Result.TIMED_OUT, ResultCode.TIMEOUT, str(error)
        except Fault as fault:
            result.outcome, result.error_code, result.error_msg = Execute.Result.FAILED, fault.code, str(fault)
        if tally.sent:
            self._end_motion(goal_id, result)
        _summarise(tally, result)
        return result

    def _loop(self, goal: Execute.Goal, goal_id: str, tally: Tally) -> int:
        settings = self.settings
        limit = goal.timeout or settings.default_timeout
        every = goal.done_check_every or settings.done_check_every
        # Never act on a picture from before the request: the scene may have been set up since.
        refusals, after = 0, self.now()
        view: View | None = None

        def interrupted() -> bool:
            return self.cancelled() or self.stopping() or time.monotonic() - tally.began > limit

        self._await_controller(tally, limit)
        while True:
            try:
                view = self.views.wait(after, settings.observation_timeout, interrupted)
            finally:
                self._check_interrupted(tally, limit)
            if goal.max_chunks and tally.accepted >= goal.max_chunks:
                return Execute.Result.MAX_CHUNKS
            if goal.stop_when_done and tally.accepted and not refusals and tally.accepted % every == 0 and self._is_done(view, goal.instruction):
                return Execute.Result.DONE
            message, view_age = self._predict(view, goal, goal_id, tally)
            self._check_interrupted(tally, limit)
            self.publish(message)
            tally.sent += 1
            verdict = self.verdicts.wait(message.sequence, settings.verdict_timeout, interrupted)
            if verdict is None:
                self._check_interrupted(tally, limit)
                raise Fault(
                    ResultCode.NO_CONTROLLER,
                    f"no verdict on chunk {message.sequence} within {settings.verdict_timeout:.1f} s on vlaser/chunk_verdict; does chunk_controller run?",
                )
            self._tell(message, verdict, view_age, tally)
            if verdict.accepted:
                refusals, after = 0, to_seconds(verdict.end) - settings.end_tolerance
                continue
            refusals, after = refusals + 1, view.stamp
            if verdict.code == ResultCode.GATE_ESTOP or refusals >= settings.max_rejections:
                raise Fault(verdict.code, f"{verdict.reason} ({refusals} chunks in a row rejected; the arm holds)")

    def _end_motion(self, goal_id: str, result: Execute.Result) -> None:
        sequence = self.hold(goal_id)
        # Once this is answered nothing of the goal is still to come: whoever reads the result may reset the scene at once.
        if result.error_code not in (ResultCode.NO_CONTROLLER, ResultCode.SHUTDOWN):
            self.verdicts.wait(sequence, self.settings.verdict_timeout, self.stopping)

    def _await_controller(self, tally: Tally, limit: float) -> None:
        # A server that has just started may know its client before its controller; what it sent then would be lost.
        deadline = time.monotonic() + self.settings.verdict_timeout
        while not self.listened():
            self._check_interrupted(tally, limit)
            if time.monotonic() > deadline:
                raise Fault(ResultCode.NO_CONTROLLER, "nobody takes chunks on vlaser/action_chunk and answers on vlaser/chunk_verdict; does chunk_controller run?")
            time.sleep(0.02)

    def _check_interrupted(self, tally: Tally, limit: float) -> None:
        if self.cancelled() or self.stopping():
            raise Interrupted
        if time.monotonic() - tally.began > limit:
            raise TimedOut(f"not done after {limit:.1f} s; the arm holds")

    def _predict(self, view: View, goal: Execute.Goal, goal_id: str, tally: Tally) -> tuple[ActionChunk, float]:
        seed = None if goal.seed < 0 else goal.seed + tally.sent
        view_age = self.now() - view.stamp
        message = predict_chunk(
            self.engine,
            view,
            goal.instruction.strip(),
            seed=seed,
            steps=goal.flow_steps or None,
            sequence=self.next_sequence(),
            goal_id=goal_id,
            executed_steps=goal.executed_steps,
        )
        tally.inference.append(message.inference_time)
        tally.view_age.append(view_age)
        self.seen(view, goal.instruction)
        return message, view_age

    def _is_done(self, view: View, instruction: str) -> bool:
        question = self.settings.done_question.format(instruction=instruction.strip())
        try:
            answer = self.engine.ask(next(iter(view.observation.images.values())), question)
        except Exception as error:  # whatever a model raises must end the goal, not the node
            raise Fault(ResultCode.MODEL_FAILED, f"asking whether the task is done failed: {type(error).__name__}: {error}") from error
        return answer.text.strip().lower().startswith("yes")

    def _tell(self, message: ActionChunk, verdict: ChunkVerdict, view_age: float, tally: Tally) -> None:
        tally.accepted += verdict.accepted
        tally.rejected += not verdict.accepted
        tally.chunk_age.append(verdict.age)
        what = f"accepted, {message.executed_steps} steps" if verdict.accepted else f"rejected ({verdict.code}: {verdict.reason})"
        timing = f"view {view_age * 1000:.0f} ms old, inference {message.inference_time * 1000:.0f} ms"
        feedback = Execute.Feedback(index=tally.sent - 1, chunk=message, verdict=verdict, observation_age=view_age)
        feedback.inference_time = message.inference_time
        feedback.status = f"chunk {tally.sent - 1}: {what}, {timing}"
        self.feedback(feedback)


def predict_chunk(engine, view: View, instruction: str, *, seed: int | None, steps: int | None, sequence: int, goal_id: str, executed_steps: int) -> ActionChunk:
    """The engine's chunk for a view, as a message; executed_steps 0 means all.

    Raises Fault: BAD_GOAL for what the engine cannot be asked, MODEL_FAILED, BAD_MODEL_OUTPUT.
    """
    try:
        chunk = engine.predict(view.observation, instruction, seed=seed, steps=steps)
    except InputError as error:
        raise Fault(ResultCode.BAD_GOAL, str(error)) from error
    except Exception as error:  # whatever a model raises must end the goal, not the node
        raise Fault(ResultCode.MODEL_FAILED, f"prediction failed: {type(error).__name__}: {error}") from error
    try:
        return chunk_message(chunk, engine.embodiment, sequence=sequence, goal_id=goal_id, executed_steps=executed_steps or len(chunk.actions))
    except InputError as error:
        raise Fault(ResultCode.BAD_MODEL_OUTPUT, str(error)) from error


def _summarise(tally: Tally, result: Execute.Result) -> None:
    result.chunks_sent, result.chunks_accepted, result.chunks_rejected = tally.sent, tally.accepted, tally.rejected
    result.duration = time.monotonic() - tally.began
    for name, values in (("inference", tally.inference), ("observation_age", tally.view_age), ("chunk_age", tally.chunk_age)):
        if values:
            setattr(result, f"{name}_p50", float(np.percentile(values, 50)))
            setattr(result, f"{name}_p99", float(np.percentile(values, 99)))
