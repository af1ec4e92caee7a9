"""Closed-loop success and grounding of a policy on the tabletop, on scenes it was never trained on.

    results = evaluate(checkpoint=None, episodes=20, seed=0)       # `vlaser eval tabletop`

Success is the flag at the final step; "at any step" is reported beside it under its own name.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from sim_bridge.tabletop.renderers import choose_renderer
from sim_bridge.tabletop.tasks import TASKS
from sim_bridge.tabletop.world import Tabletop
from sim_bridge.world import execute
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError, KinematicsError
from vlaser_core.evaluate.intervals import wilson_interval
from vlaser_core.evaluate.report.media import Reel
from vlaser_core.processing.actions import joint_waypoints
from vlaser_core.types import ActionChunk, Observation

Look = tuple[Observation, str, int]  # what is seen, the instruction, and the chunk's seed
Policy = Callable[[Observation, str, int], ActionChunk]
PolicyOfMany = Callable[[Sequence[Look]], Sequence[ActionChunk]]
TRAINING_SEEDS = 1_000_000  # recorders draw from here on; evaluation stays below
GROUNDING_SEEDS = 500_000


@dataclass(frozen=True)
class Episode:
    """One rollout. success: at the final step; unreachable: chunks that asked for a pose out of reach (the arm held)."""

    task: str
    seed: int
    success: bool
    success_any: bool
    chunks: int
    unreachable: int
    inference_s: tuple[float, ...]
    film: bytes = b""  # MP4, where it was asked for


def run_episode(world: Tabletop, policy: Policy, task: str, seed: int, executed_steps: int | None = None, filmed: bool = False) -> Episode:
    """Reset to (task, seed) and let `policy(observation, instruction, chunk_seed)` drive for the task's number of steps."""
    return run_together([world], lambda looks: [policy(*look) for look in looks], [(task, seed)], executed_steps, filmed)[0]


def run_together(
    worlds: Sequence[Tabletop], policy: PolicyOfMany, jobs: Sequence[tuple[str, int]], executed_steps: int | None = None, filmed: bool = False
) -> list[Episode]:
    """Episodes of all (task, seed), as many at once as there are worlds; `policy` is given the looks of those that run."""
    done: dict[int, Episode] = {}
    waiting, free = deque(enumerate(jobs)), list(worlds)
    running: list[tuple[int, Tabletop, Generator, Look]] = []
    while waiting or running:
        while waiting and free:
            number, (task, seed) = waiting.popleft()
            world = free.pop()
            played = _played(world, task, seed, executed_steps, filmed)
            running.append((number, world, played, next(played)))
        chunks = policy([look for *_, look in running])
        going, running = running, []
        for (number, world, played, _), chunk in zip(going, chunks, strict=True):
            try:
                running.append((number, world, played, played.send(chunk)))
            except StopIteration as end:
                done[number] = end.value
                free.append(world)
    return [done[number] for number in range(len(jobs))]


def _played(world: Tabletop, task: str, seed: int, executed_steps: int | None, filmed: bool) -> Generator[Look, ActionChunk, Episode]:
    """One episode: gives what is seen, and takes the chunk to execute."""
    world.reset(task, seed)
    horizon = world.embodiment.action.horizon
    steps_per_chunk = executed_steps or horizon
    if not 1 <= steps_per_chunk <= horizon:
        raise InputError(f"executed steps must be 1…{horizon}, got {steps_per_chunk}")
    success, success_any, unreachable, times, taken = False, False, 0, [], 0
    reel = Reel(world.embodiment, steps_per_chunk) if filmed else None
    while taken < world.max_steps():
        observation = world.observe()
        joints, _ = world.joint_state()
        chunk = yield observation, world.instruction, seed * 1000 + taken
        times.append(chunk.inference_s)
        if reel is not None:
            reel.add(observation, chunk)
        try:
            execute(world, joint_waypoints(world.embodiment, chunk, joints), steps_per_chunk)
        except KinematicsError:
            unreachable += 1
            world.advance(steps_per_chunk * chunk.dt)
        taken += steps_per_chunk
        success = world.is_success()
        success_any = success_any or success
    if reel is None:
        return Episode(task, seed, success, success_any, len(times), unreachable, tuple(times))
    reel.add(world.observe())
    return Episode(task, seed, success, success_any, len(times), unreachable, tuple(times), reel.film())


@dataclass(frozen=True)
class _Setup:
    """What a worker process needs: the model, where and in which type it runs, and how the world is drawn."""

    checkpoint: Path | None
    renderer: str
    device: str
    dtype: str
    threads: int


@lru_cache(maxsize=1)
def _resources(setup: _Setup, together: int = 1):
    """The engine and worlds of a worker process, built once. torch is loaded here, not where the table is printed."""
    from vlaser_core.engine import Engine

    return Engine.load(setup.checkpoint, setup.device, setup.dtype, setup.threads), [Tabletop(setup.renderer) for _ in range(together)]


