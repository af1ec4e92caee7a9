"""The demo from start to end: processes up, episodes, processes down, then film and report from the recording.

Ctrl-C or SIGTERM at any time ends the processes and still makes film and report of what was recorded; a second one
while those are made leaves them out.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import rclpy  # noqa: F401 - first: where ROS 2 comes as wheels, its import may restart the interpreter
from rich.console import Console
from rich.live import Live

from sim_bridge.tabletop.tasks import TASKS, find_task
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError, VlaserError
from vlaser_ros.bags.contract import Contract
from vlaser_ros.bags.recorder import Recorder
from vlaser_ros.bringup import compose, load_bringup
from vlaser_ros.client import VlaserClient
from vlaser_ros.demo import playback, report
from vlaser_ros.demo.episode import Runner
from vlaser_ros.demo.film import Strip, shoot
from vlaser_ros.demo.screen import table
from vlaser_ros.demo.settings import Episode, Settings
from vlaser_ros.domains import free_domain
from vlaser_ros.up import Stack

CONTRACT = "tabletop"
STARTUP = 120.0  # s: importing torch on a slow disk takes most of it
ANSWER = 120.0  # s a service may take: a large model on a CPU writes a plan slowly
FILES = ("demo.mp4", "demo.mcap", "report.html", "summary.json")


@dataclass
class Outcome:
    """What the live part left. stopped: why it ended early, empty when it did not."""

    episodes: list[Episode] = field(default_factory=list)
    renderer: str = "unknown"
    recorded: dict[str, int] = field(default_factory=dict)
    stopped: str = ""
    interrupted: bool = False


def run(settings: Settings) -> int:
    """0 when every episode ran to its end, 1 when a process failed, 130 when interrupted. Raises VlaserError for bad input."""
    console = Console()
    tasks = settings.tasks or tuple(TASKS)
    for task in tasks:
        find_task(task)
    if settings.engine == "vlaser":
        from vlaser_core.checkpoint.folder import shipped_checkpoint
        from vlaser_ros.commands.inspection import describe

        # Told here, before anything starts, rather than in a log file of the server.
        describe(settings.checkpoint or shipped_checkpoint())
    _prepare(settings.out)
    outcome = Outcome()
    with _terminable():
        try:
            _live(settings, tasks, outcome, console)
        except KeyboardInterrupt:
            outcome.stopped, outcome.interrupted = "interrupted", True
        except VlaserError as error:
            outcome.stopped = str(error)
        if outcome.stopped:
            console.print(f"stopped: {outcome.stopped}\nevery process has ended; what was recorded is kept", style="yellow", markup=False)
        try:
            _finish(settings, outcome, console)
        except KeyboardInterrupt:
            outcome.interrupted = True
            console.print("interrupted again: film and report were left out", style="yellow")
    console.print(f"results in {settings.out}: {', '.join(name for name in FILES if (settings.out / name).is_file()) or 'none'}", markup=False)
    return 130 if outcome.interrupted else 1 if outcome.stopped else 0


def _checkpoint_name(settings: Settings) -> str:
    if settings.engine != "vlaser":
        return f"none (engine {settings.engine})"
    return "shipped (nano)" if settings.checkpoint is None else str(settings.checkpoint)


def _prepare(folder: Path) -> None:
    """An empty place for the results; only what an earlier demo wrote is removed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "logs", ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as Ctrl-C, so that both end the processes the same way; also where a shell started us with SIGINT ignored."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _live(settings: Settings, tasks: tuple[str, ...], outcome: Outcome, console: Console) -> None:
    # A domain of its own and this machine only: a robot on the network must not follow a demo.
    domain = free_domain() if settings.domain_id is None else settings.domain_id
    local = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    os.environ.update(local)
    overrides: dict[str, object] = {"engine": settings.engine, "task": tasks[0], "seed": settings.seed}
    overrides |= {"device": settings.device, "dtype": settings.dtype, "threads": settings.threads}
    if settings.checkpoint is not None:
        overrides["checkpoint"] = str(settings.checkpoint.resolve())
    console.print(f"starting simulator, controller and server (ROS domain {domain}, logs in {settings.out / 'logs'})", markup=False)
    with (
        Stack(compose(CONTRACT, overrides), logs=settings.out / "logs", environment=local) as stack,
        VlaserClient(domain_id=domain, timeout=ANSWER) as client,
        Recorder(settings.out / "demo.mcap", contract=Contract.of(CONTRACT), domain_id=domain) as recorder,
    ):
        outcome.recorded = recorder.counts
        client.wait_ready(STARTUP, sim=True, poll=stack.check)
        outcome.renderer = client.world_state().renderer
        console.print(f"ready; pictures drawn by {outcome.renderer}")

        def check() -> None:
            stack.check()
            recorder.check()

        with Live(console=console, refresh_per_second=4, get_renderable=lambda: table(outcome.episodes)) as live:
            runner = Runner(client, recorder, load_embodiment(CONTRACT), live.refresh if not console.is_terminal else (lambda: None), check)
            outcome.episodes += [runner.plan_episode(task, settings.seed + index) for index, task in enumerate(tasks)]
            for episode in outcome.episodes:
                runner.run(episode)
                if not console.is_terminal:
                    console.print(f"{episode.task}: success {episode.success}, {episode.chunks} chunks", markup=False)


def _finish(settings: Settings, outcome: Outcome, console: Console) -> None:
    """Film, page and summary from what was recorded."""
    recording, film = settings.out / "demo.mcap", settings.out / "demo.mp4"
    episodes = outcome.episodes
    strips = [Strip((), ()) for _ in episodes]
    topics = load_bringup(CONTRACT).topics
    if recording.is_file() and any(episode.began for episode in episodes):
        console.print("making film and report from the recording")
        strips = shoot(film, playback.moments(recording, load_embodiment(CONTRACT), topics.images[0], topics.joint_states), episodes)
    summary = report.summarise(
        episodes,
        renderer=outcome.renderer,
        checkpoint=_checkpoint_name(settings),
        engine=settings.engine,
        seed=settings.seed,
        stopped=outcome.stopped,
        recorded_messages=dict(sorted(outcome.recorded.items())),
        commands=[" ".join([Path(sys.argv[0]).name, *sys.argv[1:]])],
        versions=report.versions(),
    )
    report.write(settings.out, summary, episodes, strips, film.name if film.is_file() else None)
