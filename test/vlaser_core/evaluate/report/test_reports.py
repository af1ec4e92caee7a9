"""What stands on a report's page."""

from __future__ import annotations

import base64
import io
import json
import re

import av
import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_core.evaluate.report.media import Reel, film
from vlaser_core.evaluate.report.model import Item, Matrix, Measure, Report, Section, failures_first, write_report
from vlaser_core.evaluate.report.page import page
from vlaser_core.evaluate.report.simulation import Rollout, simulation_report
from vlaser_core.types import ActionChunk, Observation

GREY = np.full((48, 64, 3), 90, np.uint8)


def report(**changes):
    measures = (Measure("carrot", 0.5, (0.2, 0.8), 10, "a note", {"Vlaser-2B": 0.6}, {"unread": "3"}), Measure("mean", 0.25, main=True))
    return Report("A report", "half of it", measures, {"model": "nano"}, "vlaser eval", **changes)


def frames(data: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_page_has_numbers_intervals_published_values_settings_and_the_command():
    matrix = Matrix(("ERQA", "VSI"), (("nano", {"ERQA": 40.0, "VSI": None}, False), ("GPT-4o", {"ERQA": 47.0, "VSI": 1.0}, True)), "the paper")
    shown = page(report(matrix=matrix, badges=("PARTIAL",), sections=(Section("Not there", {"VSI": "nowhere"}, open=True), Section("More", text="folded"))))
    assert re.search(r"carrot<div class=\"label\">a note</div></td><td class=n>50.0</td>.*20.0 – 80.0</td><td class=n>10</td><td class=n>3</td><td class=n><i>60.0</i>", shown)
    assert 'Vlaser-2B<br><span class="tag">published</span>' in shown and "Vlaser-2B, published: 60.0" in shown
    # The best of each column; published rows are marked as such; what was not measured is a dash and never 0.
    assert "<b>47.0</b>" in shown and "<b>40.0</b>" not in shown and "GPT-4o<span class=\"tag\">published</span>" in shown
    assert "<td class=matrix>—</td>" in shown and "Published: the paper. Percent." in shown
    assert '<span class="badge">PARTIAL</span>' in shown and "<pre>vlaser eval</pre>" in shown and "<td>model</td><td>nano</td>" in shown
    assert "<h2>Not there</h2>" in shown and "<summary><b>More</b></summary>" in shown


def test_nothing_of_what_was_said_is_markup_and_nothing_is_fetched():
    item = Item("<b>id", 0.5, "<i>caption", (GREY, GREY), film([GREY] * 3, 5.0), (("answer", "</p><script>alert(1)</script>"),))
    shown = page(report(items=(item,), items_total=9, badges=("<u>",)))
    assert "<script" not in shown and "<b>id" not in shown and "<i>caption" not in shown and "<u>" not in shown
    assert shown.count("data:image/jpeg;base64,") == 2 and shown.count("data:video/mp4;base64,") == 1
    assert not re.search(r'(?:src|href)="(?!data:|#)', shown) and "50 %</span>" in shown and "1 of 9: 1 that did not fully succeed" in shown
    (data,) = re.findall(r"data:video/mp4;base64,([^\"]+)", shown)
    assert len(frames(base64.b64decode(data))) == 3


def test_failures_come_first_and_leave_room_for_what_went_well():
    items = [Item(str(k), score) for k, score in enumerate([1, 0.2, 0, 1, 1, 0, 0, 0, 0, 0])]
    shown = failures_first(items, 8)
    assert [item.score for item in shown] == [0] * 6 + [1, 1]
    assert [item.score for item in failures_first(items[:4], 8)] == [0, 0.2, 1, 1]


def test_a_film_has_every_frame_at_its_rate_and_even_sides():
    data = film([np.full((49, 65, 3), 20 * k, np.uint8) for k in range(4)], 2.5)
    shown = frames(data)
    assert len(shown) == 4 and shown[0].shape == (48, 64, 3) and shown[3].mean() == pytest.approx(60, abs=3)
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.video[0].average_rate == pytest.approx(2.5)
    with pytest.raises(InputError, match="at least one frame"):
        film([], 5.0)


def test_a_reel_shows_each_view_with_where_its_chunk_led_and_the_end():
    robot = load_embodiment("widowx")
    camera = robot.cameras[0]
    seen = Observation({camera.name: np.full((240, 320, 3), 60, np.uint8)}, np.array([0.25, 0.0, 0.15, 0.0, 0.0, 0.0, 1.0, 1.0])[: robot.proprio_dim], 0.0)
    actions = np.zeros((4, 7))
    actions[:, 1] = 0.03
    reel = Reel(robot, 4)
    reel.add(seen, ActionChunk(actions, 0.0, 0.2, 0.01))
    reel.add(seen)
    first, *end = frames(reel.film())
    # Orange somewhere in the first picture alone; the end is held for two.
    assert (first[..., 0].astype(int) - first[..., 2] > 80).any() and len(end) == 2 and np.ptp(end[0]) < 10
    assert (seen.images[camera.name] == 60).all()


def rollouts(tmp_path):
    (tmp_path / "film.mp4").write_bytes(film([GREY], 5.0))
    return [
        Rollout("carrot", "seed 0", True, True, film([GREY], 5.0)),
        Rollout("carrot", "seed 1", False, True, tmp_path / "film.mp4"),
        Rollout("spoon", "seed 0", False, False, tmp_path / "lost.mp4"),
        Rollout("spoon", "seed 1", False, False),
    ]


def test_episodes_of_a_simulator_are_shown_with_films_that_are_there(tmp_path):
    tasks = {name: {"episodes": 2, "success": share, "interval_95": [0.0, 1.0], "success_any": share} for name, share in (("carrot", 0.5), ("spoon", 0.0))}
    tasks["fly"] = {"episodes": 0, "success": None, "interval_95": [0.0, 1.0], "success_any": None}
    published = [{"name": "Vlaser-2B", "success": 0.5, "source": "the paper"}]
    summary = {"tasks": tasks, "mean_success": 0.25, "mean_success_any": 0.5, "published": published, "unfinished": {"spoon/7": "lost"}}
    found = simulation_report("SimplerEnv", summary, rollouts(tmp_path), {"model": "nano"}, "vlaser eval simpler")
    assert [item.caption for item in found.items] == ["had succeeded, and did not keep it", "ended in success"] and found.items_total == 4
    measures = {measure.name: measure for measure in found.measures}
    assert measures["fly"].value is None and measures["fly"].note == "not played" and measures["mean of the tasks"].interval[1] < 1
    assert found.matrix.rows == (("nano", {"mean success": 25.0}, False), ("Vlaser-2B", {"mean success": 50.0}, True))
    assert found.badges == ("1 episodes not finished: in no share",) and found.sections[1].facts == {"carrot": "seed 1", "spoon": "seed 0, seed 1"}


def test_the_tabletops_summary_and_robotwins_are_read_as_well(tmp_path):
    played = [{"task": each.task, "seed": 0} for each in rollouts(tmp_path)]
    shares = {"carrot": 0.5, "spoon": 0.0}
    summary = {"success": shares, "success_any": shares, "interval_95": {name: [0.0, 0.9] for name in shares}, "mean_success": 0.25, "mean_success_any": 0.25}
    grounding = {"point_in_mask": 0.75, "interval_95": [0.5, 0.9], "frames": 40}
    found = simulation_report("Tabletop", summary | {"rollouts": played, "grounding": grounding}, rollouts(tmp_path), {}, "vlaser eval tabletop")
    assert [(each.name, each.value, each.n) for each in found.measures][1:] == [("spoon", 0.0, 2), ("mean of the tasks", 0.25, 4), ("point inside the object", 0.75, 40)]
    assert found.matrix is None
    nothing = {"success": {}, "success_any": {}, "interval_95": {}, "mean_success": None, "rollouts": [], "published": [{"name": "A", "mean_success": 0.5}]}
    empty = simulation_report("RoboTwin", nothing, [], {}, "vlaser eval robotwin")
    assert empty.headline == "no episode was played" and empty.measures == () and "<td class=matrix>—</td>" in page(empty)


def test_a_report_leaves_its_page_and_a_summary_with_settings_command_and_versions(tmp_path):
    write_report(tmp_path / "out", report(), {"kind": "tabletop", "success": {}})
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["kind"] == "tabletop" and summary["settings"] == {"model": "nano"} and summary["command"] == "vlaser eval" and "torch" in summary["versions"]
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")
