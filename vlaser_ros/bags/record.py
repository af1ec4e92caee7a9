"""`vlaser record`: from start to Ctrl-C, with a running count and an honest account at the end."""

from __future__ import annotations

import json
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from vlaser_core.errors import InputError, VlaserError
from vlaser_ros.bags.contract import CONTRACT_TOPIC, Contract
from vlaser_ros.bags.recorder import Recorder, TopicReport

ALWAYS = re.compile(r"(.*/)?(vlaser|sim_driver)/.+|/tf|/tf_static|/diagnostics|/rosout|/robot_description|/clock")
LOOK = 0.5  # s between two looks at counts and disk
TELL = 10.0  # s between two lines where there is no terminal


@dataclass(frozen=True)
class Settings:
    """topics: beside the contract's and the stack's own. exclude: regular expressions. Sizes in MB, times in s; 0 is no limit.

    keep_free: MB on the disk below which recording ends while its end can still be written.
    """

    out: Path
    topics: tuple[str, ...] = ()
    everything: bool = False
    exclude: tuple[str, ...] = ()
    duration: float = 0.0
    split_size: int = 0
    split_duration: float = 0.0
    max_size: int = 0
    keep_free: int = 200
    compression: str = "zstd"
    domain_id: int | None = None
    json: bool = False


def chooser(contract: Contract, settings: Settings) -> Callable[[str], bool]:
    """Whether a topic is recorded. Raises InputError for an expression that is none."""
    try:
        excluded = [re.compile(expression) for expression in settings.exclude]
    except re.error as error:
        raise InputError(f"--exclude: {error}") from error
    named = {*expected(contract), *settings.topics}
    # The calibration stands beside its picture, also for one that travels compressed.
    named |= {f"{topic.removesuffix('/compressed').rpartition('/')[0]}/camera_info" for topic in contract.topics.images}

    def wanted(topic: str) -> bool:
        if topic == CONTRACT_TOPIC or any(expression.search(topic) for expression in excluded):
            return False
        return settings.everything or topic in named or ALWAYS.fullmatch(topic) is not None

    return wanted


def expected(contract: Contract) -> tuple[str, ...]:
    """Topics without which a recording of this robot is of little use."""
    return (*contract.topics.images, contract.topics.joint_states, contract.topics.trajectory)


def record(robot: str, settings: Settings) -> int:
    """0 when it ended as asked, 1 when it had to end early. Raises VlaserError before anything is recorded."""
    contract = Contract.of(robot)
    console = Console(stderr=True)
    recorder = Recorder(
        settings.out,
        contract=contract,
        wanted=chooser(contract, settings),
        domain_id=settings.domain_id,
        compression=settings.compression,
        split_bytes=settings.split_size * 2**20,
        split_seconds=settings.split_duration,
    )
    problem: VlaserError | None = None
    with _asked_to_stop() as stop:
        began = time.monotonic()
        with recorder:
            console.print(f"recording to {recorder.files.out}; Ctrl-C ends it", markup=False)
            try:
                _watch(recorder, settings, stop, began, console)
            except VlaserError as error:
                problem = error
        seconds = time.monotonic() - began
    problem = problem or recorder.failure
    missing = [topic for topic in expected(contract) if not recorder.counts[topic]]
    rows = recorder.report()
    if not settings.json:
        console.print(_table(rows, recorder, seconds, missing))
    if problem is not None:
        console.print(f"ended early: {problem}", style="red", markup=False)
    print(json.dumps(_summary(rows, recorder, seconds, missing, problem)))
    return 0 if problem is None else 1


def _watch(recorder: Recorder, settings: Settings, stop: threading.Event, began: float, console: Console) -> None:
    """Until the end. Raises VlaserError when it comes early."""
    told = began

    def line() -> str:
        lost = sum(recorder.lost.values()) + sum(recorder.dropped.values())
        return f"{time.monotonic() - began:7.1f} s  {sum(recorder.counts.values())} messages on {len(recorder.counts)} topics  {recorder.files.size / 2**20:.1f} MB  {lost} lost"

    with Live(console=console, refresh_per_second=2, get_renderable=line, transient=True) if console.is_terminal else _nothing():
        while not stop.wait(LOOK):
            recorder.check()
            free = shutil.disk_usage(settings.out.parent).free
            if free < settings.keep_free * 2**20:
                raise InputError(f"{free / 2**20:.0f} MB are free on the disk of {settings.out}, {settings.keep_free} MB are to be kept free (--keep-free)")
            if settings.duration and time.monotonic() - began >= settings.duration:
                return
            if settings.max_size and recorder.files.size >= settings.max_size * 2**20:
                console.print(f"{settings.max_size} MB are recorded", markup=False)
                return
            if not console.is_terminal and time.monotonic() - told >= TELL:
                told = time.monotonic()
                console.print(line(), markup=False)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set: both end the file properly."""
    event = threading.Event()
    before = {number: signal.signal(number, lambda *_: event.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _table(rows: list[TopicReport], recorder: Recorder, seconds: float, missing: list[str]) -> Table:
    table = Table("topic", "type", "messages", "Hz", "lost", "dropped", title=f"{recorder.files.out}: {seconds:.1f} s, {recorder.files.size / 2**20:.1f} MB")
    for row in rows:
        table.add_row(row.topic, row.type, str(row.count), f"{row.rate:.1f}", str(row.lost), str(row.dropped), style="yellow" if row.lost or row.dropped else "")
    for topic in missing:
        table.add_row(topic, "of the contract", "0", "", "", "", style="red")
    for topic, type_name in recorder.skipped.items():
        table.add_row(topic, f"{type_name}: not installed here", "not recorded", "", "", "", style="yellow")
    return table


def _summary(rows: list[TopicReport], recorder: Recorder, seconds: float, missing: list[str], problem: VlaserError | None) -> dict:
    return {
        "bag": str(recorder.files.out),
        "seconds": round(seconds, 2),
        "bytes": recorder.files.size,
        "files": len(recorder.files.closed),
        "indexed": recorder.files.whole,
        "topics": {row.topic: {"type": row.type, "count": row.count, "hz": round(row.rate, 2), "lost": row.lost, "dropped": row.dropped} for row in rows},
        "missing": missing,
        "skipped": recorder.skipped,
        "error": str(problem) if problem is not None else "",
    }
