"""Is everything there that an evaluation needs? Asked of the files, before hours are spent: `vlaser robotwin check`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim_bridge.robotwin.tasks import TASKS
from vlaser_core.embodiment import read_yaml
from vlaser_core.errors import ConfigError, InputError

CONFIGURATIONS = ("env_cfg/task_config", "task_config")  # since July 2026, and before
ASSETS = ("assets/embodiments/aloha-agilex/config.yml", "assets/embodiments/aloha-agilex/urdf/arx5_description_isaac.urdf", "assets/objects", "assets/background_texture")


def missing(checkout: Path, task_config: str, tasks: Sequence[str] = tuple(TASKS)) -> list[str]:
    """What a checkout lacks or has otherwise than it was evaluated with, one line each. Raises InputError for what is no checkout."""
    if not (checkout / "envs" / "_base_task.py").is_file():
        raise InputError(f"{checkout} is no checkout of RoboTwin: it has no envs/_base_task.py")
    folder = next((checkout / name for name in CONFIGURATIONS if (checkout / name).is_dir()), None)
    if folder is None:
        return [f"there is no folder of task configurations ({' or '.join(CONFIGURATIONS)})"]
    found = [f"envs/{task}.py is missing" for task in tasks if not (checkout / "envs" / f"{task}.py").is_file()]
    for name in (f"{task_config}.yml", "_embodiment_config.yml", "_camera_config.yml", "_eval_step_limit.yml"):
        if not (folder / name).is_file():
            found.append(f"{folder.relative_to(checkout)}/{name} is missing")
    if (folder / "_eval_step_limit.yml").is_file():
        found += _limits(folder / "_eval_step_limit.yml", tasks)
    for name in ASSETS:
        place = checkout / name
        if not (place.is_file() or (place.is_dir() and any(place.iterdir()))):
            found.append(f"{name} is missing: run the checkout's asset download")
        elif place.is_file() and place.read_bytes()[:40].startswith(b"version https://git-lfs"):
            found.append(f"{name} is a pointer of Git LFS, not the file: git lfs pull, or run the checkout's asset download")
    return found


def _limits(path: Path, tasks: Sequence[str]) -> list[str]:
    try:
        limits = read_yaml(path)
    except ConfigError as error:
        return [str(error)]
    known = {task: TASKS[task] for task in tasks if task in TASKS}
    return [f"{path.name} gives {task} {limits.get(task, 'no')} steps, {steps} when this was written" for task, steps in known.items() if limits.get(task) != steps]
