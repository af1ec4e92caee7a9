"""Ground, plan, ask: a question put in the model's words, its text read back. Knows no torch: it is given `generate`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from vlaser_core.model.config import VlaserConfig
from vlaser_core.reasoning.parse import parse_grounding, parse_plan
from vlaser_core.reasoning.prompts import (
    ask_question,
    bare_phrase,
    chat_prompt,
    ground_box_question,
    ground_point_question,
    plan_question,
    system_text,
)
from vlaser_core.reasoning.types import GREEDY, Answer, Grounding, Plan, Sampling

Pictures = Sequence[np.ndarray]
# (pictures, the prompt for the image tokens of each picture, max_new_tokens, sampling) → text, token probabilities
Generate = Callable[[Pictures, Callable[[list[int]], str], int, Sampling], tuple[str, Sequence[float]]]


def confidence(probabilities: Sequence[float]) -> float:
    """Geometric mean of token probabilities, 0 for no tokens."""
    if not probabilities:
        return 0.0
    return math.exp(sum(math.log(max(p, 1e-12)) for p in probabilities) / len(probabilities))


class Reasoner:
    """The model's reasoning about RGB pictures (H, W, 3). Every question takes a `sampling`: greedy, or seeded."""

    def __init__(self, config: VlaserConfig, generate: Generate) -> None:
        self._config, self._generate = config, generate

    def _answer(self, images: Pictures, question: str, max_new_tokens: int, sampling: Sampling) -> tuple[str, float]:
        system = system_text(self._config.chat_system)
        text, probabilities = self._generate(
            images, lambda tokens: chat_prompt([("user", question)], system, tokens), max_new_tokens, sampling
        )
        return text, confidence(probabilities)

    def ground(self, image: np.ndarray, phrase: str, sampling: Sampling = GREEDY) -> Grounding:
        """Boxes and points of what `phrase` names: the model is asked for each in turn."""
        height, width = image.shape[:2]
        style = self._config.question_style
        text, score = self._answer([image], ground_box_question(phrase, style), 128, sampling)
        boxes = parse_grounding(text, bare_phrase(phrase), width, height, score)
        text, score = self._answer([image], ground_point_question(phrase, style), 128, sampling)
        points = parse_grounding(text, bare_phrase(phrase), width, height, score)
        first, second = len(boxes.boxes), len(points.boxes)
        return Grounding(
            phrase=boxes.phrase,
            boxes=boxes.boxes,
            points=points.points,
            labels=boxes.labels[:first] + points.labels[second:],
            scores=boxes.scores[:first] + points.scores[second:],
            text=f"{boxes.text}\n{points.text}",
            width=width,
            height=height,
            malformed=boxes.malformed + points.malformed,
        )

    def plan(self, image: np.ndarray, goal: str, ground: bool = False, sampling: Sampling = GREEDY) -> Plan:
        """Ordered steps to `goal`; with `ground`, each distinct target is looked for in the picture."""
        text, _ = self._answer([image], plan_question(goal, self._config.question_style), 256, sampling)
        plan = parse_plan(text, goal)
        if not ground:
            return plan
        found: dict[str, Grounding] = {}
        for step in plan.steps:
            if step.target and step.target not in found:
                found[step.target] = self.ground(image, step.target, sampling)
        return dataclasses.replace(
            plan, steps=tuple(dataclasses.replace(step, grounding=found.get(step.target) if step.target else None) for step in plan.steps)
        )

    def ask(self, images: Pictures, question: str, sampling: Sampling = GREEDY, max_new_tokens: int = 128) -> Answer:
        """The answer to a free question about one or several pictures; `<image>` in it says where each picture stands."""
        return Answer(*self._answer(images, ask_question(question), max_new_tokens, sampling))
