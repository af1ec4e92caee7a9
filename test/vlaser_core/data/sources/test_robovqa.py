from __future__ import annotations

import pytest

from vlaser_core.data.robot.tfrecord import write_record
from vlaser_core.data.sources.robovqa import RoboVqa, tasks
from vlaser_core.errors import InputError

TEXT = (
    "<task:planning:freeform_qa:model> Q: current goal is: put the cup away. last 1 steps: 1- pick the cup what should be next? <PRED>A: place the cup</PRED> "
    "<task:success> Q: is it done? <PRED:ANSWER:BINARY>A: no</PRED:ANSWER:BINARY><task:past> Q: what happened?"
)


def field(number, body):
    def varint(value):
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)

    return varint(number << 3 | 2) + varint(len(body)) + body


def sequence_example(images, texts):
    def entry(name, steps):
        return field(1, field(1, name.encode()) + field(2, b"".join(field(1, field(1, field(1, step))) for step in steps)))

    return field(1, b"") + field(2, entry("images", images) + entry("texts", [text.encode() for text in texts]))


def write(root, records, split="train"):
    path = root / f"tfrecord/{split}/{split}-00000-of-00001"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(write_record(record) for record in records))
    return path


def test_a_text_holds_many_tasks_and_its_tags_no_words():
    found = list(tasks(TEXT))
    assert [tag for tag, _, _ in found] == ["<task:planning:freeform_qa:model>", "<task:success>", "<task:past>"]
    assert found[0][1].startswith("current goal is: put the cup away.") and found[0][2] == "place the cup"
    assert found[1][1:] == ("is it done?", "no") and found[2][2] == ""


def test_every_task_of_a_video_becomes_a_record_with_spread_frames(tmp_path, kit):
    images = [kit.picture(colour=(index * 15, 0, 0)) for index in range(16)]
    write(tmp_path, [sequence_example(images, [TEXT])])
    write(tmp_path, [sequence_example(images, [TEXT])], "val")
    samples, damage = kit.read_all(RoboVqa(tmp_path, frames=4))
    assert kit.answers(samples) == ["place the cup", "no"] * 2
    assert damage.counts == {"question without an answer": 2}
    assert [picture.data for picture in samples[0].pictures] == [images[index] for index in (0, 5, 10, 15)]
    assert [(sample.record.category, sample.record.family, sample.record.split) for sample in samples[1:3]] == [
        ("qa", "success", "train"), ("planning", "planning_freeform_qa_model", "validation"),
    ]  # fmt: skip


def test_damaged_records_cost_themselves_only(tmp_path, kit):
    good = sequence_example([kit.picture()], [TEXT])
    path = write(tmp_path, [good, sequence_example([b"no picture"], [TEXT]), sequence_example([], [TEXT]), b"\x12\x7f", good])
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    samples, damage = kit.read_all(RoboVqa(tmp_path))
    assert len(samples) == 2 and {sample.record.id for sample in samples} == {"4.0", "4.1"}
    assert damage.counts == {
        "record checksum is wrong": 1, "picture cannot be decoded": 1, "record has no pictures or no text": 1, "record is not a SequenceExample": 1,
        "question without an answer": 1,
    }  # fmt: skip


def test_an_empty_folder_says_what_to_get(tmp_path):
    with pytest.raises(InputError, match="gs://gdm-robovqa"):
        RoboVqa(tmp_path).units()
