"""What the reasoning calls return. Coordinates are the model's integers 0…1000 of width and height, origin top left."""

from __future__ import annotations

from dataclasses import dataclass

from vlaser_core.data.truth import Box, Point
from vlaser_core.errors import InputError

SCALE = 1000


def to_pixels(value: int, size: int) -> float:
    """Pixel coordinate of a model coordinate (0…1000) along an axis of `size` pixels."""
    return value / SCALE * size


def _check_coordinates(values: tuple[int, ...]) -> None:
    if any(not isinstance(value, int) or not 0 <= value <= SCALE for value in values):
        raise InputError(f"coordinates are integers 0…{SCALE}, got {values}")


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen. temperature 0: the likeliest. top_p: the smallest set of tokens with that much probability
    is drawn from. seed: of the draw; the same seed gives the same text. Raises InputError for values outside their range."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature < float("inf") or not 0.0 < self.top_p <= 1.0:
            raise InputError(f"temperature is 0 or more and top_p in (0, 1]; got {self.temperature} and {self.top_p}")


GREEDY = Sampling()


@dataclass(frozen=True)
class Grounding:
    """Where a phrase is in one picture of width × height pixels.

    labels and scores go box by box, then point by point. scores: the probability the model gave its own tokens
    (geometric mean), 0…1; empty where the caller had none. text: the raw answer. malformed: the parts of it that
    looked like coordinates and were refused, verbatim.
    """

    phrase: str
    boxes: tuple[Box, ...]
    points: tuple[Point, ...]
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    text: str
    width: int
    height: int
    malformed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for box in self.boxes:
            _check_coordinates(box)
            if not (len(box) == 4 and box[0] < box[2] and box[1] < box[3]):
                raise InputError(f"a box is x1, y1, x2, y2 with x1 < x2 and y1 < y2, got {box}")
        for point in self.points:
            _check_coordinates(point)
        count = len(self.boxes) + len(self.points)
        if len(self.labels) != count or len(self.scores) not in (0, count):
            got = f"{len(self.labels)} and {len(self.scores)}"
            raise InputError(f"{count} regions need {count} labels and as many scores or none; got {got}")

    @property
    def found(self) -> bool:
        return bool(self.boxes or self.points)

    def boxes_px(self) -> tuple[tuple[float, float, float, float], ...]:
        """Boxes as x1, y1, x2, y2 in pixels."""
        return tuple(
            (to_pixels(x1, self.width), to_pixels(y1, self.height), to_pixels(x2, self.width), to_pixels(y2, self.height))
            for x1, y1, x2, y2 in self.boxes
        )

    def points_px(self) -> tuple[tuple[float, float], ...]:
        """Points as x, y in pixels."""
        return tuple((to_pixels(x, self.width), to_pixels(y, self.height)) for x, y in self.points)

    def to_json(self) -> dict:
        """Plain lists and strings, with the pixel coordinates beside the model's."""
        return {
            "phrase": self.phrase,
            "boxes": [list(box) for box in self.boxes],
            "points": [list(point) for point in self.points],
            "boxes_px": [list(box) for box in self.boxes_px()],
            "points_px": [list(point) for point in self.points_px()],
            "labels": list(self.labels),
            "scores": list(self.scores),
            "text": self.text,
            "width": self.width,
            "height": self.height,
            "malformed": list(self.malformed),
        }


@dataclass(frozen=True)
class PlanStep:
    """One step. target: the phrase the step acts on, None where the text names none; point: 0…1000 where it gave one."""

    text: str
    target: str | None
    point: Point | None
    grounding: Grounding | None = None

    def __post_init__(self) -> None:
        if self.point is not None:
            _check_coordinates(self.point)

    def to_json(self) -> dict:
        return {
            "text": self.text,
            "target": self.target,
            "point": None if self.point is None else list(self.point),
            "grounding": None if self.grounding is None else self.grounding.to_json(),
        }


@dataclass(frozen=True)
class Plan:
    """Ordered steps towards a goal; no steps when the model says the goal is reached. text, malformed: as in Grounding."""

    goal: str
    steps: tuple[PlanStep, ...]
    text: str
    malformed: tuple[str, ...] = ()

    def to_json(self) -> dict:
        return {"goal": self.goal, "steps": [step.to_json() for step in self.steps], "text": self.text, "malformed": list(self.malformed)}


@dataclass(frozen=True)
class Answer:
    """A free answer. score: geometric mean of its tokens' probabilities, 0…1."""

    text: str
    score: float

    def to_json(self) -> dict:
        return {"text": self.text, "score": self.score}
