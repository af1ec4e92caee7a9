"""The experiment as jobs with what they need done before, and a runner that does several at a time and can be stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from training.ablation.settings import Ablation, Sensitivity
from training.ablation.store import Store
from vlaser_core.errors import VlaserError

POLL = 0.5  # s


@dataclass(frozen=True)
class Job:
    """One piece of work in a process of its own; done where its result is there."""

    name: str
    needs: tuple[str, ...]
    run: Callable[[], dict]


def plan(settings: Ablation, store: Store) -> dict[str, Job]:
    """Every job by name, in an order that could be followed one by one."""
    jobs: dict[str, Job] = {}

    def add(name: str, needs: tuple[str, ...], run: Callable[[], dict]) -> None:
        jobs[name] = Job(name, needs, run)

    sets = {domain: getattr(settings, domain) or store.root / "data" / domain for domain in ("elsewhere", "tabletop")}
    for domain in sets:
        add(f"data-{domain}", (), lambda domain=domain: _build(settings, domain, sets[domain]))
    add("scenes", (), lambda: _record(settings, store))
    for name, what in settings.initialisations.items():
        data = f"data-{what.data or 'elsewhere'}"
        before = "scenes" if name == "base" else "backbone-base"
        add(f"backbone-{name}", (before, data), lambda name=name: _backbone(settings, store, name, sets))
        add(f"reasoning-{name}", (f"backbone-{name}", "data-elsewhere", "data-tabletop"), lambda name=name: _reasoning(settings, store, name, sets))
        add(f"policies-{name}", (f"backbone-{name}",), lambda name=name: _policies(settings, store, name))
        for seed in settings.seeds:
            add(
                f"episodes-{name}-{seed}",
                (f"policies-{name}",),
                lambda name=name, seed=seed: _episodes(settings, store.policy(name, seed)),
            )
    for name, what in settings.sensitivities.items():
        for seed in what.seeds or settings.seeds:
            _add_sensitivity(add, settings, store, name, what, seed)
    return jobs


def _add_sensitivity(add: Callable, settings: Ablation, store: Store, name: str, what: Sensitivity, seed: int) -> None:
    policy, needs = store.policy(what.backbone, seed, what.train), (f"policies-{what.backbone}",)
    if what.train is not None:
        trained = f"joint-{what.backbone}-{what.train}-{seed}"
        add(trained, needs, lambda: _joint(settings, store, what, seed))
        needs = (trained,)
    add(f"sensitivity-{name}-{seed}", needs, lambda: _episodes(settings, policy, what.executed, what.flow_steps))


# Each imports what it needs when it runs: planning and looking at results take no torch.
def _build(settings: Ablation, domain: str, folder: Path) -> dict:
    if (folder / "index.json").is_file():
        return {"folder": str(folder), "built": False}
    from sim_bridge.sources import open_source, settings_of
    from vlaser_core.data.engine import Part, build

    source = open_source(domain, Path(), settings.records, settings.data_seed, settings.judging.renderer)
    report = build([Part(source, settings.records, settings_of(source), shuffled=False)], folder, settings.data_seed, workers=0)
    return {"folder": str(folder), "built": True, "records": report.records, "pictures": report.pictures}


def _record(settings: Ablation, store: Store) -> dict:
    from sim_bridge.tabletop.record import record_scenes

    record_scenes(store.scenes, "all", settings.scenes, 1_000_000, settings.judging.renderer, workers=1)
    return {"a task": settings.scenes}


def _backbone(settings: Ablation, store: Store, name: str, sets: dict[str, Path]) -> dict:
    from training.ablation.backbones import train_backbone

    return train_backbone(settings, store, name, sets)


def _reasoning(settings: Ablation, store: Store, name: str, sets: dict[str, Path]) -> dict:
    from training.ablation.judging import judge_reasoning

    return judge_reasoning(settings, store, name, sets)


def _policies(settings: Ablation, store: Store, name: str) -> dict:
    from training.ablation.policies import train_policies

    return train_policies(settings, store, name)


def _joint(settings: Ablation, store: Store, what: Sensitivity, seed: int) -> dict:
    from training.ablation.policies import train_joint

    return train_joint(settings, store, what.backbone, seed, what.train)


def _episodes(settings: Ablation, policy: Path, executed: int | None = None, flow_steps: int | None = None) -> dict:
    from training.ablation.judging import judge_policy

    return judge_policy(settings, policy, executed, flow_steps)


def run_job(settings: Ablation, store: Store, name: str) -> None:
    """Do one job in this process and keep its result with the processor time it took, its own processes' included."""
    import torch

    torch.set_num_threads(1)
    started = sum(os.times()[:4])
    result = plan(settings, store)[name].run()
    store.write(name, result | {"core_seconds": round(sum(os.times()[:4]) - started, 1)})


def run_all(jobs: dict[str, Job], store: Store, command: Callable[[str], list[str]], workers: int, console: Console) -> None:
    """Do every job that is not done, `workers` at a time, each by `command(name)`; logs lie beside the results.

    Raises VlaserError naming the first job that failed, with its last words, once those that ran beside it have ended.
    """
    waiting = [job for job in jobs.values() if not store.done(job.name)]
    running: dict[str, subprocess.Popen] = {}
    failed: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("jobs", total=len(jobs), completed=len(jobs) - len(waiting), note="")
        try:
            while waiting or running:
                for name, process in list(running.items()):
                    if process.poll() is not None:
                        del running[name]
                        if process.returncode or not store.done(name):
                            failed.append(name)
                            waiting.clear()
                        else:
                            progress.advance(bar)
                ready = [job for job in waiting if all(store.done(need) for need in job.needs)]
                for job in ready[: workers - len(running)]:
                    waiting.remove(job)
                    running[job.name] = _start(command(job.name), store, job.name)
                progress.update(bar, note=", ".join(running))
                if running:
                    time.sleep(POLL)
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait()
    if failed:
        words = (store.result(failed[0]).with_suffix(".log")).read_text(encoding="utf-8").strip().splitlines()
        raise VlaserError(f"{failed[0]} failed: {words[-1] if words else 'without a word'} (all of it: {store.result(failed[0]).with_suffix('.log')})")


def _start(command: list[str], store: Store, name: str) -> subprocess.Popen:
    log = store.result(name).with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        return subprocess.Popen([sys.executable, *command], stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
