"""Whole evaluations with stand-in simulators: parallel, broken off, with simulators that die."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sim_bridge.simpler import evaluate as module
from sim_bridge.simpler.evaluate import Evaluation, Plan, choose
from sim_bridge.simpler.link import SimulatorLink
from sim_bridge.simpler.oracle import Oracle
from sim_bridge.simpler.policies import ZeroPolicy
from sim_bridge.simpler.results import Results
from sim_bridge.simpler.rollout import run_episode
from sim_bridge.simpler.suites import suite
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError, VlaserError

WIDOWX = load_embodiment("widowx")
MANIFEST = {"suite": "widowx", "policy": {"kind": "oracle"}, "created": "now"}


@pytest.fixture
def spoons():
    return choose(suite("widowx"), 4, ("widowx_spoon_on_towel",))


def play(folder, installation, episodes, policy=Oracle, progress=lambda row: None, **plan):
    return Evaluation(Plan("widowx", episodes, **plan), installation, Results(folder, MANIFEST), lambda: policy(WIDOWX)).run(progress)


def rows(folder):
    return [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]


def test_the_oracle_wins_and_the_zero_policy_scores_nothing(tmp_path, installation, spoons):
    won = play(tmp_path / "oracle", installation, spoons, workers=2)
    assert won["mean_success"] == 1.0 and won["episodes"] == 4 and won["restarts"] == 0 and not won["unfinished"]
    assert won["tasks"]["widowx_spoon_on_towel"]["interval_95"] == [0.5101, 1.0]
    lost = play(tmp_path / "zero", installation, spoons[:2], ZeroPolicy)
    assert lost["mean_success"] == lost["mean_success_any"] == 0.0
    assert json.loads((tmp_path / "oracle" / "summary.json").read_text()) == won
    assert won["published"][0] == {"suite": "widowx", "name": "InternVL3-2B", "success": 0.418, "source": "Vlaser, ICLR 2026"}


def test_the_same_episodes_come_to_the_same_whoever_plays_them(tmp_path, installation, spoons):
    play(tmp_path / "one", installation, spoons)
    play(tmp_path / "many", installation, spoons[::-1], workers=3)
    told = [{row["name"]: (row["actions"], row["success"]) for row in rows(tmp_path / name)} for name in ("one", "many")]
    assert told[0] == told[1] and len({actions for actions, _ in told[0].values()}) == 4


@pytest.mark.parametrize("how", ["crash 5", "hang 5", "nan 5"])
def test_an_episode_whose_simulator_dies_is_begun_anew_and_counted(tmp_path, installation, link, spoons, how, monkeypatch):
    if how.startswith("hang"):
        monkeypatch.setattr(module, "SimulatorLink", lambda place: SimulatorLink(place, act=2.0))
    broken = replace(spoons[1], build={**spoons[1].build, "misbehave": f"{how} {tmp_path / 'once'}"})
    summary = play(tmp_path / "ill", installation, [broken])
    assert summary["episodes"] == 1 and summary["restarts"] == 1 and summary["mean_success"] == 1.0
    assert rows(tmp_path / "ill")[0]["actions"] == run_episode(link, spoons[1], Oracle(WIDOWX)).actions


def test_an_episode_that_never_ends_is_named_and_not_scored(tmp_path, installation, spoons):
    broken = replace(spoons[1], build={**spoons[1].build, "misbehave": "crash 5"})
    summary = play(tmp_path, installation, [spoons[0], broken])
    assert summary["episodes"] == 1 and summary["of"] == 2 and summary["mean_success"] == 1.0
    assert list(summary["unfinished"]) == [broken.name] and "about to crash" in summary["unfinished"][broken.name]
    # It is tried again when the evaluation is taken up.
    assert play(tmp_path, installation, [spoons[0], spoons[1]])["unfinished"] == {}


def test_an_evaluation_in_which_everything_dies_ends(tmp_path, installation, spoons, monkeypatch):
    monkeypatch.setattr(module, "MOST_UNFINISHED", 1)
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    broken = [replace(episode, build={**episode.build, "misbehave": "crash 0"}) for episode in spoons[:3]]
    with pytest.raises(VlaserError, match="2 episodes could not be finished in 1 attempts each"):
        play(tmp_path, installation, broken)


def test_what_was_done_is_not_done_again(tmp_path, installation, spoons):
    class Stop(Exception):
        pass

    def stop_after_two(row):
        if len(rows(tmp_path)) == 2:
            raise Stop

    with pytest.raises(Stop):
        play(tmp_path, installation, spoons, progress=stop_after_two)
    # The machine died while a third line was being written.
    with (tmp_path / "episodes.jsonl").open("ab") as file:
        file.write(b'{"name": "widowx_spoon_on_t')
    told: list[str] = []
    summary = play(tmp_path, installation, spoons, progress=lambda row: told.append(row["name"]))
    assert summary["episodes"] == 4 and len(rows(tmp_path)) == 4 and sorted(told) == sorted(episode.name for episode in spoons)


def test_a_folder_of_another_evaluation_or_with_a_damaged_line_is_refused(tmp_path):
    Results(tmp_path, MANIFEST)
    Results(tmp_path, {**MANIFEST, "created": "later", "workers": 8})
    with pytest.raises(ConfigError, match=r"another evaluation \(policy differ\)"):
        Results(tmp_path, {**MANIFEST, "policy": {"kind": "zero"}})
    (tmp_path / "episodes.jsonl").write_text('{"name": "a"}\n')
    with pytest.raises(ConfigError, match="line 1 of .*no outcome"):
        Results(tmp_path, MANIFEST).rows()
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(ConfigError, match="no manifest.json"):
        Results(tmp_path, MANIFEST)


class Film:
    """Notes frames in place of a video."""

    def __init__(self, file, width, height):
        self.file, self.frames, self.size = file, 0, (width, height)
        file.write_bytes(b"video")

    def add(self, picture, seconds):
        assert seconds == pytest.approx(0.2)
        self.frames += 1

    def close(self):
        self.file.write_text(f"{self.frames} {self.size}")


def test_films_say_in_their_names_how_it_ended_and_broken_ones_are_gone(tmp_path, installation, spoons):
    broken = replace(spoons[1], build={**spoons[1].build, "misbehave": f"crash 5 {tmp_path / 'once'}"})
    play(tmp_path, installation, [spoons[0], broken], film=Film)
    films = sorted(file.name for file in (tmp_path / "videos").iterdir())
    assert films == [f"widowx_spoon_on_towel__visual_matching__{n:03d}__success.mp4" for n in range(2)]
    assert (tmp_path / "videos" / films[0]).read_text() == "61 (640, 480)"
