from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlaser_core.data.clean.sets import sources_of
from vlaser_core.data.engine import Part, build
from vlaser_core.data.labels.budget import Budget
from vlaser_core.data.labels.draft import drafts_of, known_of, read_reply, request_of
from vlaser_core.data.labels.grid import Grid
from vlaser_core.data.labels.pictures import WrittenPictures
from vlaser_core.data.labels.write import WriteLabels
from vlaser_core.data.record import Message, Record
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.source import Picture, Sample
from vlaser_core.data.stats import stats
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.reasoning.parse import parse_boxes, parse_points

GROUNDED = "Question: Where is the noise?\nAnswer: It is at [154, 126], in the box [77, 63, 154, 126]."


def prompt_of(request: dict) -> str:
    return request["messages"][-1]["content"][-1]["text"]


def written(folder: Path) -> list[Record]:
    return [record for record in RecordSet(folder) if record.provenance.startswith("written by")]


def sample(answer: str = "A cup.", question: str = "What?", size: tuple[int, int] = (320, 240), truth: SceneTruth | None = None) -> Sample:
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(data, "PNG")
    said = Message("human", f"<image>\n{question}"), Message("gpt", answer)
    record = Record("7", ("a.png",), *size, said, "grounding", "region", "sa1b", "photographs", "test", "SA-1B", "masks")
    return Sample(record, (Picture("a.png", data.getvalue()),), truth)


@pytest.fixture
def stage(spec, prompts, cache):
    def make(families=("general",), own=True, **changes):
        return WriteLabels(spec(**changes), prompts, {"*": tuple(families)}, cache, own)

    return make


def test_every_picture_is_asked_about_once_in_each_family_and_what_is_written_says_by_whom(tmp_path, server, noise, stage):
    report = build([Part(noise())], tmp_path / "set", 1, [stage(("general", "spatial"))], workers=0)
    new = written(tmp_path / "set")
    # 4 units of 4 pictures, in two families, beside the 48 records of the source.
    assert report.records == 48 + 32 and len(server.requests) == 32 and not report.left_out
    assert {(record.category, record.family) for record in new} == {("qa", "written_general"), ("spatial", "written_spatial")}
    assert {record.provenance for record in new} == {"written by fake-vl"} and {record.source for record in new} == {"noise"}
    assert new[0].conversations == (Message("human", "<image>\nWhat is this?"), Message("gpt", "Noise."))
    splits = {
        (record.id.rsplit("/", 1)[0], record.images): record.split
        for record in RecordSet(tmp_path / "set")
        if record.id.split("/")[-1] in "0369"
    }
    assert all(splits[record.id.rsplit("/", 1)[0], record.images] == record.split for record in new)


def test_ids_are_unique_across_units_workers_and_runs_and_no_row_lacks_one(tmp_path, server, noise, stage):
    build([Part(noise())], tmp_path / "set", 1, [stage(("general", "caption"))], workers=0)
    ids = [record.id for record in RecordSet(tmp_path / "set")]
    assert len(set(ids)) == len(ids) == 80 and all(re.fullmatch(r"noise/u\d+/\d+(-general|-caption)?", identity) for identity in ids)


def test_the_set_does_not_depend_on_which_answer_comes_first(tmp_path, server, say, noise, stage, cache):
    def answer(request: dict, number: int):
        time.sleep(0.03 if number % 5 == 0 else 0)
        return say(f"Question: What is this?\nAnswer: {abs(hash(prompt_of(request))) % 1000} things.")

    server.answer = answer
    build([Part(noise())], tmp_path / "a", 1, [stage(concurrency=8)], workers=0)
    asked = len(server.requests)
    build([Part(noise())], tmp_path / "b", 1, [stage(concurrency=1)], workers=0)
    assert stats(RecordSet(tmp_path / "a")).digest == stats(RecordSet(tmp_path / "b")).digest and len(server.requests) == asked


def test_another_seed_asks_about_other_subjects(tmp_path, server, noise, stage):
    for seed in (1, 2):
        build([Part(noise(count=2))], tmp_path / f"{seed}", seed, [stage()], workers=0)
    subjects = [set(map(prompt_of, server.requests[half])) for half in (slice(0, 8), slice(8, 16))]
    assert len(subjects[0]) > 2 and subjects[0] != subjects[1]


