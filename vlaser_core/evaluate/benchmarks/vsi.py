"""VSI-Bench (nyu-visionx/VSI-Bench, 5 130 questions): `test.jsonl` or `test-*.parquet` with id, dataset, scene_name, question_type, question,
ground_truth, options; videos in `<dataset>/<scene_name>.mp4` (arkitscenes, scannet, scannetpp), as its archives unpack.

Choices are exact, numbers get the mean relative accuracy; the score is the mean of the eight tasks, the three degrees of relative
direction being one. The number of frames is open (`Settings.frames`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage, Picture
from vlaser_core.evaluate.benchmarks.files import Rows, evenly, fields, frame_rate, frames, json_lines, listed, text_field
from vlaser_core.evaluate.benchmarks.numbers import as_number, first_number, mean_relative_accuracy
from vlaser_core.evaluate.benchmarks.options import first_word, stated_option
from vlaser_core.evaluate.benchmarks.question import (
    NO_NUMBER,
    NO_OPTION,
    Fault,
    Judged,
    Metric,
    Question,
    Questions,
    Score,
    Verdict,
    mean_of_groups,
)

NUMBERS = ("object_counting", "object_abs_distance", "object_size_estimation", "room_size_estimation")
DIRECTIONS = ("object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard")
TASKS = (*((name,) for name in NUMBERS), ("object_rel_distance",), DIRECTIONS, ("route_planning",), ("obj_appearance_order",))
CHOICES = ("object_rel_distance", *DIRECTIONS, "route_planning", "obj_appearance_order")
_NAMES = ("id", "dataset", "scene_name", "question_type", "question", "ground_truth")
MAX_TOKENS = 16


class Vsi(Questions):
    """Sizes, distances, directions and routes from videos of rooms."""

    name = "vsi_bench"
    title = "VSI-Bench"
    size = 5130
    get = "put test.jsonl (or test-*.parquet) of the data set nyu-visionx/VSI-Bench there and unpack arkitscenes.zip, scannet.zip and scannetpp.zip beside it"
    faults = (
        Fault("first_word", "only what stands before the first space is read: `There are 3` is no number, `A)` no option", "the first number, or the one letter stated"),
        Fault("not_above", "an error of exactly 1 − θ still counts, which the paper's formula excludes", "the paper's formula"),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        lines, tables = folder / "test.jsonl", sorted(folder.glob("test-*.parquet"))
        if not lines.is_file() and not tables:
            raise self.absent(folder, "test.jsonl or test-*.parquet")
        if lines.is_file():
            found: Any = ((f"{lines.name}:{number + 1}", item) for number, item in json_lines(lines, damage))
        else:
            found = ((where, item) for where, item, _ in Rows(tables, _NAMES, optional=("options",)))
        for where, item in found:
            try:
                yield self._question(folder, item, where)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        kind, right = truth
        if kind == "number":
            given = as_number(first_word(answer)) if metric == "upstream" else first_number(answer)
            if given is None:
                return Verdict(0.0, fault=NO_NUMBER)
            return Verdict(mean_relative_accuracy(given, right, strict=metric == "corrected"), read=f"{given:g} for {right:g}")
        letter = stated_option(answer, "ABCDEFGH")
        given = first_word(answer).upper() if metric == "upstream" else letter
        return Verdict(float(given == right), fault="" if given == right or letter else NO_OPTION, read=given)

    def score(self, judged: Sequence[Judged], metric: Metric) -> Score:
        return mean_of_groups(judged, TASKS)

    def _question(self, folder: Path, item: dict, where: str) -> Question:
        identity, source, scene, kind, question, right = fields(item, _NAMES, where)
        question = text_field(question, "question", where)
        prompt = f"{listed(self.settings.frames)}These are frames of a video.\n{question}\n"
        if kind in NUMBERS:
            value = as_number(str(right))
            if value is None or value <= 0:
                raise Damaged("the right answer is no number above 0", f"{where}: {right!r}")
            truth: tuple[str, Any] = ("number", value)
            prompt += "Please answer the question using a single word or phrase."
        elif kind in CHOICES:
            options = item.get("options")
            if not isinstance(options, list) or not options:
                raise Damaged("a field is missing: options", where)
            if not isinstance(right, str) or right not in "ABCDEFGH"[: len(options)]:
                raise Damaged("the right choice is none of the options", f"{where}: {right!r} of {len(options)}")
            truth = ("choice", right)
            prompt += "Options:\n" + "\n".join(map(str, options)) + "\nAnswer with the option's letter from the given choices directly."
        else:
            raise Damaged("question_type is unknown", f"{where}: {kind!r}")
        video = folder / str(source) / f"{scene}.mp4"
        return Question(f"vsi_bench/{identity}", kind, prompt, partial(_shown, video, self.settings.frames), lambda: truth, MAX_TOKENS)


def _shown(video: Path, count: int) -> tuple[Picture, ...]:
    rate, total = frame_rate(video)
    return frames(video, evenly(0, total - 1, count), rate)
