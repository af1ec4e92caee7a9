"""RoboVQA (Google DeepMind): `tfrecord/{train,val}/*`, SequenceExamples of 16 JPEG pictures and one text.

The text holds many tasks: `<task:planning:…> Q: … <PRED>A: …</PRED>`; `A:` parts question and answer, tags carry no words.
Layout: google-deepmind/robovqa, data_loading_and_eval.ipynb. Read without TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.tfrecord import parse_sequence_example, read_records
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.sources.base import Described, Split, file_key, spread
from vlaser_core.data.sources.pictures import embedded_picture

_TASK = re.compile(r"(<task[:\w ]*>)", re.IGNORECASE)
_TAG = re.compile(r"</?\w[:\w ]*>")


class RoboVqa(Described):
    """frames: pictures of each question, evenly spread over the video, first and last among them."""

    name = "robovqa"
    licence = "CC-BY-4.0"
    domain = "robots and people in offices"
    provenance = "human labels"
    get = "copy gs://gdm-robovqa/tfrecord with gsutil and give the folder that holds tfrecord/train/ and tfrecord/val/"

    def __init__(self, root: Path, frames: int = 8) -> None:
        super().__init__(root)
        self.frames = frames

    def units(self) -> Sequence[Unit]:
        """One unit a TFRecord file."""
        return [Unit(self.name, file_key(path.relative_to(self.root))) for path in self._files()]

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        path = next(path for path in self._files() if file_key(path.relative_to(self.root)) == unit.key)
        split: Split = "validation" if path.parent.name.startswith("val") else "train"
        for number, record in enumerate(read_records(path)):
            where = f"{path.name} record {number}"
            try:
                if isinstance(record, Damaged):
                    raise record
                yield from self._samples(record, f"{number}", split, where, damage)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def _files(self) -> list[Path]:
        files = [
            path
            for folder in ("tfrecord/train", "tfrecord/val", "train", "val")
            for path in sorted((self.root / folder).glob("*"))
            if path.is_file()
        ]
        if not files:
            raise self.missing("tfrecord/train/*")
        return files

    def _samples(self, record: bytes, key: str, split: Split, where: str, damage: Damage) -> Iterator[Sample]:
        lists = parse_sequence_example(record)
        images, texts = lists.get("images", []), lists.get("texts", [])
        if not images or not texts or not all(isinstance(step, list) and step for step in (*images, *texts)):
            raise Damaged("record has no pictures or no text", where)
        pictures = [embedded_picture(images[index][0], self.name) for index in spread(len(images), self.frames)]
        for number, (tag, question, answer) in enumerate(tasks(texts[0][0].decode("utf-8", errors="replace"))):
            try:
                if not question or not answer:
                    raise Damaged("question without an answer", where)
                family = re.sub(r"[^a-z0-9]+", "_", tag.lower().removeprefix("<task:").rstrip(">")).strip("_") or "general"
                category = "planning" if "planning" in family or "future" in family else "qa"
                yield self.sample(f"{key}.{number}", pictures, [(question, answer)], category, family, split)
            except Damaged as error:
                damage.skip(f"{where} task {number} ({error})", error.reason)


def tasks(text: str) -> Iterator[tuple[str, str, str]]:
    """(tag, question, answer) of each task of a text; an answer that is not there is empty."""
    parts = _TASK.split(text)[1:]
    for tag, body in zip(parts[::2], parts[1::2], strict=True):
        if body.strip():
            question, _, answer = _TAG.sub("", body).partition("A:")
            yield tag.strip(), question.strip().removeprefix("Q:").strip(), answer.strip()
