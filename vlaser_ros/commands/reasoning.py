"""`vlaser ground`, `plan` and `ask`: one picture file, one question, JSON on stdout. No ROS.

The picture is checked before the model is loaded, so that a wrong path is told at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from vlaser_core.reasoning.draw import annotated
from vlaser_core.reasoning.types import Grounding, Sampling
from vlaser_ros.commands.pictures import read_picture, write_picture

if TYPE_CHECKING:
    from vlaser_core.engine import Engine


class Options(Protocol):
    """How a model is loaded and answers; see `vlaser_ros.commands.arguments`."""

    out: Path | None
    temperature: float
    top_p: float
    seed: int

    def load(self) -> Engine: ...


def _sampling(options: Options) -> Sampling:
    return Sampling(options.temperature, options.top_p, options.seed)


def _finish(options: Options, picture: np.ndarray, answer: dict, groundings: Sequence[Grounding], caption: str) -> int:
    if options.out is not None:
        enlarge = max(1, round(720 / picture.shape[0]))
        write_picture(options.out, annotated(picture, groundings, caption, enlarge))
    print(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    return 0


def ground(options: Options, image: Path, phrase: str) -> int:
    picture, sampling = read_picture(image), _sampling(options)
    found = options.load().ground(picture, phrase, sampling=sampling)
    return _finish(options, picture, found.to_json(), [found], phrase if found.found else f"{phrase}: not found")


def plan(options: Options, image: Path, goal: str, with_grounding: bool) -> int:
    picture, sampling = read_picture(image), _sampling(options)
    steps = options.load().plan(picture, goal, with_grounding, sampling=sampling)
    # Steps that act on the same thing share one grounding; it is drawn once.
    groundings = {step.target: step.grounding for step in steps.steps if step.grounding is not None}
    return _finish(options, picture, steps.to_json(), list(groundings.values()), " > ".join(step.text for step in steps.steps) or goal)


def ask(options: Options, images: Sequence[Path], question: str) -> int:
    """Several pictures are asked about together; `out` shows the first."""
    pictures, sampling = [read_picture(image) for image in images], _sampling(options)
    answer = options.load().ask(pictures, question, sampling=sampling)
    return _finish(options, pictures[0], {"question": question, **answer.to_json()}, [], f"{question} {answer.text}")
