"""`vlaser bench ros`: chunks are counted, percentiles belong to them, and a bound that is missed is told."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_ros.bench.findings import percentiles
from vlaser_ros.bench.latency import Overhead, _broken, _growth
from vlaser_ros.cli import run

FAST = percentiles([0.003] * 100)


def kept(**changes) -> Overhead:
    report = Overhead(
        600.0, 0.05, chunk_overhead=FAST, on_time=1.0, rss={"vlaser_server": {"growth": 0.001}, "chunk_controller": {"growth": 0.0}}
    )
    for name, value in changes.items():
        setattr(report, name, value)
    return report


def test_a_short_run_tells_every_part(capsys):
    assert run(["bench", "ros", "--seconds", "6", "--repeats", "2"]) in (0, 1)
    out = capsys.readouterr().out
    report = json.loads(out.splitlines()[-1])
    assert report["ok"] == (not report["broken"])
    assert report["chunks"] >= 5 and report["chunk_overhead"]["count"] == report["chunks"] and report["rejected"] <= report["chunks"]
    assert 0 < report["view_age"]["p50"] < report["chunk_overhead"]["p50"] + 0.05
    assert report["model"]["p50"] >= report["delay"] == 0.05
    assert {name: values["count"] for name, values in report["round_trips"].items()}["goal to first feedback"] == 2
    assert min(values["p50"] for name, values in report["round_trips"].items()) > 0
    assert set(report["rss"]) == {"vlaser_server", "chunk_controller"} and all(one["first_mb"] > 20 for one in report["rss"].values())
    assert "on time" in out


def test_kept_bounds_are_not_complained_about():
    assert _broken(kept()) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"chunk_overhead": percentiles([0.006] * 100)}, "median"),
        ({"chunk_overhead": percentiles([0.003] * 95 + [0.05] * 5)}, "p99"),
        ({"chunk_overhead": percentiles([])}, "median"),
        ({"on_time": 0.98}, "on time"),
        ({"rss": {"vlaser_server": {"growth": 0.02}}}, "vlaser_server"),
    ],
)
def test_a_bound_that_is_missed_is_told(changes, word):
    assert any(word in line for line in _broken(kept(**changes)))


def test_growth_is_from_the_first_to_the_last_tenth():
    assert _growth([100.0] * 50 + [110.0] * 50)["growth"] == pytest.approx(0.1)
    assert _growth([100.0] * 49 + [500.0] + [100.0] * 50)["growth"] == 0.0


def test_too_short_a_run_is_refused_at_once(capsys):
    assert run(["bench", "ros", "--seconds", "1"]) == 2
    assert "at least 5 s" in capsys.readouterr().err