def test_places_are_of_the_picture_and_not_of_the_size_the_model_saw(tmp_path, server, say, spec, prompts, cache):
    server.answer = lambda request, number: say(GROUNDED)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(sample().pictures[0].data)
    write = WriteLabels(spec(grid=Grid("pixels", 28)), prompts, {"*": ("grounding",)}, cache, own=False)
    build([Part(WrittenPictures(pictures, write, "CC0-1.0"))], tmp_path / "set", 1, workers=0)
    (record,) = RecordSet(tmp_path / "set")
    assert "The image is 308 pixels wide and 252 pixels high" in prompt_of(server.requests[0])
    question, answer = (message.value for message in record.conversations)
    assert (record.width, record.height, record.licence) == (320, 240, "CC0-1.0")
    if "Answer with a box." in question:
        assert answer == "<box>[[250, 250, 500, 500]]</box>"
    else:
        assert "Answer with a point." in question and answer == "<point>[[500, 500]]</point>"
    assert question.count("Answer with") == 1


def test_what_a_reply_lacks_is_counted_under_its_reason(tmp_path, server, say, noise, stage):
    replies = [
        "",
        "Only words",
        GROUNDED.replace("154", "1540"),
        "Question: Where?\nAnswer: Left.",
        "Question: Where is [5, 5]?\nAnswer: [9, 9]",
    ]
    server.answer = lambda request, number: say(replies[number % 6]) if number % 6 < 5 else say(GROUNDED, finish="length")
    report = build([Part(noise(count=3))], tmp_path / "set", 1, [stage(("grounding",), concurrency=1)], workers=0)
    assert report.records == 36
    assert report.left_out["write"] == {
        "the answer is empty": 2,
        "no question and answer in the reply": 2,
        "a place in the answer is impossible": 2,
        "no coordinates in a grounding answer": 2,
        "coordinates where words were asked for": 2,
        "the answer was cut off": 2,
    }
    assert report.examples["write"]["the answer is empty"][0].startswith("noise/u")


def test_a_budget_that_ends_stops_cleanly_and_a_larger_one_goes_on_without_paying_twice(tmp_path, server, noise, stage):
    with pytest.raises(InputError, match=r"unit noise/\w+: the budget of 9 requests is spent"):
        build([Part(noise())], tmp_path / "set", 1, [stage(budget=Budget(requests=9))], workers=0)
    assert len(server.requests) == 9
    report = build([Part(noise())], tmp_path / "set", 1, [stage(budget=Budget(requests=16))], workers=0)
    assert report.records == 64 and len(server.requests) == 16


