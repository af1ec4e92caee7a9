"""What a request must be, and one prediction for it as a message."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from vlaser_msgs.action import Execute
from vlaser_msgs.msg import ActionChunk, ResultCode

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_ros.faults import Fault
from vlaser_ros.messages import chunk_message
from vlaser_ros.server.inference import Inference
from vlaser_ros.server.interrupt import Interrupted
from vlaser_ros.server.views import View

LONGEST_TEXT = 1024
MOST_FLOW_STEPS = 1000


def check_text(text: str, what: str) -> str:
    """`text` without surrounding space. Raises Fault when empty or too long."""
    stripped = text.strip()
    if not stripped:
        raise Fault(ResultCode.BAD_INSTRUCTION, f"{what} is empty; expected 1…{LONGEST_TEXT} characters")
    if len(stripped) > LONGEST_TEXT:
        raise Fault(ResultCode.BAD_INSTRUCTION, f"{what} has {len(stripped)} characters; expected 1…{LONGEST_TEXT}")
    return stripped


def check_flow_steps(steps: int) -> None:
    """Raises Fault when out of range."""
    if steps > MOST_FLOW_STEPS:
        raise Fault(ResultCode.BAD_GOAL, f"flow_steps is {steps}, expected 0 (the model's own) … {MOST_FLOW_STEPS}")


def check_goal(goal: Execute.Goal, embodiment: Embodiment) -> None:
    """Raises Fault naming the field that is out of range."""
    check_text(goal.instruction, "instruction")
    if not (math.isfinite(goal.timeout) and goal.timeout >= 0):
        raise Fault(ResultCode.BAD_GOAL, f"timeout is {goal.timeout} s, expected 0 (default) or a positive number")
    if goal.executed_steps > embodiment.action.horizon:
        raise Fault(ResultCode.BAD_GOAL, f"executed_steps is {goal.executed_steps}, a chunk has {embodiment.action.horizon} steps")
    check_flow_steps(goal.flow_steps)


class Predictor:
    """The engine's chunks as messages. limit: s of wall clock one may take, asked before each."""

    def __init__(self, engine, inference: Inference, limit: Callable[[], float]) -> None:
        self.engine, self._inference, self._limit = engine, inference, limit

    def __call__(
        self,
        view: View,
        instruction: str,
        *,
        seed: int | None,
        steps: int | None,
        sequence: int,
        goal_id: str,
        executed_steps: int,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> ActionChunk:
        """The chunk for a view; executed_steps 0 means all.

        Raises Interrupted, or Fault: BAD_GOAL for what the engine cannot be asked, MODEL_FAILED, BAD_MODEL_OUTPUT.
        """
        engine = self.engine
        try:
            chunk = self._inference.act(lambda: engine.predict(view.observation, instruction, seed=seed, steps=steps), self._limit(), interrupted)
        except (Fault, Interrupted):
            raise
        except InputError as error:
            raise Fault(ResultCode.BAD_GOAL, str(error)) from error
        except Exception as error:  # whatever a model raises must end the goal, not the node
            raise Fault(ResultCode.MODEL_FAILED, f"prediction failed: {type(error).__name__}: {error}") from error
        try:
            if len(chunk.actions) > engine.embodiment.action.horizon:
                raise InputError(f"{np.shape(chunk.actions)} actions, the robot's horizon is {engine.embodiment.action.horizon}")
            return chunk_message(chunk, engine.embodiment, sequence=sequence, goal_id=goal_id, executed_steps=executed_steps or len(chunk.actions))
        except (AttributeError, TypeError, ValueError, InputError) as error:
            raise Fault(ResultCode.BAD_MODEL_OUTPUT, f"the model returned something that is not a chunk: {error}") from error
