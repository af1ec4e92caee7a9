"""One Execute goal: look, predict, publish, wait for the verdict and for the motion, look again."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from vlaser_msgs.action import Execute
from vlaser_msgs.msg import ActionChunk, ChunkVerdict, ResultCode

from vlaser_core.embodiment import Embodiment
from vlaser_ros.faults import Fault
from vlaser_ros.messages import to_seconds
from vlaser_ros.server.interrupt import Interrupted, Reason
from vlaser_ros.server.requests import Predictor, check_goal
from vlaser_ros.server.settings import Settings
from vlaser_ros.server.verdicts import Verdicts
from vlaser_ros.server.views import View, Views


@dataclass
class Tally:
    """What happened so far, for feedback and result. began: s of the run's clock."""

    began: float
    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    # Eight bytes a chunk each: a goal may run for days.
    inference: array = field(default_factory=lambda: array("d"))
    view_age: array = field(default_factory=lambda: array("d"))
    chunk_age: array = field(default_factory=lambda: array("d"))


class PolicyRun:
    """Runs one goal. publish sends a chunk, hold asks the controller to hold and returns that request's number; both are thread-safe.

    ask: (image, question) → the model's answer as text; raises Fault and Interrupted as `predict` does.
    listened: whether a controller is there to take chunks and answer. why: the reason to end, asked often, so it must be
    cheap. seen: told what was looked at and what came of it, while the arm moves. leaving: whether the process ends and
    nothing can be waited for. now: the ROS clock in s; elapsed: s that measure durations; no_time: why there is no ROS
    time, or None. next_sequence counts chunks.
    """

    def __init__(
        self,
        *,
        embodiment: Embodiment,
        predict: Predictor,
        ask: Callable[[np.ndarray, str, Callable[[], bool]], str],
        views: Views,
        verdicts: Verdicts,
        settings: Settings,
        now: Callable[[], float],
        next_sequence: Callable[[], int],
        listened: Callable[[], bool],
        publish: Callable[[ActionChunk], None],
        hold: Callable[[str], int],
        feedback: Callable[[Execute.Feedback], None],
        seen: Callable[[View, ActionChunk, ChunkVerdict, str], None],
        why: Callable[[], Reason | None],
        leaving: Callable[[], bool],
        elapsed: Callable[[], float] = time.monotonic,
        no_time: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.embodiment, self.predict, self.ask, self.views, self.verdicts, self.settings = embodiment, predict, ask, views, verdicts, settings
        self.now, self.next_sequence, self.listened, self.publish, self.hold = now, next_sequence, listened, publish, hold
        self.feedback, self.seen, self.why, self.leaving, self.elapsed, self.no_time = feedback, seen, why, leaving, elapsed, no_time

    def run(self, goal: Execute.Goal, goal_id: str) -> Execute.Result:
        """Never raises for what can go wrong on a robot: the result says it."""
        tally, result = Tally(self.elapsed()), Execute.Result()
        limit = goal.timeout or self.settings.default_timeout
        try:
            check_goal(goal, self.embodiment)
            result.outcome = self._loop(goal, goal_id, tally, limit)
        except Interrupted:
            reason = self.why() or Reason(Execute.Result.TIMED_OUT, ResultCode.TIMEOUT, f"not done after {limit:.1f} s; the arm holds")
            tell(result, reason)
        except Fault as fault:
            tell(result, Reason(Execute.Result.FAILED, fault.code, str(fault)))
        if tally.sent:
            self._end_motion(goal_id, result)
        _summarise(tally, result, self.elapsed())
        return result

    def _loop(self, goal: Execute.Goal, goal_id: str, tally: Tally, limit: float) -> int:
        settings = self.settings
        every = goal.done_check_every or settings.done_check_every
        missing = self.no_time()
        if missing:
            raise Fault(ResultCode.STALE_OBSERVATION, missing)
        # Never act on a picture from before the request: the scene may have been set up since.
        refusals, after = 0, self.now()

        def interrupted() -> bool:
            return self.why() is not None or self.elapsed() - tally.began > limit

        self._await_controller(interrupted)
        while True:
            try:
                view = self.views.wait(after, settings.observation_timeout, interrupted, self.elapsed)
            finally:
                self._check(interrupted)
            if goal.max_chunks and tally.accepted >= goal.max_chunks:
                return Execute.Result.MAX_CHUNKS
            if goal.stop_when_done and tally.accepted and not refusals and tally.accepted % every == 0 and self._is_done(view, goal, interrupted):
                return Execute.Result.DONE
            message, view_age = self._think(view, goal, goal_id, tally, interrupted)
            self._check(interrupted)
            self.publish(message)
            tally.sent += 1
            verdict = self.verdicts.wait(goal_id, message.sequence, settings.verdict_timeout, interrupted)
            if verdict is None:
                self._check(interrupted)
                raise Fault(
                    ResultCode.NO_CONTROLLER,
                    f"no verdict on chunk {message.sequence} within {settings.verdict_timeout:.1f} s on vlaser/chunk_verdict; does chunk_controller run?",
                )
            self._tell(message, verdict, view_age, tally)
            self.seen(view, message, verdict, goal.instruction)
            if verdict.accepted:
                refusals, after = 0, to_seconds(verdict.end) - settings.end_tolerance
                continue
            refusals, after = refusals + 1, view.stamp
            if verdict.code == ResultCode.GATE_ESTOP or refusals >= settings.max_rejections:
                raise Fault(verdict.code, f"{verdict.reason} ({refusals} chunks in a row rejected; the arm holds)")

    def _end_motion(self, goal_id: str, result: Execute.Result) -> None:
        sequence = self.hold(goal_id)
        # Once this is answered nothing of the goal is still to come: whoever reads the result may reset the scene at once.
        if result.error_code != ResultCode.NO_CONTROLLER and not self.leaving():
            self.verdicts.wait(goal_id, sequence, self.settings.verdict_timeout, self.leaving)

    def _await_controller(self, interrupted: Callable[[], bool]) -> None:
        # A server that has just started may know its client before its controller; what it sent then would be lost.
        deadline = time.monotonic() + self.settings.controller_timeout
        while not self.listened():
            self._check(interrupted)
            if time.monotonic() > deadline:
                raise Fault(ResultCode.NO_CONTROLLER, "nobody takes chunks on vlaser/action_chunk and answers on vlaser/chunk_verdict; does chunk_controller run?")
            time.sleep(0.02)

    def _check(self, interrupted: Callable[[], bool]) -> None:
        if interrupted():
            raise Interrupted

    def _think(self, view: View, goal: Execute.Goal, goal_id: str, tally: Tally, interrupted: Callable[[], bool]) -> tuple[ActionChunk, float]:
        view_age = self.now() - view.stamp
        message = self.predict(
            view,
            goal.instruction.strip(),
            seed=None if goal.seed < 0 else goal.seed + tally.sent,
            steps=goal.flow_steps or None,
            sequence=self.next_sequence(),
            goal_id=goal_id,
            executed_steps=goal.executed_steps,
            interrupted=interrupted,
        )
        tally.inference.append(message.inference_time)
        tally.view_age.append(view_age)
        return message, view_age

    def _is_done(self, view: View, goal: Execute.Goal, interrupted: Callable[[], bool]) -> bool:
        question = self.settings.done_question.format(instruction=goal.instruction.strip())
        answer = self.ask(next(iter(view.observation.images.values())), question, interrupted)
        return answer.strip().lower().startswith("yes")

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


def tell(result: Execute.Result, reason: Reason) -> Execute.Result:
    """The result with that reason in it."""
    result.outcome, result.error_code, result.error_msg = reason.outcome, reason.code, reason.message
    return result


def _summarise(tally: Tally, result: Execute.Result, now: float) -> None:
    result.chunks_sent, result.chunks_accepted, result.chunks_rejected = tally.sent, tally.accepted, tally.rejected
    result.duration = max(0.0, now - tally.began)
    for name, values in (("inference", tally.inference), ("observation_age", tally.view_age), ("chunk_age", tally.chunk_age)):
        if values:
            setattr(result, f"{name}_p50", float(np.percentile(values, 50)))
            setattr(result, f"{name}_p99", float(np.percentile(values, 99)))
