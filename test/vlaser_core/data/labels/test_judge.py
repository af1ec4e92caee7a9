from __future__ import annotations

import pytest

from vlaser_core.data.engine import Part, build
from vlaser_core.data.labels.grid import Grid
from vlaser_core.data.labels.judge import UNREADABLE, Judge
from vlaser_core.data.labels.write import WriteLabels
from vlaser_core.data.shards import RecordSet
from vlaser_core.errors import InputError


def prompt_of(request: dict) -> str:
    return request["messages"][-1]["content"][-1]["text"]


@pytest.fixture
def judged(tmp_path, server, say, noise, spec, prompts, cache):
    """Builds a set of 48 records through a judge that says `replies` in turn."""

    def make(name="set", replies=("3", "Score: 2", "1", "no idea"), stages=(), **changes):
        server.answer = lambda request, number: say(replies[number % len(replies)])
        options = {"written": False, **changes}
        judge = Judge(spec(concurrency=1), prompts, cache, **options)
        return build([Part(noise())], tmp_path / name, 1, [*stages, judge], workers=0), RecordSet(tmp_path / name)

    return make


def test_scores_from_the_lowest_that_is_kept_on_go_on_and_are_told(judged, server):
    report, records = judged(keep=(2, 3))
    assert report.records == 24 and len(server.requests) == 48
    assert report.left_out == {"judge": {"score 1": 12, "no score can be read in the reply": 12}}
    assert {record.provenance for record in records} == {"drawn at random; judged 3 by fake-vl", "drawn at random; judged 2 by fake-vl"}


def test_the_lowest_score_can_be_reached_and_its_set_is_not_empty(judged, server):
    counts = {score: judged(f"{score}", keep=(score,))[0].records for score in (1, 2, 3, UNREADABLE)}
    assert counts == {1: 12, 2: 12, 3: 12, UNREADABLE: 12}
    assert len(server.requests) == 48  # the further passes find the answers


def test_a_reply_without_a_score_is_not_silently_given_two(judged):
    report, _ = judged(replies=("I cannot tell.",), keep=(1, 2, 3))
    assert report.records == 0 and report.left_out == {"judge": {"no score can be read in the reply": 48}}
    report, records = judged("kept", replies=("I cannot tell.",), keep=(UNREADABLE, 3))
    assert report.records == 48 and records[0].provenance.endswith("judged unreadably by fake-vl")


def test_only_what_a_model_wrote_is_judged_when_so_asked(judged, server, say, spec, prompts, cache):
    server_says = {"write": "Question: What is this?\nAnswer: Noise.", "judge": "3"}
    write = WriteLabels(spec(concurrency=1), prompts, {"*": ("general",)}, cache)
    judge = Judge(spec(concurrency=1), prompts, cache, written=True)
    report, records = judged(replies=(server_says["write"],), stages=[write], written=True)
    assert report.left_out["judge"] == {"no score can be read in the reply": 16}
    assert len(records) == 48 and all(record.provenance == "drawn at random" for record in records)
    assert judge.settings["written"] is True


def test_the_judge_is_asked_at_temperature_zero_about_the_picture_with_its_families_rubric(judged, server, prompts):
    judged()
    body = server.requests[0]
    assert body["temperature"] == 0 and body["messages"][-1]["content"][0]["type"] == "image_url"
    assert prompts.rubrics["grounding"].strip() in prompt_of(body) and "Question: Where? Answer with a point." in prompt_of(body)
    assert "<image>" not in prompt_of(body) and "{" not in prompt_of(body)


def test_a_judge_that_speaks_of_pixels_is_told_places_in_pixels(tmp_path, server, say, noise, spec, prompts, cache):
    server.answer = lambda request, number: say("3")
    judge = Judge(spec(grid=Grid("pixels", 28)), prompts, cache, written=False)
    build([Part(noise(count=1))], tmp_path / "set", 1, [judge], workers=0)
    # 32 × 24 is sent as 84 × 56; the picture's records say y = 7 thousandths, 0 pixels.
    assert all("The image is 84 pixels wide and 56 pixels high" in prompt_of(body) for body in server.requests)
    said = [int(prompt_of(body).split("<point>[[")[1].split(",")[0]) for body in server.requests]
    true = [int(record.conversations[-1].value.split("[[")[1].split(",")[0]) for record in RecordSet(tmp_path / "set")]
    assert sorted(said) == sorted(round(x * 84 / 1000) for x in true)


def test_no_row_is_dropped_for_its_id(judged):
    report, records = judged(replies=("3",))
    assert report.records == 48 and not report.left_out
    assert {record.id for record in records} == {f"noise/u{unit:03d}/{item}" for unit in range(4) for item in range(12)}


def test_an_impossible_score_is_refused(spec, prompts, cache):
    for keep in ((), (4,), (-1, 2)):
        with pytest.raises(InputError, match="expected scores to keep"):
            Judge(spec(), prompts, cache, keep)
