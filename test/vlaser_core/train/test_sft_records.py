"""What stage 1 learns from: upstream's lists, sets of the data engine, their shares and their lengths."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from vlaser_core.data.engine import Part as BuildPart
from vlaser_core.data.engine import build
from vlaser_core.data.record import Message, Record
from vlaser_core.data.source import Picture, Sample, Unit
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.train.language import SequenceEncoder
from vlaser_core.train.lengths import BROKEN, count_lengths
from vlaser_core.train.records import Joined, open_parts, read_meta


def png(width: int = 64, height: int = 48) -> bytes:
    return cv2.imencode(".png", np.full((height, width, 3), 90, np.uint8))[1].tobytes()


def upstream(folder: Path, lines: list, **settings) -> Path:
    """A list of one set, `talk`, in upstream's form."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.png").write_bytes(png())
    (folder / "b.png").write_bytes(png(96, 48))
    (folder / "talk.jsonl").write_text("".join(json.dumps(line) + "\n" if not isinstance(line, str) else line + "\n" for line in lines), "utf-8")
    (folder / "meta.json").write_text(json.dumps({"talk": {"root": "", "annotation": "talk.jsonl", **settings}}), "utf-8")
    return folder / "meta.json"


def said(*turns: str, image: str | list[str] | None = "a.png", **more) -> dict:
    senders = ["human", "gpt"] * len(turns)
    line = {"id": 7, "conversations": [{"from": sender, "value": text} for sender, text in zip(senders, turns, strict=False)]}
    return line | ({} if image is None else {"image": image, "width": 64, "height": 48}) | more


class Numbered:
    """A source of the data engine: `count` records about one picture each."""

    licence, get, provenance = "Apache-2.0", "nothing to get", "drawn"

    def __init__(self, name: str, count: int = 12) -> None:
        self.name, self.count = name, count

    def units(self) -> list[Unit]:
        return [Unit(self.name, "u0", self.count)]

    def read(self, unit, damage, seed):
        for number in range(self.count):
            category, family = (("qa", "count"), ("spatial", "order"))[number % 2]
            messages = Message("human", "<image>\nHow many?"), Message("gpt", f"{number} of them")
            record = Record(str(number), ("p.png",), 64, 48, messages, category, family, self.name, "d", "train" if number % 4 else "test", "l", "p")
            yield Sample(record, (Picture("p.png", png()),))


@pytest.fixture
def small(tmp_path) -> Path:
    build([BuildPart(Numbered("ones")), BuildPart(Numbered("others", 4))], tmp_path / "small", seed=0, workers=0)
    return tmp_path / "small"


def test_a_list_in_upstreams_form_is_read(tmp_path):
    lines = [said("<image>\nWhere?", "<box>[[1, 2, 3, 4]]</box>"), said("Which?", "the first", image=["a.png", "b.png"]), said("Why?", "so", image=None)]
    (part,) = read_meta(upstream(tmp_path, lines, repeat_time=0.5, data_augment=True, max_dynamic_patch=4))
    assert (part.name, part.weight, part.max_tiles, part.recompress, len(part.records)) == ("talk", 0.5, 4, True, 3)
    samples = [part.records.sample(number) for number in range(3)]
    assert [len(sample.pictures) for sample in samples] == [1, 2, 0] and samples[1].pictures[1].data == png(96, 48)
    assert [sample.record.category for sample in samples] == ["grounding", "qa", "qa"]
    assert samples[0].record.id == "talk/7" and samples[0].record.conversations[1].value == "<box>[[1, 2, 3, 4]]</box>"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        (said("a", "b", image="c.png"), "cannot read picture"),
        (said("a", "b", image="talk.jsonl"), "not an image"),
        (said("a"), "alternate"),
        ({"conversations": ["a"]}, "from, value"),
        (said("<image><image>", "b"), "2 <image> placeholders for 1"),
        (said("a", "b", video="a.mp4"), "a video"),
        (said("a", 3), "from, value"),
    ],
)
def test_a_line_that_is_no_sample_is_told_with_its_place(tmp_path, line, told):
    (part,) = read_meta(upstream(tmp_path, [said("a", "b"), line]))
    part.records.sample(0)
    with pytest.raises(InputError, match=f"talk.jsonl:2: .*{told}"):
        part.records.sample(1)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"repeat_time": 0}, "repeat_time"),
        ({"max_dynamic_patch": 0}, "max_dynamic_patch"),
        ({"annotation": 3}, "annotation"),
        ({"annotation": "no"}, "cannot read"),
    ],
)
def test_a_list_with_a_fault_is_told_with_its_field(tmp_path, settings, told):
    with pytest.raises(InputError, match=told):
        read_meta(upstream(tmp_path, [said("a", "b")], **settings))


