"""A stand-in for the model: known delay, real geometry, no weights. For tests, benchmarks and bring-up without a GPU.

It moves the grasp point towards a fixed pose in steps of at most `stride` metres, or joints towards a fixed posture, and
answers text with what it was asked, read as a model's words are; nothing here pretends to see.
"""

from __future__ import annotations

import time

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.types import ActionChunk, Observation


JOINT_STRIDE = 0.5  # rad/s that joints are moved with


class StandInEngine:
    """The engine's protocol with a straight-line policy. delay: s every call takes. target: metres, base frame; for robots
    commanded by joints it is not used: each arm goes home and turns its first joint a little."""

    def __init__(self, embodiment: Embodiment, *, delay: float = 0.05, target: tuple[float, float, float] = (0.25, 0.0, 0.2), stride: float = 0.02) -> None:
        self.embodiment = embodiment
        self.delay, self.target, self.stride = delay, np.array(target), stride

    def predict(self, observation: Observation, instruction: str, *, seed: int | None = None, steps: int | None = None) -> ActionChunk:
        """Steps (H, A) straight to the target; an instruction with "close" shuts the grippers, else they open."""
        began = time.monotonic()
        move = self._deltas if self.embodiment.action.kind == "delta_eef_pose" else self._joints
        actions = move(np.array(observation.proprio, dtype=float))
        actions[:, list(self.embodiment.action.gripper_dims)] = 0.0 if "close" in instruction.lower() else 1.0
        # The delay is all that a call takes: what was computed here is within it.
        time.sleep(max(0.0, began + self.delay - time.monotonic()))
        return ActionChunk(actions, observation.stamp, self.embodiment.action.dt, time.monotonic() - began)

    def _deltas(self, proprio: np.ndarray) -> np.ndarray:
        place, actions = proprio[:3].copy(), np.zeros((self.embodiment.action.horizon, self.embodiment.action_dim))
        for action in actions:
            delta = self.target - place
            length = float(np.linalg.norm(delta))
            action[:3] = delta * min(1.0, self.stride / length) if length > 0 else delta
            place += action[:3]
        return actions

    def _joints(self, proprio: np.ndarray) -> np.ndarray:
        """Every joint at its own pace from `proprio`, which has the order of the actions, to home with the first joint turned."""
        posture = np.concatenate([[arm.home[0] + 0.2, *arm.home[1:], 0.0] for arm in self.embodiment.arms])
        reach = JOINT_STRIDE * self.embodiment.action.dt * np.arange(1, self.embodiment.action.horizon + 1)[:, None]
        return proprio + np.clip(posture - proprio, -reach, reach)

    def ground(self, image: np.ndarray, phrase: str):
        """A box over the middle half of the picture; for a phrase with a bracket in it, whatever places the phrase itself spells."""
        from vlaser_core.reasoning.parse import parse_grounding

        time.sleep(self.delay)
        height, width = image.shape[:2]
        return parse_grounding(phrase if "[" in phrase else "<box>[[250, 250, 750, 750]]</box>", phrase, width, height)

    def plan(self, image: np.ndarray, goal: str, ground: bool = False):
        """One step: the goal itself; for a goal with a bracket in it, the plan that the goal itself spells."""
        from vlaser_core.reasoning.parse import parse_plan
        from vlaser_core.reasoning.types import Plan, PlanStep

        if "[" in goal:
            return parse_plan(goal, goal)
        return Plan(goal=goal, steps=(PlanStep(text=goal, target=goal, point=None, grounding=self.ground(image, goal) if ground else None),), text=f"1. {goal}")

    def ask(self, image: np.ndarray, question: str):
        """The question back, so that a test sees it arrived."""
        from vlaser_core.reasoning.types import Answer

        time.sleep(self.delay)
        return Answer(text=f"You asked: {question}", score=1.0)