def test_an_endpoint_that_fails_now_and_then_costs_waits_and_no_records(tmp_path, server, say, noise, stage):
    failures = [{"status": 429, "after": "0"}, {"status": 503}, {"raw": b"<html>"}, {"cut": 5}]
    server.answer = lambda request, number: say() if number % 3 else say(**failures[number // 3 % 4])
    report = build([Part(noise())], tmp_path / "set", 1, [stage(concurrency=1, attempts=5)], workers=0)
    assert report.records == 64 and not report.left_out


def test_an_endpoint_that_is_down_ends_the_build_and_the_next_run_continues(tmp_path, server, say, noise, stage):
    server.answer = lambda request, number: say() if number < 6 else say(status=503)
    with pytest.raises(InputError, match=r"answers 503.*3 attempts.*run the same command again"):
        build([Part(noise())], tmp_path / "set", 1, [stage(concurrency=1)], workers=0)
    before = len(server.requests)
    server.answer = lambda request, number: say()
    report = build([Part(noise())], tmp_path / "set", 1, [stage(concurrency=1)], workers=0)
    assert report.records == 64 and len(server.requests) - before == 10


def test_requests_that_are_all_refused_are_the_requests_fault(tmp_path, server, say, noise, stage):
    server.answer = lambda request, number: say("this model takes no images", status=400)
    with pytest.raises(InputError, match="refused the first 8 requests.*takes no images"):
        build([Part(noise(items=60))], tmp_path / "set", 1, [stage()], workers=0)
    assert len(server.requests) < 30


def test_one_that_is_refused_is_counted_and_the_rest_goes_on(tmp_path, server, say, noise, stage):
    server.answer = lambda request, number: say("too long", status=400) if number == 3 else say()
    report = build([Part(noise())], tmp_path / "set", 1, [stage(concurrency=1)], workers=0)
    assert report.records == 63 and report.left_out == {"write": {"the model refused the request": 1}}


_KILLED = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from vlaser_core.data.engine import Part, build
from vlaser_core.data.labels.families import load_families
from vlaser_core.data.labels.pictures import WrittenPictures
from vlaser_core.data.labels.spec import WriterSpec
from vlaser_core.data.labels.write import WriteLabels
folder = Path(sys.argv[2])
spec = WriterSpec("fake-vl", sys.argv[3], concurrency=2, attempts=1)
write = WriteLabels(spec, load_families(), {"*": ("general",)}, folder / "labels", own=False)
print(build([Part(WrittenPictures(folder / "pictures", write, "CC0-1.0"))], folder / "set", 1, workers=0).records)
"""


def test_killed_while_asking_and_run_again_nothing_answered_is_asked_again(tmp_path, server, say):
    (tmp_path / "pictures").mkdir()
    for number in range(12):
        image = Image.fromarray(np.random.default_rng(number).integers(0, 255, (60, 80, 3), dtype=np.uint8))
        image.save(tmp_path / "pictures" / f"{number}.png")
    server.answer = lambda request, number: say(hang=True) if number >= 5 else say()
    root = Path(__file__).resolve().parents[4]
    command = [sys.executable, "-c", _KILLED, str(root), str(tmp_path), server.url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            if len(server.requests) >= 7 and len(list((tmp_path / "labels").rglob("*.json"))) >= 6:
                break
            time.sleep(0.05)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    server.answer = lambda request, number: say()
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    # Five were answered and two were under way: those two and the five others are asked now.
    assert done.stdout == "12\n", done.stderr
    assert len(server.requests) == 7 + 7 and len(RecordSet(tmp_path / "set")) == 12


def test_the_words_for_a_region_get_its_exact_box_and_the_picture_shows_which_is_meant(prompts):
    exact = sample("<box>[[100, 200, 400, 600]]</box>")
    (draft,) = drafts_of(exact, prompts.chosen(("region",)))
    request, sent, kind = request_of(draft, Grid("pixels", 28), np.random.default_rng(0))
    shown = np.asarray(Image.open(io.BytesIO(request.pictures[0].data)).convert("RGB")).astype(int)
    assert shown.shape[:2] == (252, 308)
    edge = shown[round(0.4 * 252), round(0.1 * 308) - 2]
    assert edge[0] > 180 and edge[1:].max() < 90
    for seed in range(5):
        ((question, answer),) = read_reply("The small red cup.", draft, Grid("pixels", 28), sent, kind, np.random.default_rng(seed))
        assert "small red cup" in question and answer == "<box>[[100, 200, 400, 600]]</box>"


def test_a_point_in_the_box_may_be_asked_for_instead(prompts):
    both = sample("<box>[[100, 200, 400, 600]]</box>")
    more = (*both.record.conversations, Message("human", "And a point?"), Message("gpt", "<point>[[250, 400]]</point>"))
    both = Sample(Record(**{**vars(both.record), "conversations": more}), both.pictures)
    (draft,) = drafts_of(both, prompts.chosen(("region",)))
    answers = {read_reply("red cup", draft, Grid(), None, "box", np.random.default_rng(seed))[0][1] for seed in range(20)}
    assert answers == {"<box>[[100, 200, 400, 600]]</box>", "<point>[[250, 400]]</point>"}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [("none.", "no words"), ("", "empty"), ("It is: a cup", "no phrase"), ("word " * 13, "no phrase"), ("the red rectangle", "no phrase")],
)
def test_a_region_without_words_of_its_own_makes_no_record(prompts, reply, reason):
    (draft,) = drafts_of(sample("<box>[[100, 200, 400, 600]]</box>"), prompts.chosen(("region",)))
    with pytest.raises(InputError, match=reason):
        read_reply(reply, draft, Grid(), None, "box", np.random.default_rng(0))


def test_only_one_exact_box_is_a_region(prompts):
    for answer in ("A cup.", "<point>[[1, 2]]</point>", "<box>[[1, 2, 30, 40], [5, 6, 70, 80]]</box>"):
        assert not list(drafts_of(sample(answer), prompts.chosen(("region",))))


def test_what_is_known_is_told_in_words_and_never_in_another_units_numbers():
    assert known_of(sample("A cup.")) == "Known about it: What? A cup."
    assert known_of(sample("<point>[[100, 200]]</point>")) == known_of(sample("Yes", "Is [[5, 5]] a cup?")) == ""
    assert known_of(sample("yes " * 400)) == ""
    assert known_of(sample(truth=SceneTruth(instruction="put carrot on plate"))) == "The robot's task is: put carrot on plate."


def test_a_plan_becomes_numbered_lines_and_a_single_step_is_none(prompts):
    (draft,) = drafts_of(sample(), prompts.chosen(("planning",)))
    read = lambda text: read_reply(text, draft, Grid(), None, "box", np.random.default_rng(0))
    assert (
        read("Question: How do you tidy up? List the steps.\nAnswer: 1. Reach the cup.\n2. Grasp the cup.")[0][1]
        == "1. Reach the cup\n2. Grasp the cup"
    )
    for text in ("Question: How?\nAnswer: Just do it.", "Question: How?\nAnswer: " + " ".join(f"{n}. go" for n in range(1, 15))):
        with pytest.raises(InputError, match="no list of steps"):
            read(text)


@pytest.mark.parametrize("family", ["general", "spatial", "grounding", "planning", "caption"])
def test_every_family_can_be_asked_with_nothing_left_to_fill_in(prompts, family):
    (draft,) = drafts_of(sample(), prompts.chosen((family,)))
    request, _, kind = request_of(draft, Grid("pixels", 28), np.random.default_rng(0))
    assert not re.search(r"[{}]", request.prompt) and "What? A cup." in request.prompt
    assert kind in request.prompt or family != "grounding"


def test_an_unknown_family_is_named(prompts):
    with pytest.raises(ConfigError, match="no family dance to write; known: general"):
        prompts.chosen(("dance",))


def test_a_damaged_picture_of_a_folder_is_counted_and_an_empty_folder_says_what_to_give(tmp_path, server, stage):
    (tmp_path / "pictures").mkdir()
    source = WrittenPictures(tmp_path / "pictures", stage(own=False), "CC0-1.0")
    with pytest.raises(InputError, match="no pictures .* give a folder"):
        source.units()
    (tmp_path / "pictures" / "b.jpg").write_bytes(b"no picture")
    (tmp_path / "pictures" / "a.png").write_bytes(sample().pictures[0].data)
    report = build([Part(source)], tmp_path / "set", 1, workers=0)
    assert report.records == 1 and report.left_out == {"pictures": {"picture cannot be decoded": 1}}


def test_written_places_can_be_read_by_the_projects_own_parsers(tmp_path, server, say, noise, stage):
    server.answer = lambda request, number: say(GROUNDED.replace("[77, 63, 154, 126]", "[77, 63, 154, 126] and [200, 63, 300, 126]"))
    build([Part(noise(count=2))], tmp_path / "set", 1, [stage(("grounding",))], workers=0)
    for record in written(tmp_path / "set"):
        question, answer = (message.value for message in record.conversations)
        assert len(parse_boxes(answer)[0]) == 2 * ("Answer with boxes." in question)
        assert len(parse_points(answer)[0]) == ("Answer with a point." in question)


@pytest.mark.slow
def test_two_workers_share_what_is_paid_and_write_what_one_does(tmp_path, server, small_set, stage):
    pytest.importorskip("ray", reason="workers need the extra `data`")
    parts = [Part(source, settings=source.settings, shuffled=False) for source in sources_of(small_set)]
    build(parts, tmp_path / "two", 1, [stage(budget=Budget(requests=16))], workers=2)
    assert len(server.requests) == 16
    build(parts, tmp_path / "one", 1, [stage()], workers=0)
    assert len(server.requests) == 16 and stats(RecordSet(tmp_path / "one")).digest == stats(RecordSet(tmp_path / "two")).digest