def test_a_set_gives_its_training_split_by_category(small):
    (part,) = open_parts([str(small)])
    assert len(part.records) == 12 and part.weight == 1.0
    (spatial,) = open_parts([str(small)], categories=["spatial"])
    assert {spatial.records.sample(k).record.category for k in range(len(spatial.records))} == {"spatial"}
    (both,) = open_parts([str(small)], categories=["spatial", "qa"], families=["count", "order"])
    assert len(both.records) == 12
    with pytest.raises(InputError, match="no record is left.*family nothing"):
        open_parts([str(small)], families=["nothing"])


def test_a_plans_weights_go_to_the_sources_of_a_set(small, tmp_path):
    shares = [{"source": name, "category": "qa", "records": 1, "licence": "l", "weight": weight} for name, weight in (("ones", 2.0), ("others", 0.5))]
    plan = tmp_path / "plan.yaml"
    plan.write_text(json.dumps({"name": "p", "shares": shares}), "utf-8")
    parts = open_parts([str(small)], (3.0,), str(plan))
    assert [(len(part.records), part.weight) for part in parts] == [(9, 6.0), (3, 1.5)]
    plan.write_text(json.dumps({"name": "p", "shares": shares[:1]}), "utf-8")
    with pytest.raises(InputError, match="'others', which the plan does not name"):
        open_parts([str(small)], plan=str(plan))


@pytest.mark.parametrize(("data", "weights", "told"), [((), (), "no data"), (("a",), (1.0, 2.0), "2 weights for 1 sets"), (("a.json",), (0.0,), "above 0")])
def test_wrong_settings_of_data_are_told(data, weights, told):
    with pytest.raises(ConfigError, match=told):
        open_parts(data, weights)


def test_lengths_are_those_of_the_sequences_and_are_kept(tmp_path, tiny, small):
    encoder = SequenceEncoder(tiny.tokenizer, replace(tiny.model.config, max_tiles=6))
    meta = upstream(tmp_path / "up", [said("Which?", "the first", image=["a.png", "b.png"]), said("a", "b", image="none.png"), said("Why?", "so", image=None)])
    (lines,), (records,) = open_parts([str(meta)]), open_parts([str(small)])
    found = count_lengths(encoder, lines, 6, tmp_path)
    sample = lines.records.sample(0)
    # 64 × 48 in at most 3 tiles is one; 96 × 48 is two and a thumbnail.
    assert found.tokens[0] == len(encoder.record(sample.record, [1, 3]).ids)
    assert found.tokens[1] == BROKEN and "none.png" in found.examples[0] and found.tokens[2] < found.tokens[0]
    again = count_lengths(encoder, replace(lines, records=Unreadable(lines.records)), 6, tmp_path)
    assert again.tokens.tolist() == found.tokens.tolist() and again.examples == found.examples
    assert (count_lengths(encoder, records, 6, tmp_path).tokens > 16).all()
    assert len(list(tmp_path.glob("lengths-*.npz"))) == 2


class Unreadable:
    """Records of which only the identity can be had."""

    def __init__(self, records) -> None:
        self.identity = records.identity

    def __len__(self) -> int:
        return 3


def test_sets_one_after_the_other():
    class Listed(list):
        sample = list.__getitem__

    joined = Joined([Listed("ab"), Listed(""), Listed("c")])
    assert [joined.sample(k) for k in range(len(joined))] == ["a", "b", "c"]
