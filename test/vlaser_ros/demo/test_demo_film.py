"""Film, filmstrip, page and summary of made-up moments."""

from __future__ import annotations

import json

import av
import numpy as np
import pytest

from vlaser_core.reasoning.types import Grounding
from vlaser_ros.demo import report
from vlaser_ros.demo.film import STILLS, TITLE, VERDICT, Strip, shoot
from vlaser_ros.demo.playback import Moment
from vlaser_ros.demo.settings import Episode


def moments(task: str, began: float, count: int) -> list[Moment]:
    grounding = Grounding("carrot", ((100, 100, 300, 300),), (), ("carrot",), (float("nan"),), "", 320, 240)
    scene = np.full((240, 320, 3), 90, np.uint8)
    path = np.array([[100.0, 100.0], [120.0, 130.0], [np.nan, np.nan]])
    return [
        Moment(began + 0.1 * k, scene, task, k > count - 3, grounding if k > 2 else None, path if k > 4 else None, max(0, k - 4), 0.03 if k > 4 else None, 1.0)
        for k in range(count)
    ]


@pytest.fixture
def episodes() -> list[Episode]:
    first = Episode("one", 0, 20, "put <it> there", "carrot", ("grasp", "lift"), "1. grasp", "x", 100.0, 102.0, True)
    first.inference_s, first.age_s = [0.03, 0.05, 0.04], [0.01, 0.02, 0.09]
    second = Episode("two", 1, 20, "then that", "cube", began=110.0)
    return [first, second, Episode("three", 2, 20)]


def test_the_film_is_h264_and_runs_in_real_time(tmp_path, episodes):
    strips = shoot(tmp_path / "a.mp4", [*moments("one", 100.0, 15), *moments("one", 107.0, 3), *moments("two", 110.0, 10)], episodes)
    assert [len(strip.pictures) for strip in strips] == [STILLS, STILLS - 1, 0]
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        # Pictures outside every episode (at 107 s) are not shown.
        assert len(frames) == 15 + 10 + 2 * 2
        assert frames[-1].time == pytest.approx(2 * TITLE + VERDICT + 2.5, abs=0.05)
        assert (frames[0].width, frames[0].height) == (960, 828)


def test_without_pictures_there_is_no_film(tmp_path, episodes):
    assert shoot(tmp_path / "a.mp4", [], episodes) == [Strip((), ())] * 3
    assert not (tmp_path / "a.mp4").exists()


def test_the_summary_counts_only_what_ended(episodes):
    summary = report.summarise(episodes, renderer="rays")
    assert summary["mean_success"] == 1.0 and summary["episodes_ended"] == 1 and summary["renderer"] == "rays"
    assert summary["tasks"]["one"]["inference_ms"] == {"median": 40.0, "worst": 50.0}
    assert summary["tasks"]["one"]["observation_age_ms"] == {"median": 20.0, "worst": 90.0}
    assert summary["tasks"]["two"]["success"] is None and summary["tasks"]["two"]["inference_ms"] is None
    json.dumps(summary, allow_nan=False)


def test_no_episode_is_no_success_rate():
    assert report.summarise([Episode("one", 0, 20)])["mean_success"] is None


def test_the_page_holds_its_pictures_and_escapes_text(tmp_path, episodes):
    strips = shoot(tmp_path / "a.mp4", moments("one", 100.0, 15), episodes)
    summary = report.summarise(episodes, versions=report.versions(), commands=["vlaser demo"])
    report.write(tmp_path, summary, episodes, strips, "a.mp4")
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == STILLS and "put &lt;it&gt; there" in page and "put <it> there" not in page
    assert "http" not in page.replace("http-equiv", "") and json.loads((tmp_path / "summary.json").read_text()) == summary
