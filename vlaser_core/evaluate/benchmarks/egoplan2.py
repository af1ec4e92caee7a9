"""EgoPlan-Bench2 (qiulu66/EgoPlan-Bench2, 1 321 questions): `EgoPlan-Bench2.json` with Ego4D's videos in `Ego4D/v1_288p/<uid>.mp4`.

Items: sample_id (`<uid>_<n>`), domain, scenario, task_goal, choice_a … choice_d, golden_choice_idx, task_start_frame,
current_observation_frame. Eight frames from the first to the present one, as its evaluation of image models shows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage, Picture
from vlaser_core.evaluate.benchmarks.files import evenly, fields, frame_rate, frames, json_list, listed, text_field
from vlaser_core.evaluate.benchmarks.options import first_capital, stated_option
from vlaser_core.evaluate.benchmarks.question import NO_OPTION, Fault, Metric, Question, Questions, Verdict

FRAMES = 8
_ASKED = (
    "\nSelect the best answer to the following multiple-choice question based on the video. Respond with only the letter (A, B, C, or D) of the correct option.\n"
    "\nConsidering the progress shown in the video and my current observation in the last frame, what action should I take next in order to {goal}?\n"
    "\nA. {a}\nB. {b}\nC. {c}\nD. {d}\n"
)
_NAMES = ("sample_id", "task_goal", "choice_a", "choice_b", "choice_c", "choice_d", "golden_choice_idx", "task_start_frame", "current_observation_frame")


class EgoPlan2(Questions):
    """Which action comes next, from first-person videos."""

    name = "egoplan_bench2"
    title = "EgoPlan-Bench2"
    size = 1321
    get = (
        "put EgoPlan-Bench2.json of the data set qiulu66/EgoPlan-Bench2 there, and Ego4D's 288p videos (ego4d-data.org, by its licence) into Ego4D/v1_288p/ beside it"
    )
    faults = (
        Fault(
            "first_capital",
            "the first capital A, B, C or D anywhere is the answer, also within a word; two beginnings lack a comma, so that `Best answer: C` is read as B",
            "the one letter that the answer states",
        ),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        path = folder / "EgoPlan-Bench2.json"
        if not path.is_file():
            raise self.absent(folder, path.name)
        for number, item in enumerate(json_list(path)):
            where = f"{path.name} item {number}"
            try:
                yield self._question(folder, item, where)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        letter = first_capital(answer) if metric == "upstream" else stated_option(answer, "ABCD")
        return Verdict(float(letter == truth), fault="" if letter else NO_OPTION, read=letter)

    @staticmethod
    def _question(folder: Path, item: Any, where: str) -> Question:
        identity, goal, *choices, right, first, last = fields(item, _NAMES, where)
        if right not in ("A", "B", "C", "D"):
            raise Damaged("the right choice is none of A, B, C, D", f"{where}: {right!r}")
        if not isinstance(first, int) or not isinstance(last, int) or not 0 <= first <= last:
            raise Damaged("frames are no range", f"{where}: {first!r} to {last!r}")
        a, b, c, d = (text_field(choice, "a choice", where) for choice in choices)
        prompt = listed(FRAMES, "Image") + _ASKED.format(goal=text_field(goal, "task_goal", where), a=a, b=b, c=c, d=d)
        video = folder / "Ego4D" / "v1_288p" / f"{text_field(identity, 'sample_id', where).split('_')[0]}.mp4"
        group = str(item.get("domain") or "unknown domain")
        return Question(f"egoplan_bench2/{identity}", group, prompt, partial(_shown, video, first, last), lambda: right)


def _shown(video: Path, first: int, last: int) -> tuple[Picture, ...]:
    rate, count = frame_rate(video)
    if last >= count:
        raise Damaged("a video has no such frame", f"{video}: frame {last} of {count}")
    return frames(video, evenly(first, last, FRAMES), rate)
