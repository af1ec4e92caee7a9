"""What results come to: means, intervals and pairs counted by hand, also of an experiment that is not finished."""

from __future__ import annotations

import pytest

from training.ablation.jobs import plan
from training.ablation.page import page, write_report
from training.ablation.settings import Ablation
from training.ablation.store import Store
from training.ablation.summary import summarise
from vlaser_core.evaluate.intervals import mcnemar, wilson_interval
from vlaser_core.train.recipe import read_recipe

TASKS = ("widowx_spoon_on_towel", "widowx_stack_cube")


def answers(score: float) -> dict:
    tally = {"score": score, "interval_95": [0.0, 1.0], "commonest": 0.1}
    return {"mean_of_categories": score, "overall": tally, "categories": {"grounding": tally, "qa": tally}}


def episodes(*won: int) -> dict:
    """Scenes 0…3 of both tasks; `won` are the places that succeed."""
    rows = [[task, scene, 4 * number + scene in won] for number, task in enumerate(TASKS) for scene in range(4)]
    return {"episodes": rows, "renderer": "egl", "core_seconds": 3600.0}


@pytest.fixture
def experiment(tmp_path):
    settings, store = read_recipe(Ablation, "ablation_smoke"), Store(tmp_path)
    return settings, store, plan(settings, store)


def test_success_pairs_and_questions_are_counted(experiment):
    settings, store, jobs = experiment
    store.write("episodes-base-0", episodes(0, 4))
    store.write("episodes-all-0", episodes(0, 1, 2, 5))
    store.write("reasoning-all", {domain: answers(0.5) for domain in ("elsewhere", "tabletop")} | {"core_seconds": 0.0})
    summary = summarise(settings, store, jobs)
    base, whole = summary["initialisations"]
    assert base["mean"] == 0.25 and whole["mean"] == 0.5
    assert whole["tasks"]["widowx_spoon_on_towel"]["wins"] == 3 and whole["tasks"]["widowx_stack_cube"]["wins"] == 1
    assert whole["interval_95"] == [round(bound, 4) for bound in wilson_interval(4, 8)]
    # all won places 1, 2, 5 that base lost, and lost place 4 that base won.
    assert whole["against_base"] == {"better": 3, "worse": 1, "p": round(mcnemar(3, 1), 4)}
    assert base["against_base"] is None and whole["reasoning"]["tabletop"]["mean"] == 0.5 and base["reasoning"] == {}
    assert summary["jobs"] == {"all": len(jobs), "done": 3, "core_hours": 2.0}
    assert summary["line"]["success"] == {"base": 0.25, "all": 0.5}


def test_a_sensitivity_is_paired_with_the_policies_it_is_about(experiment):
    settings, store, jobs = experiment
    store.write("episodes-all-0", episodes(0, 1))
    store.write("sensitivity-executed-2-of-4-0", episodes(0, 1, 2))
    (one,) = summarise(settings, store, jobs)["sensitivities"]
    assert one["name"] == "executed-2-of-4" and one["mean"] == 0.375 and one["against_main"]["better"] == 1 and one["against_main"]["worse"] == 0


def test_curves_are_means_over_seeds(experiment):
    settings, store, jobs = experiment
    runs = {seed: [{"step": 2, "loss": loss, "chunk_error": loss, "xy_mm": 10 * loss}] for seed, loss in (("0", 1.0), ("1", 3.0))}
    store.write("policies-all", {"curves": runs, "core_seconds": 0.0})
    assert summarise(settings, store, jobs)["curves"]["all"] == [{"step": 2, "loss": 2.0, "chunk_error": 2.0, "xy_mm": 20.0}]


def test_an_unfinished_experiment_has_a_page_that_says_so(experiment, tmp_path):
    settings, store, jobs = experiment
    assert "No episode is done yet" in page(summarise(settings, store, jobs))
    store.write("episodes-base-0", episodes(0))
    summary = summarise(settings, store, jobs)
    shown = page(summary)
    assert f"1 of {len(jobs)} jobs are done" in shown and "12.5" in shown
    write_report(summary, tmp_path / "report")
    assert (tmp_path / "report" / "index.html").read_text() == shown and (tmp_path / "report" / "ablation.json").is_file()
