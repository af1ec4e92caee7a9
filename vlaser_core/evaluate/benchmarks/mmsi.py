"""MMSI-Bench (RunsenXu/MMSI-Bench, 1 000 questions): `MMSI_Bench.parquet` with id, images (bytes each), question_type, question, answer, thought.

Options stand in the question; the models are asked directly, without circular repetition.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage, Picture
from vlaser_core.evaluate.benchmarks.files import Rows, fields, picture, text_field
from vlaser_core.evaluate.benchmarks.options import fenced_letter, stated_option
from vlaser_core.evaluate.benchmarks.question import NO_OPTION, Fault, Metric, Question, Questions, Verdict

_ASKED = "\nAnswer with the option's letter from the given choices directly. Enclose the option's letter within ``."
_NAMES = ("id", "question", "answer", "question_type")


class Mmsi(Questions):
    """Multiple choice about several pictures of one place."""

    name = "mmsi_bench"
    title = "MMSI-Bench"
    size = 1000
    get = "put MMSI_Bench.parquet of the data set RunsenXu/MMSI-Bench there"
    faults = (
        Fault(
            "letter_before_a_word",
            "a letter that a word follows is not seen: `The answer is B because …` has none (a language model is asked then, which this project does not)",
            "the one letter that the answer states",
        ),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        files = sorted(path for place in (folder, folder / "data") for path in place.glob("*.parquet"))
        if not files:
            raise self.absent(folder, "MMSI_Bench.parquet")
        rows = Rows(files, _NAMES, heavy=("images",))
        for where, item, key in rows:
            try:
                identity, question, answer, group = fields(item, _NAMES, where)
                right = text_field(answer, "answer", where).strip().upper()
                if right not in ("A", "B", "C", "D"):
                    raise Damaged("the right choice is none of A, B, C, D", f"{where}: {answer!r}")
                prompt = text_field(question, "question", where).strip() + _ASKED
                yield Question(f"mmsi_bench/{identity}", str(group), prompt, partial(_shown, rows, key, where), lambda right=right: right)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        letter = fenced_letter(answer) if metric == "upstream" else stated_option(answer, "ABCD")
        return Verdict(float(letter == truth), fault="" if letter else NO_OPTION, read=letter)


def _shown(rows: Rows, key: tuple[Path, int, int], where: str) -> tuple[Picture, ...]:
    found = rows.heavy(key, "images")
    if not found:
        raise Damaged("a picture is missing", where)
    return tuple(picture(data, f"{where} picture {number}") for number, data in enumerate(found))
