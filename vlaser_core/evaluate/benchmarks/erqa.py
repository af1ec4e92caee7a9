"""ERQA (embodiedreasoning/ERQA, 400 questions): `erqa.tfrecord`, or the tables of FlagEval/ERQA (`data/test-*.parquet`).

Features: question, answer, question_type, image/encoded (each picture) and visual_indices: at which character of the question each
picture stands. The questions ask for the letter and nothing else themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.tfrecord import parse_example, read_records
from vlaser_core.data.source import Damage, Picture
from vlaser_core.evaluate.benchmarks.files import Rows, fields, picture, text_field
from vlaser_core.evaluate.benchmarks.options import same_text, stated_option
from vlaser_core.evaluate.benchmarks.question import NO_OPTION, Fault, Metric, Question, Questions, Verdict
from vlaser_core.reasoning.prompts import IMAGE_PLACEHOLDER

_COLUMNS = ("question", "answer", "question_type", "visual_indices")


class Erqa(Questions):
    """Multiple choice about robots' pictures."""

    name = "erqa"
    title = "ERQA"
    size = 400
    get = "put erqa.tfrecord of github.com/embodiedreasoning/ERQA (data/), or data/test-*.parquet of the data set FlagEval/ERQA, there"
    faults = (
        Fault("exact_text", "the whole answer without full stops must be the letter: `B) the cup` is wrong", "the one letter that the answer states"),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        files = [path for place in (folder, folder / "data") for path in sorted(place.glob("*.tfrecord"))]
        tables = [path for place in (folder, folder / "data") for path in sorted(place.glob("test-*.parquet"))]
        if not files and not tables:
            raise self.absent(folder, "erqa.tfrecord or data/test-*.parquet")
        found = self._records(files, damage) if files else self._rows(tables)
        for number, (where, item, pictures) in enumerate(found):
            try:
                yield self._question(f"{number:04d}", where, item, pictures)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        letter = stated_option(answer, "ABCDEF")
        if metric == "upstream":
            right = same_text(answer) == truth.strip().lower()
            return Verdict(float(right), fault="" if right or letter else NO_OPTION, read=answer.strip()[:60])
        return Verdict(float(letter == same_text(truth).upper()), fault="" if letter else NO_OPTION, read=letter)

    @staticmethod
    def _records(files: Sequence[Path], damage: Damage) -> Iterator[tuple[str, dict, Any]]:
        """The pictures of 400 questions fit in memory; records can only be read from the front."""
        for path in files:
            for number, record in enumerate(read_records(path)):
                where = f"{path.name} record {number}"
                try:
                    if isinstance(record, Damaged):
                        raise record
                    features = parse_example(record)
                    item = {name: _first_text(features, name, where) for name in ("question", "answer", "question_type")}
                    item["visual_indices"] = [int(place) for place in features.get("visual_indices", [])]
                    encoded = tuple(features.get("image/encoded", []))
                except Damaged as error:
                    damage.skip(f"{where} ({error})", error.reason)
                    continue
                yield where, item | {"pictures": len(encoded)}, partial(_decoded, encoded, where)

    @staticmethod
    def _rows(tables: Sequence[Path]) -> Iterator[tuple[str, dict, Any]]:
        rows = Rows(tables, _COLUMNS, heavy=("images",))
        for where, item, key in rows:
            yield where, item, lambda rows=rows, key=key, where=where: _decoded(rows.heavy(key, "images") or (), where)

    @staticmethod
    def _question(identity: str, where: str, item: dict, pictures: Any) -> Question:
        question, answer, group, places = fields(item, _COLUMNS, where)
        text_field(question, "question", where)
        answer = text_field(answer, "answer", where)
        count = item.get("pictures", len(places))
        if count == 0:
            raise Damaged("a picture is missing", where)
        if places and len(places) != count:
            raise Damaged("pictures and their places differ in number", f"{where}: {count} and {len(places)}")
        return Question(f"erqa/{identity}", str(group), interleaved(question, places), pictures, lambda: answer)


def interleaved(question: str, places: Sequence[int]) -> str:
    """The question with its pictures at their characters; pictures that all stand at 0 come first, numbered as the model's chat numbers them.

    A place behind the end is the end.
    """
    if not any(places):
        return question
    text, last = "", 0
    for place in sorted(places):
        end = min(place, len(question))
        text += question[last:end] + f"{IMAGE_PLACEHOLDER}\n"
        last = end
    return text + question[last:]


def _first_text(features: dict, name: str, where: str) -> str | None:
    values = features.get(name) or []
    try:
        return bytes(values[0]).decode("utf-8") if len(values) else None
    except (UnicodeDecodeError, TypeError) as error:
        raise Damaged(f"{name} is no text", where) from error


def _decoded(encoded: Sequence[Any], where: str) -> tuple[Picture, ...]:
    if not encoded:
        raise Damaged("a picture is missing", where)
    return tuple(picture(data, f"{where} picture {number}") for number, data in enumerate(encoded))
