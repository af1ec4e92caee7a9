"""Jobs in their order, several at a time, none twice, and the one that failed named with its last words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from training.ablation.jobs import Job, plan, run_all
from training.ablation.settings import Ablation
from training.ablation.store import Store
from vlaser_core.errors import InputError, VlaserError
from vlaser_core.train.recipe import read_recipe

WORK = """
import json, pathlib, sys
store, name, *needs = sys.argv[1:]
results = pathlib.Path(store) / "results"
missing = [need for need in needs if not (results / (need + ".json")).exists()]
if name == "bad":
    sys.exit("the camera fell over")
assert not missing, missing
with (pathlib.Path(store) / "done").open("a") as file:
    file.write(name + "\\n")
(results / (name + ".json")).write_text(json.dumps({"core_seconds": 1.0}))
"""


def run(store: Store, needs: dict[str, tuple[str, ...]], workers: int = 2) -> None:
    jobs = {name: Job(name, before, dict) for name, before in needs.items()}
    run_all(jobs, store, lambda name: ["-c", WORK, str(store.root), name, *needs[name]], workers, Console(quiet=True))


def done(store: Store) -> list[str]:
    return (store.root / "done").read_text().split()


@pytest.mark.parametrize("recipe", ["ablation", "ablation_smoke"])
def test_every_job_stands_behind_what_it_needs(recipe):
    jobs = plan(read_recipe(Ablation, recipe), Store(Path("nowhere")))
    seen: set[str] = set()
    for job in jobs.values():
        assert set(job.needs) <= seen, job.name
        seen.add(job.name)


def test_the_experiment_is_the_papers(tmp_path):
    settings = read_recipe(Ablation, "ablation")
    assert set(settings.initialisations) >= {"base", "ood", "qa", "spatial", "grounding", "all"}
    assert len(settings.seeds) >= 3 and settings.judging.episodes >= 50


def test_jobs_run_once_what_they_need_is_done_and_are_not_repeated(tmp_path):
    store, needs = Store(tmp_path), {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    run(store, needs)
    order = done(store)
    assert sorted(order) == ["a", "b", "c", "d"] and order[0] == "a" and order[-1] == "d"
    store.result("d").unlink()
    run(store, needs)
    assert done(store) == [*order, "d"]


def test_a_job_that_fails_is_named_with_its_last_words_and_nothing_is_built_on_it(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(VlaserError, match="bad failed: the camera fell over"):
        run(store, {"bad": (), "after": ("bad",)}, workers=1)
    assert not store.done("after") and not (tmp_path / "done").exists()


def test_a_result_is_whole_or_not_there_and_damage_is_named(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(InputError, match="not there yet"):
        store.read("x")
    store.write("x", {"a": 1})
    assert store.read("x") == {"a": 1} and not list(tmp_path.rglob("*.part"))
    store.result("x").write_text(json.dumps({"a": 1})[:-2])
    with pytest.raises(InputError, match=r"x\.json is damaged"):
        store.read("x")
