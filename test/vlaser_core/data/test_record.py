from __future__ import annotations

import json

import pytest

from vlaser_core.data.record import Message, Record, read_jsonl, record_from_json, write_jsonl
from vlaser_core.errors import InputError

PLAIN = {
    "id": "scene-0001",
    "image": "images/0001.png",
    "width": 320,
    "height": 240,
    "conversations": [
        {"from": "human", "value": "<image>\nPoint to the carrot."},
        {"from": "gpt", "value": "<point>[[412, 633]]</point>"},
    ],
    "category": "grounding",
    "family": "ground_point",
    "source": "tabletop",
    "domain": "widowx",
    "split": "train",
    "licence": "Apache-2.0",
    "provenance": "simulator state",
}


def changed(**changes) -> dict:
    return {**json.loads(json.dumps(PLAIN)), **changes}


def talk(*values: str) -> list[dict]:
    return [{"from": sender, "value": value} for sender, value in zip(["human", "gpt"] * 3, values, strict=False)]


def test_records_survive_the_file(tmp_path):
    several = changed(id="b", image=["a.png", "b.png"], conversations=talk("Image-1: <image>\nImage-2: <image>\nSame?", "no — nicht ganz"))
    text_only = changed(id="c", width=0, height=0, conversations=talk("Hello?", "Hello."), category="qa")
    del text_only["image"]
    records = [record_from_json(plain) for plain in (PLAIN, several, text_only)]
    assert write_jsonl(tmp_path / "records.jsonl", records) == 3
    assert list(read_jsonl(tmp_path / "records.jsonl")) == records
    assert json.loads((tmp_path / "records.jsonl").read_text(encoding="utf-8").splitlines()[0]) == PLAIN


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"width": "320"}, "width"),
        ({"width": 0}, "width"),
        ({"category": "grounded"}, "category"),
        ({"split": "dev"}, "split"),
        ({"licence": " "}, "licence"),
        ({"image": "/abs/a.png"}, "images"),
        ({"image": "../a.png"}, "images"),
        ({"image": 3}, "images"),
        ({"colour": "red"}, "colour"),
        ({"conversations": talk("Hi?")}, "conversations"),
        ({"conversations": []}, "conversations"),
        ({"conversations": talk("Hi?", " ")}, r"conversations\.1\.value"),
        ({"conversations": talk("<image><image> Hi?", "yes")}, "conversations"),
        ({"conversations": talk("Where?", "<box>[[1, 2, 3, 1001]]</box>")}, r"conversations\.1\.value"),
        ({"conversations": talk("Where?", "<box>[[9, 2, 3, 100]]</box>")}, r"conversations\.1\.value"),
        ({"conversations": talk("Where?", "<point>somewhere</point>")}, r"conversations\.1\.value"),
        ({"conversations": [{"from": "robot", "value": "x"}]}, r"conversations\.0\.sender"),
    ],
)
def test_a_bad_record_is_refused_with_line_and_field(tmp_path, change, field):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(PLAIN) + "\n" + json.dumps(changed(**change)) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"bad\.jsonl:2: .*{field}"):
        list(read_jsonl(path))


def test_a_missing_field_and_a_broken_line_are_named(tmp_path):
    path = tmp_path / "bad.jsonl"
    missing = changed()
    del missing["provenance"]
    path.write_text(json.dumps(missing) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.jsonl:1: provenance"):
        list(read_jsonl(path))
    path.write_text('{"id": \n', encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.jsonl:1: not JSON"):
        list(read_jsonl(path))


def test_an_id_that_occurs_twice_is_refused(tmp_path):
    record = record_from_json(PLAIN)
    with pytest.raises(InputError, match="scene-0001"):
        write_jsonl(tmp_path / "twice.jsonl", [record, record])


def test_a_record_built_in_code_is_validated_too():
    with pytest.raises(InputError, match="category"):
        Record("a", ("a.png",), 4, 4, (Message("human", "a?"), Message("gpt", "b")), "other", "f", "s", "d", "train", "l", "p")
