"""Where2Place (wentao-yuan/where2place, 100 questions): `point_questions.jsonl`, `images/`, and `masks/00.jpg` … by the question's number.

Lines: question_id, image, text, category; the text ends with how an answer is to be written, which Vlaser's prompt replaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage
from vlaser_core.evaluate.benchmarks.files import fields, json_lines, mask_file, picture_file, text_field
from vlaser_core.evaluate.benchmarks.places import (
    POINT_TILES,
    POINT_TOKENS,
    VLASER_PREFIX,
    filled,
    judge_mask,
    judge_tagged,
    number_tuples,
    placed,
    value_at,
)
from vlaser_core.evaluate.benchmarks.question import NO_COORDINATES, Fault, Metric, Question, Questions, Verdict

_SIZE = 640, 480  # pixels, of every picture as RoboPoint's evaluation has it
LEFT_OUT = "an answer that upstream's evaluation leaves out of the mean"


class Where2Place(Questions):
    """Free places in pictures of real rooms."""

    name = "where2place"
    title = "Where2Place"
    size = 100
    get = "put the data set wentao-yuan/where2place there: point_questions.jsonl, images/ and masks/"
    faults = (
        Fault("grey_masks", "the masks are JPEG: a point on a smeared edge counts a fraction", "a pixel is inside above half"),
        Fault("tags", "coordinates without <point> tags, and a second list, are not read", "every [x, y] of the answer"),
        Fault("far_edge", "x or y of 1000 lies outside", "it is the last pixel"),
        Fault("one_size", "tuples are scaled to 640 × 480 whatever the picture measures; whole numbers are pixels", "to the picture; all lie between 0 and 1"),
        Fault("left_out", "an answer that breaks the reader is left out of the mean", "it is wrong"),
        Fault("repeats", "a right point given twice counts twice", "once"),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        path = folder / "point_questions.jsonl"
        if not path.is_file():
            raise self.absent(folder, path.name)
        for number, item in json_lines(path, damage):
            where = f"{path.name}:{number + 1}"
            try:
                identity, image, text = fields(item, ("question_id", "image", "text"), where)
                text = text_field(text, "text", where)
                # What RoboPoint's own prompt for other models cuts off: how to write the answer, and the picture's sign.
                bare = re.sub(r"^<image>\s*", "", text.split(" Your answer should")[0]).strip()
                prompt = f"{VLASER_PREFIX} {bare}" if self.settings.prompts == "vlaser" else re.sub(r"^<image>\s*", "", text)
                pictures = partial(_shown, folder / "images" / text_field(image, "image", where))
                truth = partial(mask_file, folder / "masks" / f"{number:02d}.jpg")
                group = str(item.get("category") or "free space")
                yield Question(f"where2place/{identity}", group, prompt, pictures, truth, POINT_TOKENS, POINT_TILES)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        grey = single(truth) / 255.0
        if metric == "corrected":
            return judge_mask(grey > 0.5, answer, self.settings.prompts)
        if self.settings.prompts == "vlaser":
            return judge_tagged(grey, answer)
        return judge_tuples(grey, answer, _SIZE, whole_numbers_are_pixels=True)

    def target(self, truth: Any) -> tuple[np.ndarray, tuple]:
        return single(truth) > 127, ()


def judge_tuples(values: np.ndarray, answer: str, size: tuple[int, int], whole_numbers_are_pixels: bool) -> Verdict:
    """RoboPoint's reader of `(x, y)` and `(x0, y0, x1, y1)`: scaled by `size` (width, height), boxes filled with points."""
    width, height = size
    pixels: list[tuple[float, float]] = []
    try:
        for group in number_tuples(answer):
            scaled = isinstance(group[0], float) or not whole_numbers_are_pixels
            if len(group) == 2:
                fraction = scaled or isinstance(group[1], float)
                pixels.append((int(group[0] * width), int(group[1] * height)) if fraction else (group[0], group[1]))
            elif len(group) == 4:
                pixels += filled(group, width, height, scaled)
    except (TypeError, ValueError):
        return Verdict(0.0, weight=0.0, fault=LEFT_OUT, read=answer.strip()[:60])
    if not pixels:
        return Verdict(0.0, fault=NO_COORDINATES)
    score = value_at(values, pixels)
    return placed(score, f"{score * len(pixels):g} of {len(pixels)} inside", [(x / values.shape[1], y / values.shape[0]) for x, y in pixels[:50]])


def single(values: np.ndarray) -> np.ndarray:
    """The first channel of a mask (H, W) or (H, W, C)."""
    return values if values.ndim == 2 else values[:, :, 0]


def _shown(path: Path) -> tuple:
    return (picture_file(path),)
