"""What `vlaser ablation` can be asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from training.ablation.jobs import plan, run_all, run_job
from training.ablation.settings import Ablation
from training.ablation.store import Store
from vlaser_core.errors import InputError
from vlaser_core.train.recipe import read_recipe

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Command:
    """Does reasoning data from the robot's own view help it move? The paper's experiment at nano size; stopped, it goes on."""

    out: Path = Path("runs/ablation")  # data, weights, results, and the report
    recipe: str = "ablation"  # a name below config/train, or the path of a YAML file
    workers: int = 2  # jobs at a time, one core each
    only_report: bool = False  # nothing is trained; the report of what is done so far
    report: Path | None = None  # folder that the report is written to; <out>/report by default
    json: bool = False  # only the result, as one JSON line
    job: str | None = None  # one job alone, in this process

    def run(self) -> int:
        settings, store = read_recipe(Ablation, self.recipe), Store(self.out)
        jobs = plan(settings, store)
        if self.job is not None and self.job not in jobs:
            raise InputError(f"no job {self.job!r}; there are {', '.join(jobs)}")
        if self.workers < 1:
            raise InputError(f"at least one job at a time, got {self.workers}")
        if not self.only_report:
            self._agree(settings)
        if self.job is not None:
            run_job(settings, store, self.job)
            return 0
        console = Console(stderr=True)
        if not self.only_report:
            command = lambda name: ["-m", "training.ablation", "--out", str(self.out), "--recipe", self.recipe, "--job", name]  # noqa: E731
            run_all(jobs, store, command, self.workers, console)
        from training.ablation.page import write_report
        from training.ablation.summary import summarise, tables

        summary = summarise(settings, store, jobs)
        folder = self.report or self.out / "report"
        write_report(summary, folder)
        if not self.json:
            for table in tables(summary):
                Console().print(table)
            Console().print(f"report: {folder / 'index.html'}")
        print(json.dumps(summary["line"]))
        return 0

    def _agree(self, settings: Ablation) -> None:
        """An experiment's folder belongs to one recipe: results of another would be mixed in unseen."""
        from pydantic import TypeAdapter

        mine = json.dumps(TypeAdapter(Ablation).dump_python(settings, mode="json"), sort_keys=True)
        path = self.out / SETTINGS
        if not path.is_file():
            self.out.mkdir(parents=True, exist_ok=True)
            path.write_text(mine + "\n", encoding="utf-8")
        elif path.read_text(encoding="utf-8").strip() != mine:
            raise InputError(f"{self.out} holds an experiment with other settings ({path}); give another --out, or go on with the recipe it was begun with")
