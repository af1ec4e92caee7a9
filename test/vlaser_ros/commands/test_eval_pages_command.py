"""`vlaser eval reasoning` and `vlaser eval compare` from the command line, and the pages of `vlaser eval tabletop` and `records`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vlaser_core.engine import Engine
from vlaser_core.evaluate.benchmarks.published import NAMES
from vlaser_ros.cli import run
from vlaser_ros.commands import evaluation


def answered(capsys, *words: str) -> tuple[int, dict, str]:
    """Exit code, the JSON line that ends stdout, and all of stdout."""
    code = run(words)
    out = capsys.readouterr().out
    return code, json.loads(out.splitlines()[-1]), out


def refusal(capsys, *words: str) -> str:
    assert run(words) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "Traceback" not in captured.err
    return captured.err


def test_a_user_with_nothing_can_try_it_and_judge_again_without_the_model(capsys, tmp_path, monkeypatch):
    words = ("eval", "reasoning", "--fixtures", "--benchmarks", "where2place", "--limit", "1", "--max-tokens", "2", "--json")
    code, found, out = answered(capsys, *words, "--out", str(tmp_path / "a"))
    assert code == 0 and len(out.splitlines()) == 1
    first = found["benchmarks"]["where2place"]
    assert (first["scored"], first["asked_now"]) == (1, 1) and first["incomplete"] == ["synthetic fixtures, not the benchmark"]
    average = found["average"]
    assert not average["complete"] and average["over"] == 1 and len(average["missing"]) == 11 and found["published"]["percent"]["Vlaser-2B"]["average"] == 45.3
    page = (tmp_path / "a" / "report.html").read_text()
    assert "PARTIAL average (1 of twelve benchmarks, synthetic fixtures" in page and page.count('<span class="tag">published</span></td>') == 8

    monkeypatch.setattr(Engine, "load", lambda *_, **__: pytest.fail("what was answered is not asked again"))
    code, found, out = answered(capsys, *words[:-1], "--metric", "corrected", "--out", str(tmp_path / "a"))
    assert code == 0 and found["benchmarks"]["where2place"]["asked_now"] == 0 and found["metric"] == "corrected"
    assert "PARTIAL average" in out and "published, not measured here" in out

    code, found, _ = answered(capsys, "eval", "compare", str(tmp_path / "a"), str(tmp_path / "a" / "summary.json"), "--out", str(tmp_path / "both.html"))
    assert code == 0 and found["changed"] == [] and found["changes"][0]["paired"]["n"] == 1 and "the same" in (tmp_path / "both.html").read_text()


def test_what_is_not_there_is_named_with_where_it_goes_and_where_to_get_it(capsys, tmp_path):
    code, found, _ = answered(capsys, "eval", "reasoning", "--root", str(tmp_path), "--json")
    assert code == 1 and set(found["absent"]) == set(NAMES) and found["average"]["value"] is None
    for name in ("erqa", "refspatial_bench", "vsi_bench"):
        assert str(tmp_path / name) in found["absent"][name] and "the data set" in found["absent"][name]
    assert "embodied" in found["absent"]["embodied_alfred"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("eval", "reasoning"), "give --root"),
        (("eval", "reasoning", "--root", "x", "--fixtures"), "give --root"),
        (("eval", "reasoning", "--root", "/nowhere"), "no folder /nowhere"),
        (("eval", "reasoning", "--fixtures", "--benchmarks", "erqua"), "unknown benchmarks erqua; known: erqa"),
        (("eval", "reasoning", "--fixtures", "--batch", "0"), "at least 1"),
        (("eval", "reasoning", "--fixtures", "--checkpoint", "/nowhere"), "/nowhere"),
        (("eval", "compare", "/nowhere", "/nowhere"), "cannot read /nowhere"),
    ],
)
def test_what_cannot_be_done_is_told_in_words(capsys, words, told):
    assert told in refusal(capsys, *words)


def test_the_tabletops_folder_has_a_page_and_a_summary_to_compare(capsys, tmp_path):
    from sim_bridge.tabletop.evaluate import Episode, summarise
    from vlaser_core.evaluate.report.media import film

    moving = film([np.full((48, 64, 3), 90, np.uint8)], 5.0)
    for name, flags in (("a", "0110"), ("b", "1110")):
        episodes = [Episode("carrot", seed, flag == "1", flag == "1", 20, 0, (0.1,), moving) for seed, flag in enumerate(flags)]
        evaluation._write(tmp_path / name, {"checkpoint": f"runs/{name}", "seed": 0, **summarise(episodes, ["carrot"])}, episodes)
    page = (tmp_path / "a" / "report.html").read_text()
    assert page.count("data:video/mp4") == 4 and page.index("carrot, seed 0") < page.index("carrot, seed 1") and "mean success 50.0 %" in page
    code, found, _ = answered(capsys, "eval", "compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json")
    assert code == 0 and found["kind"] == "tabletop" and found["changed"] == [["carrot", "seed 0", 0.0, 1.0]] and found["settings"] == {"checkpoint": ["runs/a", "runs/b"]}
    assert found["changes"][1]["name"] == "mean" and found["changes"][1]["paired"]["better"] == 1


def test_answers_to_records_are_shown_beside_the_records_own():
    import cv2

    from vlaser_core.data.record import Message, Record
    from vlaser_core.data.source import Picture, Sample
    from vlaser_core.evaluate.reasoning_score import Heard, ReasoningScore, Tally
    from vlaser_core.evaluate.report.page import page
    from vlaser_core.evaluate.report.records import items_of, records_report

    class Listed(list):
        sample = list.__getitem__

    picture = Picture("a.png", cv2.imencode(".png", np.full((48, 64, 3), 90, np.uint8))[1].tobytes())
    said = tuple(Message(*each) for each in (("human", "Where?"), ("gpt", "<point>[[100, 100]]</point>")))
    records = Listed(Sample(Record(str(k), ("a.png",), 64, 48, said, "grounding", "point", "s", "d", "test", "l", "p"), (picture,)) for k in range(2))
    heard = [Heard(str(k), k, 0, "grounding", "point", "Where?", said[1].value, f"<point>[[{100 + 800 * k}, 500]]</point>", 1.0 - k) for k in range(2)]
    tally = Tally(2, 0.5, (0.1, 0.9), None, 0.5)
    result = ReasoningScore(tally, 0.5, {"grounding": tally}, {"point": tally}, 2, {"cannot be read": 1}, {"cannot be read": "7: no"}, 1.0)
    report = records_report(result, heard, records, {}, "vlaser eval records")
    wrong, right = report.items
    assert (wrong.title, right.title) == ("1", "0") and dict(wrong.lines)["model"] == "<point>[[900, 500]]</point>"
    canvas = wrong.pictures[0].astype(int)
    assert canvas[27, 36, 1] > canvas[27, 36, 0] + 60 and canvas[135, 324, 0] > canvas[135, 324, 2] + 60
    assert "7: no" in page(report) and items_of(heard)[1] == {"id": "1#0", "category": "grounding", "family": "point", "score": 0.0}
