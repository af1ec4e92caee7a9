"""Success of a policy on RoboTwin's tasks, in a user's checkout and environment: `vlaser eval robotwin`.

The policy is behind a server of this process (`vlaser_core/serve/`), the simulator in a worker of RoboTwin's environment that asks it through
the very adapter a user installs. Outcomes are written as they come, and the same command goes on where it was broken off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim_bridge.robotwin.process import Worker, WorkerLost
from sim_bridge.robotwin.tasks import EPISODES, PUBLISHED, TASKS
from sim_bridge.simpler.results import Results
from vlaser_core.errors import InputError
from vlaser_core.evaluate.intervals import wilson_interval

RETRIES = 2  # times an episode is begun anew after its worker was lost
FIRST_SEED = 100_000


@dataclass(frozen=True)
class Plan:
    """What to evaluate and where. python: of RoboTwin's environment. seed: RoboTwin's, which decides the first scene's.
    colours, executed_steps: as the adapter takes them. patience: seconds a worker may say nothing."""

    checkout: Path
    python: Path
    out: Path
    tasks: Sequence[str] = tuple(TASKS)
    episodes: int = EPISODES
    seed: int = 0
    instructions: str = "unseen"
    task_config: str = "demo_randomized"
    colours: str = "true"
    executed_steps: int | None = None
    workers: int = 1
    videos: bool = False
    patience: float = 1800.0

    def check(self) -> None:
        """Raises InputError for what cannot work."""
        if not (self.checkout / "envs" / "_base_task.py").is_file():
            raise InputError(f"{self.checkout} is no checkout of RoboTwin: it has no envs/_base_task.py")
        missing = [task for task in self.tasks if not (self.checkout / "envs" / f"{task}.py").is_file()]
        if missing:
            raise InputError(f"the checkout has no task {missing[0]!r} (envs/{missing[0]}.py); known to be evaluated: {', '.join(TASKS)}")
        if not self.python.is_file():
            raise InputError(f"no Python at {self.python}: give --python the interpreter of RoboTwin's environment")
        if min(self.episodes, self.workers) < 1 or self.seed < 0 or self.patience <= 0:
            raise InputError(f"episodes, workers and patience must be above 0 and the seed at least 0, got {self.episodes}, {self.workers}, {self.patience}, {self.seed}")
        if self.instructions not in ("seen", "unseen") or self.colours not in ("true", "swapped"):
            raise InputError(f"instructions are seen or unseen and colours true or swapped, got {self.instructions!r} and {self.colours!r}")

    def manifest(self, model: dict) -> dict:
        """What makes an evaluation this one, and not another."""
        settings = {name: getattr(self, name) for name in ("episodes", "seed", "instructions", "task_config", "colours", "executed_steps")}
        return {"benchmark": "RoboTwin 2.0", "model": model, "checkout": str(self.checkout.resolve()), "tasks": list(self.tasks), **settings}


def evaluate(plan: Plan, url: str, model: dict, progress: Callable[[dict], None] = lambda row: None) -> dict:
    """Play what is not done yet, and sum up. url: of the policy's server; model: what it is, for the manifest.

    Raises InputError for a plan that cannot work, ConfigError when `out` holds another evaluation, WorkerFault or WorkerLost when RoboTwin
    cannot play.
    """
    plan.check()
    began = time.monotonic()
    results = Results(plan.out, plan.manifest(model))
    rows = {task: [] for task in plan.tasks}
    for row in results.rows():
        rows[row["task"]].append(row)

    def keep(row: dict) -> None:
        results.add(row)
        rows[row["task"]].append(row)
        progress(row)

    players = [_Player(plan, url, task, rows[task], keep) for task in plan.tasks]
    with ThreadPoolExecutor(plan.workers) as pool:
        playing = [pool.submit(player.play) for player in players]
        try:
            for one in as_completed(playing):
                one.result()
        except BaseException:
            # Ctrl-C, or a task that cannot be played: the others' simulators would go on for hours.
            for player in players:
                player.stop()
            raise
    return summarise([row for task in plan.tasks for row in rows[task]], plan.tasks) | {
        "episodes_per_task": plan.episodes,
        "seed": plan.seed,
        "instructions": plan.instructions,
        "task_config": plan.task_config,
        "colours": plan.colours,
        "executed_steps": plan.executed_steps,
        "unfinished": {name: why for player in players for name, why in player.lost.items()},
        "published": list(PUBLISHED),
        "wall_s": round(time.monotonic() - began, 1),
    }


class _Player:
    """One task's episodes, in as many worker processes as it takes. lost: seeds whose worker was lost again and again → why; they are
    neither a success nor a failure, and the next seed takes their place."""

    def __init__(self, plan: Plan, url: str, task: str, rows: Sequence[dict], keep: Callable[[dict], None]) -> None:
        self._plan, self._url, self._task, self._keep = plan, url, task, keep
        self._done = len(rows)
        self._seed = max([row["seed"] + 1 for row in rows], default=FIRST_SEED * (1 + plan.seed))
        self._retries = self._skipped = 0
        self._worker: Worker | None = None
        self._stopped = threading.Event()
        self.lost: dict[str, str] = {}

    def stop(self) -> None:
        """End the worker, from another thread, and begin no other."""
        self._stopped.set()
        if (worker := self._worker) is not None:
            worker.kill()

    def play(self) -> None:
        while self._done < self._plan.episodes and not self._stopped.is_set():
            ready = False
            with Worker(self._plan.python, self._options(), _folder(self._plan.out / "logs") / f"{self._task}.log", self._plan.patience) as self._worker:
                try:
                    for event in self._worker.events():
                        ready = True
                        self._heed(event)
                    return
                except WorkerLost as error:
                    if not self._stopped.is_set():
                        self._begin_anew(error, ready)

    def _heed(self, event: dict) -> None:
        kind = event.pop("event")
        if kind == "skipped":
            self._skipped, self._retries, self._seed = self._skipped + 1, 0, event["seed"] + 1
        elif kind == "episode":
            mine = {"name": f"{self._task}-{event['index']}", "task": self._task, "success_any": event["success"]}
            self._keep({**mine, "skipped": self._skipped, "restarts": self._retries, **event})
            self._done, self._skipped, self._retries, self._seed = self._done + 1, 0, 0, event["seed"] + 1

    def _begin_anew(self, error: WorkerLost, ready: bool) -> None:
        """Count a lost worker. Raises its error when none ever comes up, or too many seeds are lost."""
        self._retries += 1
        if self._retries <= RETRIES:
            return
        if not ready or len(self.lost) >= self._plan.episodes:
            raise error
        self.lost[f"{self._task}, seed {self._seed}"] = str(error)
        self._seed, self._retries = self._seed + 1, 0

    def _options(self) -> dict:
        plan = self._plan
        return {
            "checkout": str(plan.checkout.resolve()),
            "task": self._task,
            "task_config": plan.task_config,
            "instructions": plan.instructions,
            "episodes": plan.episodes,
            "done": self._done,
            "first_seed": self._seed,
            "policy": {"vlaser_url": self._url, "colours": plan.colours, "executed_steps": plan.executed_steps, "seed": plan.seed},
            "videos": str(_folder(plan.out.resolve() / "videos")) if plan.videos else None,
        }


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def summarise(rows: Sequence[dict], tasks: Sequence[str]) -> dict:
    """Success per task with its interval and the means, in the shape of `vlaser eval tabletop`. An episode ends at its first success, so
    "at any step" is the same. A task without an episode has no share and is in no mean."""
    summary: dict = {"success": {}, "success_any": {}, "interval_95": {}}
    for task in tasks:
        mine = [row["success"] for row in rows if row["task"] == task]
        if mine:
            summary["success"][task] = summary["success_any"][task] = sum(mine) / len(mine)
            summary["interval_95"][task] = [round(bound, 4) for bound in wilson_interval(sum(mine), len(mine))]
    times = np.array([seconds for row in rows for seconds in row["inference_s"]]) * 1000
    mean = float(np.mean(list(summary["success"].values()))) if summary["success"] else None
    summary |= {"mean_success": mean, "mean_success_any": mean, "episodes": len(rows), "chunks": len(times)}
    summary |= {"restarts": sum(row["restarts"] for row in rows), "skipped_seeds": sum(row["skipped"] for row in rows)}
    if times.size:
        summary["inference_ms"] = {"median": round(float(np.median(times)), 1), "p99": round(float(np.quantile(times, 0.99)), 1), "max": round(float(times.max()), 1)}
    return summary | {"rollouts": [{key: value for key, value in row.items() if key != "inference_s"} for row in rows]}
