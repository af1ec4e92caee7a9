"""`vlaser ground`, `plan` and `ask`: one picture file, one question, JSON on stdout. No ROS.

The picture is checked before the model is loaded, so that a wrong path is told at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from vlaser_core.reasoning.draw import annotated
from vlaser_core.reasoning.types import Grounding
from vlaser_ros.commands.pictures import read_picture, write_picture


class Loading(Protocol):
    """How a model is to be loaded; the options these commands share."""

    checkpoint: Path | None
    device: str
    dtype: str
    threads: int | None
    out: Path | None


def _engine(options: Loading):
    from vlaser_core.engine import Engine

    return Engine.load(options.checkpoint, options.device, options.dtype, options.threads)


def _finish(options: Loading, picture: np.ndarray, answer: dict, groundings: Sequence[Grounding], caption: str) -> int:
    if options.out is not None:
        enlarge = max(1, round(720 / picture.shape[0]))
        write_picture(options.out, annotated(picture, groundings, caption, enlarge))
    print(json.dumps(answer, ensure_ascii=False, allow_nan=False))
    return 0


def ground(options: Loading, image: Path, phrase: str) -> int:
    picture = read_picture(image)
    found = _engine(options).ground(picture, phrase)
    return _finish(options, picture, found.to_json(), [found], phrase if found.found else f"{phrase}: not found")


def plan(options: Loading, image: Path, goal: str, with_grounding: bool) -> int:
    picture = read_picture(image)
    steps = _engine(options).plan(picture, goal, with_grounding)
    # Steps that act on the same thing share one grounding; it is drawn once.
    groundings = {step.target: step.grounding for step in steps.steps if step.grounding is not None}
    return _finish(options, picture, steps.to_json(), list(groundings.values()), " > ".join(step.text for step in steps.steps) or goal)


def ask(options: Loading, image: Path, question: str) -> int:
    picture = read_picture(image)
    answer = _engine(options).ask(picture, question)
    return _finish(options, picture, {"question": question, **answer.to_json()}, [], f"{question} {answer.text}")
