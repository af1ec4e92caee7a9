"""What a benchmark asks, what it makes of an answer, and what the answers come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from vlaser_core.data.source import Damage, Picture
from vlaser_core.errors import InputError
from vlaser_core.evaluate.intervals import mean_interval

Metric = Literal["upstream", "corrected"]
Prompts = Literal["vlaser", "benchmark"]
METRICS: tuple[Metric, ...] = ("upstream", "corrected")
NO_COORDINATES = "no coordinates in the answer"
NO_OPTION = "no option in the answer"
NO_NUMBER = "no number in the answer"
NO_PLAN = "no plan in the answer"
REFUSED = "the model refused the question"


class Absent(InputError):
    """A benchmark's files are not where they are looked for; the message says where, and how to get them."""


@dataclass(frozen=True)
class Settings:
    """How questions are put. prompts: places are asked for as Vlaser was trained to give them (thousandths, `<point>[[x, y]]</point>`), or
    as each benchmark's own evaluation asks any model. frames: of a video, where its benchmark leaves the number open."""

    prompts: Prompts = "vlaser"
    frames: int = 32


@dataclass(frozen=True)
class Question:
    """id: unique in its benchmark, the same in every run. group: the task or category it is reported under. prompt: as the model reads
    it; `<image>` says where each picture stands, without any they stand before it. pictures, truth: read when they are needed, so that ten
    thousand questions fit any memory; they raise Damaged. max_tokens: of the answer. most_tiles: squares a picture is cut into, None as the
    model does.
    """

    id: str
    group: str
    prompt: str
    pictures: Callable[[], tuple[Picture, ...]]
    truth: Callable[[], Any]
    max_tokens: int = 128
    most_tiles: int | None = None


@dataclass(frozen=True)
class Verdict:
    """score: 0…1. weight: in a mean over more than questions, such as predicted points. fault: under what name an answer that could not be
    read is counted; it is wrong all the same. read: what was taken from the answer. points: the places it names, 0…1 of width and height.
    """

    score: float
    weight: float = 1.0
    fault: str = ""
    read: str = ""
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Judged:
    """A question's verdict."""

    id: str
    group: str
    verdict: Verdict


@dataclass(frozen=True)
class Score:
    """value: 0…1, of a whole benchmark or one of its groups; None without a question. interval: 95 %."""

    value: float | None
    interval: tuple[float, float] | None
    questions: int


@dataclass(frozen=True)
class Fault:
    """What a benchmark's own evaluation gets wrong. upstream: what it does; corrected: what is done instead."""

    name: str
    upstream: str
    corrected: str


class Benchmark(Protocol):
    """A benchmark of questions. name: of its folder below the root and of its answers' file; title: as the paper's table calls it;
    get: how to obtain it and what belongs into the folder; size: questions of the whole benchmark as published."""

    name: str
    title: str
    get: str
    size: int
    faults: tuple[Fault, ...]

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        """All of them, in the publisher's order; a damaged one is reported and left out. Raises Absent."""

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        """What an answer is worth. Never raises for any text."""

    def score(self, judged: Sequence[Judged], metric: Metric) -> Score: ...


@dataclass
class Questions:
    """What the benchmarks share. settings: how their questions are put."""

    settings: Settings = field(default_factory=Settings)
    name: ClassVar[str]
    title: ClassVar[str]
    get: ClassVar[str]
    size: ClassVar[int]
    faults: ClassVar[tuple[Fault, ...]]

    def notes(self, folder: Path) -> list[str]:
        """What a reader of the score should know about the questions that are there."""
        return []

    def target(self, truth: Any) -> tuple[np.ndarray | None, Sequence[tuple[float, float]]]:
        """What of a truth can be drawn on the question's picture: a mask, bool (H, W), or points 0…1."""
        return None, ()

    def absent(self, folder: Path, what: str) -> Absent:
        return Absent(f"{self.title}: no {what} in {folder}; {self.get}")

    def score(self, judged: Sequence[Judged], metric: Metric) -> Score:
        """The mean over questions, by their weights."""
        return weighted(judged)


def weighted(judged: Sequence[Judged]) -> Score:
    """The mean over verdicts, each by its weight."""
    scores, weights = [each.verdict.score for each in judged], [each.verdict.weight for each in judged]
    if not sum(weights):
        return Score(None, None, len(judged))
    value = float(np.dot(scores, weights) / sum(weights))
    return Score(value, mean_interval(scores, weights), len(judged))


def mean_of_groups(judged: Sequence[Judged], groups: Sequence[Sequence[str]]) -> Score:
    """The mean of means, one for each set of groups that has questions: within a set, groups count alike.

    The interval takes the groups' means as independent and normal, each with the spread of its scores and of two more that are right and
    two that are wrong (Agresti and Coull), so that three wrong answers are no certainty.
    """
    values, variances = [], []
    for names in groups:
        means = []
        for name in names:
            scores = [each.verdict.score for each in judged if each.group == name]
            if scores:
                means.append((np.mean(scores), np.var([*scores, 0, 0, 1, 1]) / (len(scores) + 4)))
        if means:
            values.append(np.mean([mean for mean, _ in means]))
            variances.append(sum(variance for _, variance in means) / len(means) ** 2)
    if not values:
        return Score(None, None, len(judged))
    value, half = float(np.mean(values)), 1.96 * float(np.sqrt(sum(variances))) / len(values)
    return Score(value, (max(0.0, value - half), min(1.0, value + half)), len(judged))


def by_group(judged: Sequence[Judged]) -> dict[str, Score]:
    """The score of each group, in the order in which they come."""
    names = dict.fromkeys(each.group for each in judged)
    return {name: weighted([each for each in judged if each.group == name]) for name in names}


def faults_of(judged: Sequence[Judged]) -> Counter[str]:
    """How many answers could not be read, by reason."""
    return Counter(each.verdict.fault for each in judged if each.verdict.fault)
