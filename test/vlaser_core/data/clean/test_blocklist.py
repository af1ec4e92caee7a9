from __future__ import annotations

import base64
import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vlaser_core.data.clean.blocklist import load_blocklist, make_blocklist, save_blocklist
from vlaser_core.data.clean.decontaminate import Decontaminate
from vlaser_core.data.clean.words import ngrams, normalised
from vlaser_core.data.engine import Part, build
from vlaser_core.data.record import Message, Record
from vlaser_core.data.source import Damage, Picture, Sample, Unit
from vlaser_core.errors import InputError

ASKED = "Which of the two blue mugs beside the broken toaster is nearer to the edge of the shelf?"
TOO = "In which drawer would you look first for the lid of the small steel pot on the stove?"


def jpeg(number: int, quality: int = 95) -> bytes:
    cells = np.random.default_rng(number).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(cells).resize((120, 90), Image.Resampling.BICUBIC).save(data, "JPEG", quality=quality)
    return data.getvalue()


def sample(question: str = "What is this?", number: int = 99, quality: int = 95) -> Sample:
    said = Message("human", f"<image>\n{question}"), Message("gpt", "a cup")
    picture = Picture(f"{number}-{quality}.jpg", jpeg(number, quality))
    record = Record("1", (picture.name,), 120, 90, said, "qa", "f", "s", "d", "train", "CC0-1.0", "p")
    return Sample(record, (picture,))


@pytest.fixture
def benchmark(tmp_path):
    """A benchmark in every layout that is read: files, JSON, JSON Lines, Parquet with pictures in it, TSV with base64."""
    folder = tmp_path / "Bench"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.jpg").write_bytes(jpeg(0))
    (folder / "questions.json").write_text(json.dumps({"data": [{"question": ASKED, "answer": "the left one"}]}))
    (folder / "more.jsonl").write_text(
        json.dumps({"conversations": [{"from": "human", "value": f"<image>\n{TOO}"}, {"from": "gpt", "value": "b"}]}) + "\n"
    )
    pq.write_table(pa.Table.from_pylist([{"image": {"bytes": jpeg(1), "path": "x"}, "prompt": "Short one?"}]), folder / "test.parquet")
    with (folder / "t.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerows([["index", "image", "question"], [1, base64.b64encode(jpeg(2)).decode(), "What colour is it?"]])
    return folder


@pytest.fixture
def stage(benchmark, tmp_path):
    save_blocklist(make_blocklist(benchmark, "Bench"), tmp_path / "list.json")
    return Decontaminate((tmp_path / "list.json",))


def passed(stage: Decontaminate, *samples: Sample) -> tuple[int, dict[str, int]]:
    dropped = Damage()
    return len(list(stage.apply(Unit("s", "u"), iter(samples), dropped, 0))), dict(dropped.counts)


def test_a_benchmark_is_listed_whatever_its_layout(benchmark):
    made = make_blocklist(benchmark, "Bench")
    assert len(made.pictures) == 3 and made.questions == 4 and not made.skipped
    assert set(ngrams(ASKED, 10)) | set(ngrams(TOO, 10)) == set(made.ngrams)


def test_the_list_does_not_give_the_benchmark_away(benchmark, tmp_path):
    save_blocklist(make_blocklist(benchmark, "Bench"), tmp_path / "list.json")
    text = (tmp_path / "list.json").read_text()
    assert "toaster" not in text and "left one" not in text and load_blocklist(tmp_path / "list.json").name == "Bench"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_picture_of_a_benchmark_is_left_out_also_when_saved_otherwise(stage, number):
    assert passed(stage, sample(number=number), sample(number=number, quality=50), sample()) == (1, {"a picture of Bench": 2})


def test_a_question_worded_like_a_benchmarks_is_left_out_and_a_general_one_is_not(stage):
    alike = [sample(ASKED), sample(TOO.upper().replace("?", " !")), sample(f"Please say. {ASKED}")]
    general = [
        sample("What colour is it?"),
        sample("Short one?"),
        sample("Which of the two red mugs beside the sink is nearer to the edge of the table?"),
    ]
    assert passed(stage, *alike) == (0, {"a question of Bench": 3}) and passed(stage, *general) == (3, {})


def test_words_that_all_of_a_benchmarks_questions_share_are_not_its_own(tmp_path):
    folder = tmp_path / "b"
    folder.mkdir()
    shared = "answer with the letter of the right option and with nothing else please"
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "my"]
    questions = [{"question": " ".join([*np.roll(words, turn), "?", shared])} for turn in range(12)]
    (folder / "q.json").write_text(json.dumps(questions))
    save_blocklist(make_blocklist(folder, "b"), tmp_path / "b.json")
    stage = Decontaminate((tmp_path / "b.json",))
    assert passed(stage, sample(f"Is it red? {shared}"))[0] == 1
    assert passed(stage, sample(questions[3]["question"]))[0] == 0


def test_several_lists_are_held_against_together_and_each_is_named(stage, tmp_path, benchmark):
    other = tmp_path / "Other"
    other.mkdir()
    (other / "p.png").write_bytes(jpeg(5))
    save_blocklist(make_blocklist(other, "Other", words=6), tmp_path / "other.json")
    both = Decontaminate((*stage.lists, tmp_path / "other.json"))
    assert passed(both, sample(number=5), sample(number=1), sample(ASKED), sample())[1] == {
        "a picture of Other": 1,
        "a picture of Bench": 1,
        "a question of Bench": 1,
    }
    assert both.settings != stage.settings


def test_files_that_cannot_be_read_are_told_and_the_rest_is_listed(benchmark):
    (benchmark / "broken.json").write_text("{")
    (benchmark / "broken.parquet").write_bytes(b"PAR1")
    (benchmark / "broken.jpg").write_bytes(b"no picture")
    made = make_blocklist(benchmark, "Bench")
    assert len(made.pictures) == 3 and [part.split(" ")[0] for part in made.skipped] == ["broken.jpg", "broken.json", "broken.parquet"]


def test_a_folder_that_holds_no_benchmark_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures and no questions"):
        make_blocklist(tmp_path / "empty", "x")
    with pytest.raises(InputError, match="no folder"):
        make_blocklist(tmp_path / "none", "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"format": 2, "name": "a", "words": 10, "pictures": [], "ngrams": []}',
        '{"format": 1, "name": "a", "words": 10, "pictures": ["xyz"], "ngrams": []}',
    ],
)
def test_a_list_that_is_damaged_is_named_before_anything_is_read(tmp_path, text):
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"list\.json"):
        Decontaminate((path,))


def test_it_runs_inside_a_build(tmp_path, noise):
    folder = tmp_path / "b"
    folder.mkdir()
    first = next(iter(noise().read(noise().units()[1], Damage(), 0)))
    (folder / "stolen.png").write_bytes(first.pictures[0].data)
    save_blocklist(make_blocklist(folder, "b"), tmp_path / "b.json")
    report = build([Part(noise())], tmp_path / "set", 0, [Decontaminate((tmp_path / "b.json",))], workers=0)
    assert report.left_out == {"decontaminate": {"a picture of b": 3}} and report.records == 45


def test_texts_are_compared_by_their_words():
    assert normalised("<image>\nWhat's THAT,  there?") == "what s that there" == normalised("what s that there")
    assert len(ngrams("one two three four", 3)) == 2 and ngrams("one two", 3) == []
