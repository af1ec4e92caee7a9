"""Pixmo-Points: does a point of the answer lie near a labelled one?

Read are `data_0.jsonl` of Vlaser's own evaluation (the labels are the gpt turn's points in thousandths), should a user have it, and the published
allenai/pixmo-points-eval (436 rows: `data/test-*.parquet` with image_sha256, label, points in percent) with each picture in `images/<sha256>.jpg`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import partial
from math import hypot
from pathlib import Path
from typing import Any

from PIL import Image

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage
from vlaser_core.data.sources.pictures import sized
from vlaser_core.evaluate.benchmarks.files import Rows, fields, picture_file, text_field
from vlaser_core.evaluate.benchmarks.places import POINT_TILES, POINT_TOKENS, paired_numbers, placed, read_places, thousandths
from vlaser_core.evaluate.benchmarks.pointing import POOLED, asked, asked_plainly, below, lines
from vlaser_core.evaluate.benchmarks.question import NO_COORDINATES, Fault, Metric, Question, Questions, Verdict

SCRIPT = "data_0.jsonl"
RADIUS = 25.0
_SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp")
_PAIR = re.compile(r"\[\s*(\d+)\s*,\s*(\d+)\s*\]")
Truth = tuple[Sequence[tuple[float, float]], tuple[int, int]]


class PixmoPoints(Questions):
    """Points on web pictures."""

    name = "pixmo_points"
    title = "Pixmo-Points"
    size = 436
    get = (
        "put data/test-*.parquet of the data set allenai/pixmo-points-eval there and fetch each image_url into images/<image_sha256>.jpg; "
        f"or Vlaser's {SCRIPT} with its pictures in images/"
    )
    faults = (
        Fault("radius", "the radius of 25 that is printed as pixels is measured in thousandths of width and height", "25 pixels of the picture as labelled"),
        POOLED,
        Fault("far_numbers", "numbers above 1000 are taken as places", "they are none"),
        Fault("lost_items", "an item whose picture lies in a folder of its own is silently not scored", "every item is (under both metrics here)"),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        tables = sorted(path for place in (folder / "data", folder) for path in place.glob("test-*.parquet"))
        if (folder / SCRIPT).is_file():
            yield from self._script(folder, folder / SCRIPT, damage)
        elif tables:
            yield from self._published(folder, tables, damage)
        else:
            raise self.absent(folder, f"data/test-*.parquet or {SCRIPT}")

    def notes(self, folder: Path) -> list[str]:
        return [] if (folder / SCRIPT).is_file() else ["the questions of allenai/pixmo-points-eval; whether the paper asked these is not known"]

    def judge(self, truth: Truth, answer: str, metric: Metric) -> Verdict:
        labelled, (width, height) = truth
        if metric == "corrected" or self.settings.prompts == "benchmark":
            places = read_places(answer, self.settings.prompts)
            if not len(places):
                return Verdict(0.0, fault=NO_COORDINATES)
            scale = (width, height) if metric == "corrected" else (1000, 1000)
            hits = sum(any(hypot((x - u) * scale[0], (y - v) * scale[1]) <= RADIUS for u, v in labelled) for x, y in places.points)
            score = placed(hits / len(places), f"{hits} of {len(places)} near a label", places.points)
            return score if metric == "corrected" else Verdict(score.score, float(len(places)), "", score.read, score.points)
        found = paired_numbers(answer)
        if not found:
            return Verdict(0.0, fault=NO_COORDINATES)
        hits = sum(any(hypot(x - u * 1000, y - v * 1000) <= RADIUS for u, v in labelled) for x, y in found)
        score = placed(hits / len(found), f"{hits} of {len(found)} near a label", thousandths(found))
        return Verdict(score.score, float(len(found)), "", score.read, score.points)

    def target(self, truth: Truth) -> tuple[None, Sequence[tuple[float, float]]]:
        return None, truth[0]

    def _asked(self, expression: str) -> str:
        return asked(expression) if self.settings.prompts == "vlaser" else asked_plainly(expression)

    def _script(self, folder: Path, path: Path, damage: Damage) -> Iterator[Question]:
        for number, (where, item, size, expression, turns) in enumerate(lines(path, damage)):
            try:
                labelled = _labelled(turns, expression, where)
                pictures = partial(_shown, below(folder / "images", item["image"], where))
                truth: Truth = labelled, size
                yield Question(
                    f"pixmo_points/script/{number:05d}", "points", self._asked(expression), pictures, partial(_given, truth), POINT_TOKENS, POINT_TILES
                )
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def _published(self, folder: Path, tables: Sequence[Path], damage: Damage) -> Iterator[Question]:
        for number, (where, item, _) in enumerate(Rows(tables, ("image_sha256", "label", "points"))):
            try:
                digest, label, points = fields(item, ("image_sha256", "label", "points"), where)
                label = text_field(label, "label", where)
                labelled = _percent(points, where)
                file = _by_digest(folder / "images", str(digest))
                yield Question(
                    f"pixmo_points/{number:04d}",
                    "points",
                    self._asked(label),
                    partial(_verified, file, str(digest)),
                    partial(_sized, labelled, file),
                    POINT_TOKENS,
                    POINT_TILES,
                )
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)


def _given(truth: Truth) -> Truth:
    return truth


def _shown(path: Path) -> tuple:
    return (picture_file(path),)


def _verified(path: Path, digest: str) -> tuple:
    """The picture, if it is the one that was labelled: what a site shows today often is not."""
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise Damaged("a picture is another than labelled", str(path))
    return (sized(data, path.name).picture,)


def _sized(labelled: Sequence[tuple[float, float]], path: Path) -> Truth:
    try:
        with Image.open(path) as image:
            return labelled, image.size
    except (OSError, Image.DecompressionBombError) as error:
        raise Damaged("a picture cannot be decoded", f"{path}: {error}") from error


def _by_digest(folder: Path, digest: str) -> Path:
    for suffix in _SUFFIXES:
        if (folder / f"{digest}{suffix}").is_file():
            return folder / f"{digest}{suffix}"
    raise Damaged("a picture is missing", f"{folder / digest}")


def _percent(points: Any, where: str) -> list[tuple[float, float]]:
    """0…1 of labels in percent; the data set's card calls them pixels, which they are not."""
    try:
        found = [(float(point["x"]) / 100, float(point["y"]) / 100) for point in points]
    except (TypeError, KeyError, ValueError) as error:
        raise Damaged("points are no points", f"{where}: {error!r}") from error
    if not found:
        raise Damaged("no labelled point", where)
    if not all(0 <= x <= 1 and 0 <= y <= 1 for x, y in found):
        raise Damaged("a labelled point lies outside of the picture", where)
    return found


def _labelled(turns: Sequence[dict], expression: str, where: str) -> list[tuple[float, float]]:
    """0…1 of the thousandths in the gpt turn that names the same."""
    for turn in turns:
        value = str(turn.get("value", ""))
        if turn.get("from") == "gpt" and f"<ref>{expression}</ref>" in value:
            found = [(int(x) / 1000, int(y) / 1000) for x, y in _PAIR.findall(value)]
            if found:
                return found
    raise Damaged("no labelled point", f"{where}: {expression!r}")
