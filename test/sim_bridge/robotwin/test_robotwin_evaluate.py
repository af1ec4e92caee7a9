"""Episodes in another process, over a stand-in checkout: RoboTwin's protocol, and workers that die, hang and cannot."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from sim_bridge.robotwin.evaluate import Plan, evaluate, summarise
from sim_bridge.robotwin.process import Worker, WorkerFault, WorkerLost
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.evaluate.report.results import read_results
from vlaser_ros.cli import run
from vlaser_ros.commands.loading import Loading

from .conftest import Pusher

MODEL = {"checkpoint": "test"}


@pytest.fixture
def plan(checkout, tmp_path) -> Plan:
    return Plan(checkout, Path(sys.executable), tmp_path / "out", ("click_bell",), episodes=2, patience=60.0)


def test_seeds_that_the_expert_solves_are_played_and_the_others_passed_over(plan, served, behave, pusher):
    behave(unstable=[100000], expert_fails=[100002], expert_raises=[100003])
    shown = []
    summary = evaluate(plan, served.url, MODEL, shown.append)
    assert [row["seed"] for row in summary["rollouts"]] == [100001, 100004] == [row["seed"] for row in shown]
    assert summary["success"] == summary["success_any"] == {"click_bell": 1.0} and summary["interval_95"]["click_bell"] == [0.3424, 1.0]
    assert summary["mean_success"] == 1.0 and summary["skipped_seeds"] == 3 and summary["restarts"] == 0 and summary["unfinished"] == {}
    assert all(row["steps"] == 10 and row["limit"] == 40 for row in summary["rollouts"]) and summary["chunks"] == 4
    # Each scene has its own noise and an unseen wording.
    assert [seed for *_, seed in pusher.shown] == [100001 * 10_000, 100001 * 10_000 + 1, 100004 * 10_000, 100004 * 10_000 + 1]
    assert all(instruction in ("press the bell", "touch the bell") for _, instruction, _ in pusher.shown)
    assert (plan.out / "logs/click_bell.log").read_text().count("step: 10 / 40") == 2


def test_a_run_that_was_broken_off_goes_on(plan, served, pusher):
    evaluate(replace(plan, episodes=2), served.url, MODEL)
    asked = len(pusher.shown)
    again = evaluate(plan, served.url, MODEL)
    assert len(pusher.shown) == asked and again["episodes"] == 2
    # As after a kill: the last outcome is lost, and is played again with the same scene.
    lines = (plan.out / "episodes.jsonl").read_text().splitlines(keepends=True)
    (plan.out / "episodes.jsonl").write_text(lines[0])
    assert [row["seed"] for row in evaluate(plan, served.url, MODEL)["rollouts"]] == [100000, 100001]
    with pytest.raises(ConfigError, match="instructions differ"):
        evaluate(replace(plan, instructions="seen"), served.url, MODEL)


def test_a_worker_that_dies_is_started_anew_and_its_episode_repeated(plan, served, behave):
    behave(dies=[100001])
    summary = evaluate(plan, served.url, MODEL)
    assert [(row["seed"], row["success"], row["restarts"]) for row in summary["rollouts"]] == [(100000, True, 0), (100001, True, 1)]
    assert summary["restarts"] == 1 and summary["unfinished"] == {}


def test_a_seed_that_always_kills_its_worker_is_named_and_never_scored(plan, served, behave):
    behave(dies_always=[100000])
    summary = evaluate(replace(plan, episodes=1), served.url, MODEL)
    assert [row["seed"] for row in summary["rollouts"]] == [100001]
    (name, why), *more = summary["unfinished"].items()
    assert name == "click_bell, seed 100000" and "exit code 7" in why and not more and summary["success"] == {"click_bell": 1.0}


def test_a_worker_that_hangs_is_started_anew(plan, served, behave):
    behave(hangs=[100000])
    summary = evaluate(replace(plan, episodes=1, patience=3.0), served.url, MODEL)
    # On a busy machine, others may have seemed to hang as well.
    assert [row["seed"] for row in summary["rollouts"]] == [100000] and summary["restarts"] >= 1


def test_what_robotwin_cannot_do_is_an_error_and_no_failure_of_the_policy(plan, served, checkout):
    with pytest.raises(WorkerFault, match="configuration franka has the robot .'franka-panda'."):
        evaluate(replace(plan, task_config="franka"), served.url, MODEL)
    with pytest.raises(WorkerFault, match="absent.yml is missing from the checkout"):
        evaluate(replace(plan, task_config="absent", out=plan.out / "b"), served.url, MODEL)
    assert not (plan.out / "episodes.jsonl").exists()


def test_a_worker_that_never_comes_up_is_not_tried_for_ever(plan, served, checkout):
    (checkout / "envs/__init__.py").write_text("import os\nos._exit(9)\n")
    with pytest.raises(WorkerLost, match="exit code 9"):
        evaluate(plan, served.url, MODEL)


def test_several_tasks_at_once_and_one_that_cannot_ends_the_others(plan, served, checkout):
    both = replace(plan, tasks=("click_bell", "shake_bottle"), workers=2, episodes=1)
    summary = evaluate(both, served.url, MODEL)
    assert set(summary["success"]) == {"click_bell", "shake_bottle"} and summary["mean_success"] == 1.0
    (checkout / "envs/shake_bottle.py").write_text("raise RuntimeError('no assets')")
    with pytest.raises(WorkerFault, match="no assets"):
        evaluate(replace(both, episodes=500, out=plan.out / "b"), served.url, MODEL)
    assert threading.active_count() < 20


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"checkout": Path("/nowhere")}, "no checkout of RoboTwin"),
        ({"tasks": ("fly",)}, "the checkout has no task 'fly'"),
        ({"python": Path("/nowhere/python")}, "no Python at"),
        ({"episodes": 0}, "above 0"),
        ({"instructions": "both"}, "seen or unseen"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(plan, wrong, reason):
    with pytest.raises(InputError, match=reason):
        replace(plan, **wrong).check()


def test_a_worker_that_says_something_else_is_lost(plan, tmp_path):
    with Worker(plan.python, {"checkout": str(tmp_path)}, tmp_path / "log", 60.0) as worker, pytest.raises(WorkerFault, match="KeyError|ModuleNotFoundError"):
        list(worker.events())


def test_a_task_without_an_episode_has_no_share():
    row = {"name": "click_bell-0", "task": "click_bell", "success": False, "inference_s": [0.1, 0.3], "restarts": 0, "skipped": 2}
    summary = summarise([row], ["click_bell", "shake_bottle"])
    assert summary["success"] == {"click_bell": 0.0} and summary["mean_success"] == 0.0 and summary["inference_ms"]["median"] == 200.0
    assert summarise([], ["click_bell"])["mean_success"] is None


def test_the_command_prints_a_table_and_the_summary_last(checkout, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(Loading, "load", lambda self: Pusher())
    arguments = ["--checkout", str(checkout), "--python", sys.executable, "--out", str(tmp_path / "out"), "--tasks", "click_bell", "--episodes", "1"]
    assert run(["eval", "robotwin", *arguments]) == 0
    printed = capsys.readouterr().out
    summary = json.loads(printed.splitlines()[-1])
    assert summary["mean_success"] == 1.0 and summary["episodes_per_task"] == 1 and summary["seed"] == 0 and summary["instructions"] == "unseen"
    assert "click_bell" in printed and "67.5% " in printed and "(published)" in printed
    page = (tmp_path / "out" / "report.html").read_text()
    assert "click_bell" in page and "67.5" in page and "published" in page
    assert read_results(tmp_path / "out").items == {("click_bell", "seed 100000"): 1.0}


def test_the_command_refuses_a_policy_of_another_robot(checkout, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(Loading, "load", lambda self: Pusher("widowx", views=1))
    arguments = ["--python", sys.executable, "--out", str(tmp_path / "out"), "--tasks", "click_bell", "--episodes", "1", "--json"]
    assert run(["eval", "robotwin", "--checkout", str(checkout), *arguments]) == 2
    captured = capsys.readouterr()
    assert "drives 'widowx' by 7 values" in captured.err and captured.out == ""
    assert run(["eval", "robotwin", "--checkout", str(tmp_path), *arguments]) == 2 and "no checkout of RoboTwin" in capsys.readouterr().err
