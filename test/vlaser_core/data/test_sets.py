"""What is done with a set that is there: digest, statistics, pages, export, merging."""

from __future__ import annotations

import base64
import json
import re

import cv2
import numpy as np
import pytest

from vlaser_core.data.digest import sample_digest
from vlaser_core.data.engine import Part, build
from vlaser_core.data.export import export, merge
from vlaser_core.data.record import read_jsonl
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.show import drawn, page
from vlaser_core.data.source import Picture
from vlaser_core.data.stats import centres, stats
from vlaser_core.data.stats_page import stats_page
from vlaser_core.errors import InputError


def test_the_digest_changes_with_every_part_of_a_sample(small_set):
    import dataclasses

    from vlaser_core.data.synthetic import synthetic_truth

    sample = RecordSet(small_set).sample(0)
    truth = synthetic_truth(np.random.default_rng(0))
    changed = [
        dataclasses.replace(sample, record=dataclasses.replace(sample.record, split="validation")),
        dataclasses.replace(sample, pictures=(Picture(sample.pictures[0].name, sample.pictures[0].data + b"\0"),)),
        dataclasses.replace(sample, truth=truth),
        dataclasses.replace(sample, truth=dataclasses.replace(truth, success=not truth.success)),
    ]
    assert len({sample_digest(one) for one in (sample, *changed)}) == 5


def test_statistics_count_what_is_there(small_set):
    found = stats(RecordSet(small_set))
    plain = json.loads(json.dumps(found.to_json()))
    assert list(plain)[-1] == "digest" and len(plain["digest"]) == 64
    assert plain["records"] == 48 and plain["pictures"] == 16 and plain["with_truth"] == 0
    assert plain["mix"]["category"] == {"grounding": 48} and sum(plain["mix"]["split"].values()) == 48
    assert plain["families"]["where"]["different_questions"] == 1 and plain["families"]["where"]["question_characters"]["max"] == len(
        "Where? Answer with a point."
    )
    # Every answer is a point on the picture's upper edge.
    assert sum(found.places[0]) == 48 == found.places.sum()


def test_an_answer_that_is_nearly_always_right_is_told(tmp_path, noise):
    class OneSided(noise):
        def record(self, identity: str, image: str, answer: int):
            return super().record(identity, image, 5 if int(identity) else answer)

    build([Part(OneSided(count=4))], tmp_path / "set", workers=0)
    assert stats(RecordSet(tmp_path / "set")).to_json()["unbalanced"] == ["where"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("<box>[[0, 0, 100, 200]]</box>", [(50, 100)]),
        ('[{"point_2d": [10, 20]}, {"point_2d": [30, 40]}]', [(10, 20), (30, 40)]),
        ("the red one", []),
        ("[1, 2, 3]", []),
    ],
)
def test_places_of_an_answer(answer, expected):
    assert centres(answer) == expected


def test_the_page_shows_each_family_with_its_places_drawn(small_set):
    records = RecordSet(small_set)
    text = page(records, per_family=3)
    pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", text)
    assert len(pictures) == 3 and "grounding · where" in text and "Where? Answer with a point." in text
    assert cv2.imdecode(np.frombuffer(base64.b64decode(pictures[0]), np.uint8), cv2.IMREAD_COLOR) is not None
    assert page(records, per_family=3) == text
    sample = records.sample(0)
    x = int(re.search(r"\[\[(\d+)", sample.record.conversations[1].value).group(1))
    green = drawn(sample)[2, int(x / 1000 * 419)].astype(int)
    assert green[1] > green[0] + 60 and green[1] > green[2] + 60


def test_what_a_record_says_cannot_break_out_of_the_page(tmp_path, noise):
    from vlaser_core.data.record import Message

    class Hostile(noise):
        def record(self, identity: str, image: str, answer: int):
            import dataclasses

            return dataclasses.replace(
                super().record(identity, image, answer),
                conversations=(Message("human", "<script>alert(1)</script>"), Message("gpt", "<b>")),
            )

    build([Part(Hostile(count=1))], tmp_path / "set", workers=0)
    records = RecordSet(tmp_path / "set")
    for text in (page(records), stats_page("<i>", stats(records).to_json())):
        assert "<script>" not in text and "<b>" not in text and "<i>" not in text


def test_export_is_jsonl_beside_an_image_folder(tmp_path, small_set):
    records = RecordSet(small_set)
    assert export(records, tmp_path / "out") == (48, 16)
    exported = list(read_jsonl(tmp_path / "out" / "records.jsonl"))
    assert [record.id for record in exported] == [record.id for record in records]
    for number in (0, 17, 47):
        assert (tmp_path / "out" / exported[number].images[0]).read_bytes() == records.encoded(number)[0].data
    meta = json.loads((tmp_path / "out" / "meta.json").read_text())
    assert meta["out"]["annotation"] == "records.jsonl" and meta["out"]["length"] == 48
    with pytest.raises(InputError, match="not empty"):
        export(records, tmp_path / "out")


def test_merged_sets_hold_what_each_held(tmp_path, noise):
    for name in ("one", "two"):
        build([Part(noise(count=3, name=name), target=30)], tmp_path / name, workers=0)
    assert merge([tmp_path / "one", tmp_path / "two"], tmp_path / "both") == 60
    parts = [record for name in ("one", "two") for record in RecordSet(tmp_path / name)]
    assert list(RecordSet(tmp_path / "both")) == parts
    # Removing a part takes nothing from the whole.
    next((tmp_path / "one" / "records").rglob("*.parquet")).unlink()
    assert len(list(RecordSet(tmp_path / "both"))) == 60


def test_the_same_data_is_not_merged_twice(tmp_path, small_set):
    with pytest.raises(InputError, match="both hold unit noise/u"):
        merge([small_set, small_set.parent / "." / "small"], tmp_path / "both")