def evaluate(
    checkpoint: Path | None,
    episodes: int = 20,
    seed: int = 0,
    tasks: Sequence[str] = tuple(TASKS),
    renderer: str = "auto",
    workers: int = 2,
    executed_steps: int | None = None,
    flow_steps: int | None = None,
    progress: Callable[[Episode], None] = lambda episode: None,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int = 1,
    films: bool = False,
    together: int = 1,
) -> dict:
    """`episodes` rollouts a task with seeds from `seed` on; the summary that the command prints as JSON. threads: a worker. films: each episode that
    `progress` is told has one. together: episodes that a worker plays at once; their chunks are computed in one batch, and so are the
    times told.

    Raises InputError for an unknown task, no episodes, or seeds that reach those of the training data.
    """
    unknown = sorted(set(tasks) - set(TASKS))
    if unknown:
        raise InputError(f"unknown tasks {', '.join(unknown)}; known: {', '.join(TASKS)}")
    if min(episodes, together) < 1:
        raise InputError(f"an evaluation needs at least one episode a task, and one at once; got {episodes} and {together}")
    if not 0 <= seed <= GROUNDING_SEEDS - episodes:
        raise InputError(f"evaluation seeds lie in 0…{GROUNDING_SEEDS - 1}; those from {TRAINING_SEEDS} on were trained on")
    started = time.monotonic()
    jobs = [(task, seed + index) for index in range(episodes) for task in tasks]
    # Small batches, so that progress shows and no worker is left with a long tail.
    size = 4 * together
    batches = [jobs[first : first + size] for first in range(0, len(jobs), size)]
    done: list[Episode] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for result in pool.map(_Worker(_Setup(checkpoint, renderer, device, dtype, threads), executed_steps, flow_steps, films, together), batches):
            for episode in result:
                done.append(episode)
                progress(episode)
    return summarise(done, tasks) | {
        "episodes_per_task": episodes,
        "seed": seed,
        "renderer": choose_renderer(renderer),
        "executed_steps": executed_steps or load_embodiment("widowx").action.horizon,
        "flow_steps": flow_steps,
        "together": together,
        "wall_s": round(time.monotonic() - started, 1),
    }


@dataclass(frozen=True)
class _Worker:
    """A batch of episodes in a worker process; engine and worlds are built once a process."""

    setup: _Setup
    executed_steps: int | None
    flow_steps: int | None = None
    films: bool = False
    together: int = 1

    def __call__(self, jobs: Sequence[tuple[str, int]]) -> list[Episode]:
        engine, worlds = _resources(self.setup, self.together)
        return run_together(worlds, partial(engine.predict_together, steps=self.flow_steps), jobs, self.executed_steps, self.films)


def summarise(episodes: Sequence[Episode], tasks: Sequence[str]) -> dict:
    """Success per task with its interval, means, and inference times in milliseconds."""
    summary: dict = {"success": {}, "success_any": {}, "interval_95": {}}
    for task in tasks:
        mine = [episode for episode in episodes if episode.task == task]
        wins = sum(episode.success for episode in mine)
        summary["success"][task] = wins / len(mine)
        summary["success_any"][task] = sum(episode.success_any for episode in mine) / len(mine)
        summary["interval_95"][task] = [round(bound, 4) for bound in wilson_interval(wins, len(mine))]
    times = np.array([t for episode in episodes for t in episode.inference_s]) * 1000
    summary |= {
        "mean_success": float(np.mean(list(summary["success"].values()))),
        "mean_success_any": float(np.mean(list(summary["success_any"].values()))),
        "unreachable_chunks": sum(episode.unreachable for episode in episodes),
        "chunks": sum(episode.chunks for episode in episodes),
        "inference_ms": {"median": round(float(np.median(times)), 1), "p99": round(float(np.quantile(times, 0.99)), 1), "max": round(float(times.max()), 1)},
        "rollouts": [{k: v for k, v in asdict(episode).items() if k not in ("inference_s", "film")} for episode in episodes],
    }
    return summary


def evaluate_grounding(
    checkpoint: Path | None,
    frames: int = 200,
    renderer: str = "auto",
    seed: int = GROUNDING_SEEDS,
    progress: Callable[[], None] = lambda: None,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int = 1,
) -> dict:
    """Share of unseen random pictures in which the grounded point lies inside the object's visible mask.

    Pictures alternate over tasks and over source and target; an object with fewer than 40 visible pixels of 320 × 240 is
    passed over (nobody could point at it) and counted under `skipped`. No point is a miss.
    """
    engine, (world,) = _resources(_Setup(checkpoint, renderer, device, dtype, threads))
    camera = world.embodiment.cameras[0]
    hits: dict[str, list[bool]] = {}
    done, index = 0, 0
    while done < frames:
        task, group = tuple(TASKS)[index % len(TASKS)], 2 + (index // len(TASKS)) % 2
        world.reset(task, seed + index)
        world.scatter(np.random.default_rng((seed, index)))
        index += 1
        mask = world.segmentation(camera.width, camera.height) == group
        if mask.sum() < 40:
            continue
        thing = world.things()[group - 2]
        points = engine.ground(world.render(camera.width, camera.height), thing.phrases[0]).points_px()
        inside = bool(points) and bool(mask[min(int(points[0][1]), camera.height - 1), min(int(points[0][0]), camera.width - 1)])
        hits.setdefault(thing.name, []).append(inside)
        done += 1
        progress()
    found = sum(map(sum, hits.values()))
    return {
        "point_in_mask": found / frames,
        "interval_95": [round(bound, 4) for bound in wilson_interval(found, frames)],
        "per_object": {name: sum(results) / len(results) for name, results in sorted(hits.items())},
        "frames": frames,
        "skipped": index - frames,
        "renderer": world.renderer,
    }
