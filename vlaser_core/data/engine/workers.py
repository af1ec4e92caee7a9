"""Who does the units: this process, or Ray Data's actors on this machine or a cluster. Outcomes come as they finish."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import cv2
import psutil

from vlaser_core.data.engine.unit import Outcome, Pipeline, run_unit
from vlaser_core.data.shards.writer import UnitReport
from vlaser_core.data.source import Unit
from vlaser_core.errors import InputError

_STORE = 96 * 2**20  # bytes; only reports travel, samples go to the disk
_STARTS = 5  # attempts
_PREFIX = "vlaser-ray-"
_LONGEST_FOLDER = 30  # characters: Ray's sockets lie deep below, and a socket's path has 107


class UnitWorker:
    """Does units one after the other, keeping its sources open in between. Rows in, rows out, as Ray Data wants them."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        # A worker is one core: libraries that start threads of their own would take the others' (0: Mesa draws in this thread).
        os.environ["LP_NUM_THREADS"] = "0"
        cv2.setNumThreads(1)

    def __call__(self, row: dict) -> dict:
        outcome = run_unit(self._pipeline, Unit(row["source"], row["key"], row["items"]))
        report = None if outcome.report is None else outcome.report.to_json()
        return {"report": json.dumps(report), "fault": outcome.fault, "attempts": outcome.attempts}


def in_this_process(pipeline: Pipeline, units: Iterable[Unit]) -> Iterator[Outcome]:
    """One after the other, without Ray."""
    return (run_unit(pipeline, unit) for unit in units)


@contextlib.contextmanager
def ray_started(workers: int, address: str | None = None) -> Iterator[None]:
    """Ray for `workers` on this machine, or the cluster at `address`; one that runs already in this process is used as it is.

    Nothing is reported to anybody, no dashboard is opened, and a local Ray's files are gone afterwards.
    """
    try:
        # Ray reads these when it is loaded and starts its processes: its documented way to report nothing to its makers,
        # to keep its own log off the terminal, and to leave workers as nice as the command that started them.
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_worker_niceness": "0"}
        if address is not None:
            _see_reachable(address)
            if (Path.home() / ".ray" / "auth_token").is_file():
                os.environ.setdefault("RAY_AUTH_MODE", "token")  # a cluster that asks for a token is shown the user's
        import ray
    except ModuleNotFoundError as error:
        raise InputError(
            f"workers need Ray, which is not installed ({error.name}): pip install 'vlaser-ros[data]', or --workers 0 to work in this process"
        ) from error
    if ray.is_initialized():
        yield
        return
    options: dict = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": True}
    with contextlib.ExitStack() as stack:
        if address is None:
            parent = tempfile.gettempdir() if len(tempfile.gettempdir()) <= _LONGEST_FOLDER else "/tmp"
            _remove_left_behind(Path(parent))
            folder = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            # "local": never a Ray that somebody else started on this machine.
            options |= {
                "address": "local",
                "num_cpus": workers,
                "num_gpus": 0,
                "include_dashboard": False,
                "object_store_memory": _STORE,
                "_temp_dir": folder,
            }
        else:
            options["address"] = address
        start_ray(ray, options, f" at {address}" if address else "")
        stack.callback(ray.shutdown)
        yield


def start_ray(ray: ModuleType, options: dict, where: str) -> None:
    """Start Ray or join a cluster. Raises InputError."""
    others = set(psutil.Process().children())
    for attempt in range(1, _STARTS + 1):
        try:
            ray.init(**options)
            return
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"Ray does not start{where}: {error}") from error
        except Exception as error:  # Ray raises a bare one when its processes take longer than the half minute it waits
            ray.shutdown()
            for child in set(psutil.Process().children()) - others:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            if attempt == _STARTS:
                advice = "this machine may be too busy; run the same command again, it continues, or take --workers 0, which needs no Ray"
                raise InputError(f"Ray does not start{where}: {error} ({_STARTS} attempts; {advice})") from error


def _see_reachable(address: str) -> None:
    """Raises InputError when nothing listens at host:port: Ray itself would go on asking for a long time."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # `auto`, which Ray looks up
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise InputError(
            f"no Ray cluster at {address}: {error.strerror or error}; start one with `ray start --head`, or leave --address away"
        ) from error


def _remove_left_behind(parent: Path) -> None:
    """Remove the files of local Rays whose process was killed before it could."""
    for folder in parent.glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)) and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)


def by_ray(pipeline: Pipeline, units: Sequence[Unit], workers: int) -> Iterator[Outcome]:
    """Units by `workers` actors of the running Ray. A worker that dies is replaced and its unit begun again."""
    import ray.data
    from ray.exceptions import RayError

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    rows = [{"source": unit.source, "key": unit.key, "items": unit.items} for unit in units]
    size = min(workers, len(rows))
    outcomes = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        UnitWorker,
        fn_constructor_args=(dataclasses.replace(pipeline, folder=Path(pipeline.folder).resolve()),),
        compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=2),
        num_cpus=1,
    )
    try:
        for row in outcomes.iter_rows():
            report = json.loads(row["report"])
            yield Outcome(None if report is None else UnitReport.from_json(report), row["fault"], row["attempts"])
    except RayError as error:
        raise InputError(f"Ray gave up: {str(error).strip().splitlines()[-1]}; run the same command again, it continues") from error
