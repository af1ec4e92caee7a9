"""Record the tabletop: scattered scenes with the expert's answer, or whole demonstrations.

    python -m sim_bridge.tabletop.record scenes --task widowx_carrot_on_plate --count 12000 --seed 0 --out runs/scenes
    python -m sim_bridge.tabletop.record demos --task widowx_carrot_on_plate --count 100 --seed 0 --out runs/demos

Files appear whole or not at all, and are named after what they hold: run the same command again and it continues.
Scenes: `<out>/<task>/scenes-<seed>-<shard>.npz` (images uint8 (n, size, size, 3), proprio (n, 7) float32, chunks (n, H, 7)
float32, joints (n, 6) float32) with `.jsonl` beside it, one SceneTruth a line. Demonstrations: see `demonstration.py`.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sim_bridge.tabletop.demonstration import Demonstration, demonstrate
from sim_bridge.tabletop.expert import ScriptedExpert
from sim_bridge.tabletop.tasks import TASKS, find_task
from sim_bridge.tabletop.world import Tabletop
from vlaser_core.errors import InputError
from vlaser_core.processing.proprio import proprio_from_joints

SHARD = 1000  # scenes a file
TRUTH_SIZE = (192, 144)  # pixels on which boxes of scattered scenes are measured


def policy_picture(picture: np.ndarray, size: int) -> np.ndarray:
    """A camera picture (h, w, 3) as the policy is fed it, (size, size, 3): scaled by area, the field of view stretched."""
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it there: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def scene(world: Tabletop, task: str, seed: int, index: int, size: int) -> tuple[dict[str, np.ndarray], str]:
    """Scene number `index` of `seed`: its arrays (one row each) and its truth as JSON. The world must be on `task`."""
    world.scatter(np.random.default_rng([zlib.crc32(task.encode()), 1, seed, index]))
    camera = world.embodiment.cameras[0]
    joints, openness = world.joint_state()
    arrays = {
        "images": policy_picture(world.render(camera.width, camera.height), size),
        "proprio": proprio_from_joints(world.embodiment, joints, openness).astype(np.float32),
        "chunks": ScriptedExpert(world).chunk().astype(np.float32),
        "joints": joints.astype(np.float32),
    }
    return arrays, json.dumps(dataclasses.asdict(world.truth(*TRUTH_SIZE)))


def _record_shard(out: Path, task: str, first: int, count: int, seed: int, renderer: str, size: int) -> Iterator[int]:
    """Write scenes first … first + count - 1, yielding 1 after each; nothing is drawn when the file is there already."""
    path = out / task / f"scenes-{seed:04d}-{first // SHARD:04d}.npz"
    if path.exists() and len(np.load(path, allow_pickle=False)["proprio"]) >= count:
        yield count
        return
    world = Tabletop(renderer, task)
    rows, truths = [], []
    try:
        for index in range(first, first + count):
            arrays, truth = scene(world, task, seed, index, size)
            rows.append(arrays)
            truths.append(truth)
            yield 1
    finally:
        world.close()
    # The pictures last: a shard without them counts as not recorded.
    write_whole(path.with_suffix(".jsonl"), lambda file: file.write_text("\n".join(truths) + "\n", encoding="utf-8"))
    write_whole(path, lambda file: np.savez(file, **{key: np.stack([row[key] for row in rows]) for key in rows[0]}))


def record_scenes(out: Path, task: str, count: int, seed: int = 0, renderer: str = "auto", size: int = 128, workers: int = 1) -> None:
    """Record `count` scattered scenes of `task` (`all`: of each task) into shards under `out`.

    size: pixels of the stored square picture. workers: processes. Scene i of a seed is the same whatever the count.
    """
    shards = [(out, name, first, min(SHARD, count - first), seed, renderer, size) for name in _tasks(task) for first in range(0, count, SHARD)]
    _run(_record_shard, shards, f"scenes of {task}", count * len(_tasks(task)), workers)


def _record_episode(out: Path, task: str, seed: int, renderer: str, noise: float) -> Iterator[int]:
    path = out / task / f"episode-{seed:06d}.npz"
    if not path.exists():
        world = Tabletop(renderer)
        try:
            _write_demonstration(path, demonstrate(world, task, seed, noise))
        finally:
            world.close()
    yield 1


def _write_demonstration(path: Path, episode: Demonstration) -> None:
    write_whole(path.with_suffix(".json"), lambda file: file.write_text(json.dumps(episode.about, indent=1) + "\n", encoding="utf-8"))
    write_whole(path, lambda file: np.savez_compressed(file, **episode.arrays))


def record_demonstrations(out: Path, task: str, count: int, seed: int = 0, renderer: str = "auto", noise: float = 0.005, workers: int = 1) -> None:
    """Record the expert in `count` episodes (seeds seed … seed + count - 1) of `task` (`all`: of each task) under `out`.

    noise: metres of command noise; the stored labels are without it. Failed episodes are kept and marked.
    """
    episodes = [(out, name, number, renderer, noise) for name in _tasks(task) for number in range(seed, seed + count)]
    _run(_record_episode, episodes, f"demonstrations of {task}", len(episodes), workers)


def _tasks(task: str) -> list[str]:
    return list(TASKS) if task == "all" else [find_task(task).name]


def _in_process(work: Callable[..., Iterator[int]], arguments: tuple) -> int:
    return sum(work(*arguments))


def _run(work: Callable[..., Iterator[int]], jobs: list[tuple], title: str, total: int, workers: int) -> None:
    if workers < 1 or total < 1:
        raise InputError(f"expected a positive count and at least one worker, got {total} and {workers}")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress:
        bar = progress.add_task(title, total=total)
        for done in _finished(work, jobs, workers):
            progress.advance(bar, done)


def _finished(work: Callable[..., Iterator[int]], jobs: list[tuple], workers: int) -> Iterable[int]:
    if workers == 1:
        for job in jobs:
            yield from work(*job)
        return
    # Fresh processes: a GL context does not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(_in_process, work, job) for job in jobs]:
            yield future.result()


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"scenes": record_scenes, "demos": record_demonstrations})
