from __future__ import annotations

import json

import numpy as np
import pytest

from vlaser_core.evaluate.benchmarks.asking import Answered
from vlaser_core.evaluate.benchmarks.fixtures import make_fixtures


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """The fixtures of all benchmarks; a test that changes one copies it."""
    folder = tmp_path_factory.mktemp("benchmarks")
    make_fixtures(folder)
    return folder


class Told:
    """A model that says what it is told to: `answers` by prompt, or one for all."""

    model = "told"

    def __init__(self, answers) -> None:
        self.answers, self.batches = answers, []

    def answer(self, asked):
        self.batches.append(list(asked))
        texts = [self.answers[each.prompt] if isinstance(self.answers, dict) else self.answers for each in asked]
        return [text if isinstance(text, Answered) else Answered(text) for text in texts]


@pytest.fixture
def told():
    return Told


def right_answer(truth) -> str:
    """What a perfect model says, in Vlaser's notation, to a question of any of the benchmarks."""
    if isinstance(truth, str):
        return truth
    if isinstance(truth, np.ndarray):
        return inside(truth if truth.ndim == 2 else truth[..., 0])
    if isinstance(truth[0], np.ndarray):  # Point-Bench: as many as are counted, one otherwise
        return points(centres(truth[0])[: truth[2] or 1])
    if truth[0] == "number":
        return str(truth[1])
    if truth[0] == "choice":
        return truth[1]
    if isinstance(truth[0], dict):  # PACO-LVIS
        from pycocotools import mask as codec

        return inside(codec.decode(truth[0]) * 255)
    if isinstance(truth[0][0], dict):  # VLABench
        return f"```json\n{json.dumps(truth[0])}\n```"
    return points([(x, y) for x, y in truth[0]])


def points(places) -> str:
    return f"<point>[{', '.join(f'[{round(1000 * x)}, {round(1000 * y)}]' for x, y in places)}]</point>"


def inside(values) -> str:
    return points(centres(values > 127)[:1])


def centres(mask) -> list[tuple[float, float]]:
    import cv2

    count, _, _, found = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [((x + 0.5) / mask.shape[1], (y + 0.5) / mask.shape[0]) for x, y in found[1:count]]


@pytest.fixture
def perfect():
    return right_answer
