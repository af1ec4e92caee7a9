"""A stand-in for the model: known delay, real geometry, no weights. For tests, benchmarks and bring-up without a GPU.

It moves the grasp point towards a fixed pose in steps of at most `stride` metres, and answers text with what it
was asked; nothing here pretends to see.
"""

from __future__ import annotations

import time

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.types import ActionChunk, Observation


class StandInEngine:
    """The engine's protocol with a straight-line policy. delay: s every call takes. target: metres, base frame."""

    def __init__(self, embodiment: Embodiment, *, delay: float = 0.05, target: tuple[float, float, float] = (0.25, 0.0, 0.2), stride: float = 0.02) -> None:
        if embodiment.action.kind != "delta_eef_pose":
            raise InputError(f"the stand-in engine moves delta_eef_pose robots; {embodiment.name!r} has {embodiment.action.kind!r}")
        self.embodiment = embodiment
        self.delay, self.target, self.stride = delay, np.array(target), stride

    def predict(self, observation: Observation, instruction: str, *, seed: int | None = None, steps: int | None = None) -> ActionChunk:
        """Steps (H, A) straight to the target; an instruction with "close" shuts the gripper, else it opens."""
        began = time.monotonic()
        time.sleep(self.delay)
        horizon, place = self.embodiment.action.horizon, np.array(observation.proprio[:3], dtype=float)
        actions = np.zeros((horizon, self.embodiment.action_dim))
        for step in range(horizon):
            delta = self.target - place
            length = float(np.linalg.norm(delta))
            if length > self.stride:
                delta *= self.stride / length
            actions[step, :3] = delta
            place = place + delta
        actions[:, list(self.embodiment.action.gripper_dims)] = 0.0 if "close" in instruction.lower() else 1.0
        return ActionChunk(actions, observation.stamp, self.embodiment.action.dt, time.monotonic() - began)

    def ground(self, image: np.ndarray, phrase: str):
        """A box over the middle half of the picture, labelled with the phrase."""
        from vlaser_core.reasoning.types import Grounding

        time.sleep(self.delay)
        height, width = image.shape[:2]
        box = (250, 250, 750, 750)
        text = f"<ref>{phrase}</ref><box>[[{', '.join(str(value) for value in box)}]]</box>"
        return Grounding(phrase=phrase, boxes=(box,), points=(), labels=(phrase,), scores=(), text=text, width=width, height=height)

    def plan(self, image: np.ndarray, goal: str, ground: bool = False):
        """One step: the goal itself."""
        from vlaser_core.reasoning.types import Plan, PlanStep

        return Plan(goal=goal, steps=(PlanStep(text=goal, target=goal, point=None, grounding=self.ground(image, goal) if ground else None),), text=f"1. {goal}")

    def ask(self, image: np.ndarray, question: str):
        """The question back, so that a test sees it arrived."""
        from vlaser_core.reasoning.types import Answer

        time.sleep(self.delay)
        return Answer(text=f"You asked: {question}", score=1.0)
