from __future__ import annotations

import json

import pytest

from vlaser_ros.cli import run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def tabletop_set(tmp_path_factory):
    from sim_bridge import simulated

    small = pytest.MonkeyPatch()
    small.setattr(simulated, "PICTURES_A_UNIT", 4)
    folder = tmp_path_factory.mktemp("data") / "tabletop"
    assert (
        run(["data", "build", "tabletop", "--records", "40", "--seed", "7", "--workers", "0", "--renderer", "rays", "--out", str(folder)])
        == 0
    )
    yield folder
    small.undo()


def last_line(capsys) -> dict:
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_build_again_does_nothing_twice(tabletop_set, capsys):
    assert (
        run(
            [
                "data",
                "build",
                "tabletop",
                "--records",
                "40",
                "--seed",
                "7",
                "--workers",
                "0",
                "--renderer",
                "rays",
                "--out",
                str(tabletop_set),
            ]
        )
        == 0
    )
    report = last_line(capsys)
    assert report["records"] == 40 and report["written"] == 0 and report["resumed"] >= 1


def test_stats_end_with_the_digest(tabletop_set, tmp_path, capsys):
    assert run(["data", "stats", str(tabletop_set), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and list(json.loads(out))[-1] == "digest"
    assert run(["data", "stats", str(tabletop_set), "--page", str(tmp_path / "stats.html")]) == 0
    assert last_line(capsys) == json.loads(out) and "where boxes and points lie" in (tmp_path / "stats.html").read_text()


def test_check_leaves_with_0_when_all_agree(tabletop_set, capsys):
    assert run(["data", "check", str(tabletop_set)]) == 0
    report = last_line(capsys)
    assert report["disagreements"] == 0 and sum(report["checked"].values()) == 40


def test_check_leaves_with_1_and_the_disagreements(tabletop_set, tmp_path, capsys, monkeypatch):
    from vlaser_core.data import verify
    from vlaser_core.data.check import Disagreement

    monkeypatch.setattr(
        verify, "check", lambda truth, turns: [Disagreement(turn.family, turn.question, turn.answer, "something else") for turn in turns]
    )
    assert run(["data", "check", str(tabletop_set), "--json"]) == 1
    report = last_line(capsys)
    assert report["disagreements"] == 40 and report["listed"][0]["expected"] == "something else"


def test_show_export_and_merge(tabletop_set, tmp_path, capsys):
    assert run(["data", "show", str(tabletop_set), "--out", str(tmp_path / "show.html"), "--per-family", "1"]) == 0
    assert "data:image/jpeg" in (tmp_path / "show.html").read_text()
    capsys.readouterr()
    assert run(["data", "export", str(tabletop_set), str(tmp_path / "exported")]) == 0
    assert last_line(capsys)["records"] == 40
    assert run(["data", "merge", str(tabletop_set), "--out", str(tmp_path / "merged")]) == 0
    assert last_line(capsys)["records"] == 40


def test_a_plan_tells_what_is_missing(tmp_path, capsys):
    (tmp_path / "plan.yaml").write_text(
        "name: small\nshares:\n"
        "  - {source: tabletop, category: simulation, records: 64, licence: Apache-2.0}\n"
        "  - {source: robopoint, category: grounding, records: 100, licence: Apache-2.0}\n"
    )
    assert run(["data", "plan", str(tmp_path / "plan.yaml"), "--root", str(tmp_path), "--renderer", "rays"]) == 0
    out = capsys.readouterr().out
    report = json.loads(out.strip().splitlines()[-1])
    assert report["present"] == ["tabletop"] and report["missing"] == ["robopoint"] and report["estimate"]["assumed"] == ["robopoint"]
    assert "robopoint is missing" in out and report["estimate"]["hours"] > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["build", "nothing_like_it", "--out", "x"], "unknown source 'nothing_like_it'; known: tabletop"),
        (["stats", "no/such/set"], "holds no records"),
        (["plan", "no_such_plan"], "no plan 'no_such_plan'"),
        (["build", "tabletop", "--records", "0", "--out", "x"], "at least 1 record"),
        (["bench", "--source", "robopoint"], "bench measures a simulated source"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line_and_code_2(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["data", *words]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
