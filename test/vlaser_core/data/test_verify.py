from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from vlaser_core.data.engine import Part, build
from vlaser_core.data.families import CATEGORY, conversation
from vlaser_core.data.record import Message
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.synthetic import synthetic_truth
from vlaser_core.data.verify import verify


@pytest.fixture
def asked(noise):
    """Questions about made-up scenes, as exact as their truth."""

    class Asked(noise):
        def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
            rng = np.random.default_rng(1)
            for sample in super().read(unit, damage, seed):
                truth = synthetic_truth(rng)
                (turn,) = conversation(truth, rng, 1, ["ground_box", "presence", "gripper_state"])
                said = Message("human", f"<image>\n{turn.question}"), Message("gpt", turn.answer)
                record = dataclasses.replace(sample.record, conversations=said, family=turn.family, category=CATEGORY[turn.family])
                yield dataclasses.replace(sample, record=record, truth=truth)

    return Asked


def test_exact_answers_pass_and_are_counted_by_family(tmp_path, asked):
    build([Part(asked(count=4))], tmp_path / "set", workers=0)
    found = verify(RecordSet(tmp_path / "set"))
    assert found.disagreements == 0 and found.records == 48 and found.pictures == 16 and found.without_truth == 0
    assert sum(found.checked.values()) == 48 and set(found.checked) == {"ground_box", "presence", "gripper_state"}


def test_a_wrong_answer_is_listed_with_what_it_should_be(tmp_path, asked):
    class Lying(asked):
        def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
            for sample in super().read(unit, damage, seed):
                if sample.record.family == "presence":
                    question, answer = sample.record.conversations
                    answer = Message("gpt", "no" if answer.value == "yes" else "yes")
                    sample = dataclasses.replace(sample, record=dataclasses.replace(sample.record, conversations=(question, answer)))
                yield sample

    build([Part(Lying(count=1))], tmp_path / "set", workers=0)
    found = verify(RecordSet(tmp_path / "set"))
    assert found.disagreements == found.checked["presence"] > 0
    assert all(entry["family"] == "presence" and {entry["answer"], entry["expected"]} == {"yes", "no"} for entry in found.listed)


def test_records_without_truth_are_counted_and_not_called_right(small_set):
    found = verify(RecordSet(small_set))
    assert found.without_truth == 48 and not found.checked and found.disagreements == 0


def test_a_picture_that_does_not_decode_is_a_disagreement(tmp_path, noise):
    class Cut(noise):
        def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
            for sample in super().read(unit, damage, seed):
                (picture,) = sample.pictures
                yield dataclasses.replace(sample, pictures=(dataclasses.replace(picture, data=picture.data[:60]),))

    build([Part(Cut(count=1))], tmp_path / "set", workers=0)
    found = verify(RecordSet(tmp_path / "set"))
    assert found.disagreements == 4 and "cannot be decoded" in found.listed[0]["expected"]
