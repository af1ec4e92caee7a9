"""What ROS adds to the model: from a picture's stamp to the chunk, round trips, chunks on time, memory over time.

The model is a stand-in of known delay; the robot is a camera of 640×480 at 30 Hz with joint states at 60 Hz in this
process, server and controller are processes of their own. In a running goal the policy waits for the first picture
after the last motion and takes it at once, so that stamp → chunk is transport, joining, model and publishing, and no
waiting for a picture; a prediction between two goals takes the newest picture, whose age is told apart.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import yaml
from vlaser_msgs.srv import Predict

from vlaser_core.embodiment import config_path, read_yaml
from vlaser_core.errors import InputError, VlaserError
from vlaser_ros.bench.findings import percentiles
from vlaser_ros.bench.rig import DELAY, SERVER, Rig
from vlaser_ros.messages import to_seconds

PERIOD = 0.2  # s: five chunks a second
CAMERA_PERIOD = 1 / 30
SLACK = 0.02  # s of a period that motion and model leave to everything else
WARM_UP = 60.0  # s from which memory counts
STRIDE = 5e-5  # m a step: the arm moves all the time and does not arrive in ten minutes
MEDIAN_BOUND, P99_BOUND, ON_TIME_BOUND, GROWTH_BOUND = 0.005, 0.015, 0.99, 0.01


@dataclass
class Overhead:
    """Durations in s as percentiles. chunk_overhead: picture's stamp → chunk published, less the model's known delay.

    view_age: the picture's age when the policy took it. after_view: the rest of the overhead. round_trips: of the services
    and of a goal to its first feedback, less the delay. on_time: share of chunks that were accepted and whose picture was
    the one due, 0.2 s after the last one's. rss: MB by process, from WARM_UP on; growth: share from its first to its last tenth.
    """

    seconds: float
    delay: float
    chunks: int = 0
    chunk_overhead: dict = field(default_factory=dict)
    view_age: dict = field(default_factory=dict)
    after_view: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)
    round_trips: dict[str, dict] = field(default_factory=dict)
    on_time: float = 0.0
    late: list[float] = field(default_factory=list)
    rejected: int = 0
    rss: dict[str, dict] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        return asdict(self)


@contextmanager
def _contract() -> Iterator[Path]:
    """The WidowX with steps so short that a one-step chunk, the model and SLACK fill the period."""
    content = read_yaml(config_path("widowx"))
    content["embodiment"]["action"]["rate_hz"] = 1.0 / (PERIOD - DELAY - SLACK)
    with TemporaryDirectory(prefix="vlaser-bench-") as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        yield path


def measure(seconds: float, *, repeats: int = 100, tell: Callable[[str], None] = lambda _: None) -> Overhead:
    """Round trips, then `seconds` of chunks at 5 Hz. Raises InputError for less than 5 s, VlaserError where the stack fails."""
    if seconds < 5.0 or repeats < 1:
        raise InputError(f"at least 5 s and one repeat are measured, got {seconds:g} s and {repeats}")
    report = Overhead(seconds, DELAY)
    parameters = {SERVER: {"stand_in_stride": STRIDE, "stand_in_target": [0.25, 0.2, 0.2]}}
    with _contract() as contract, Rig(contract=contract, parameters=parameters) as rig:
        rig.settle()
        tell("round trips")
        report.round_trips = _round_trips(rig, repeats)
        tell(f"{seconds:g} s of chunks at {1 / PERIOD:g} Hz")
        _steady(rig, report)
    report.broken = _broken(report)
    return report


def _round_trips(rig: Rig, repeats: int) -> dict[str, dict]:
    client, picture = rig.client, np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    request = Predict.Request(instruction="reach the middle")
    calls: dict[str, Callable[[], object]] = {
        "ground": lambda: client.ground("the middle"),
        "ground, own picture": lambda: client.ground("the middle", picture),
        "plan": lambda: client.plan("reach the middle"),
        "plan, own picture": lambda: client.plan("reach the middle", picture),
        "ask": lambda: client.ask("is it there?"),
        "ask, own picture": lambda: client.ask("is it there?", picture),
        "predict": lambda: client._call("predict", request),
        "goal to first feedback": lambda: _first_feedback(client),
    }
    found, ages = {}, []
    for name, call in calls.items():
        delay = 0.0 if name.startswith("plan") else DELAY  # the stand-in plans without thinking
        taken = []
        for number in range(repeats):
            # At no fixed phase of the camera's period.
            time.sleep(0.003 * (number % 11))
            began = time.perf_counter()
            answer = call()
            taken.append(time.perf_counter() - began - delay)
            if name == "predict":
                ages.append(answer.observation_age)
            if name.startswith("goal"):
                client.result(10.0)
        found[name] = percentiles(taken)
    found["age of the picture that predict took"] = percentiles(ages)
    return found


def _first_feedback(client) -> None:
    told = threading.Event()
    client.send("reach the middle", max_chunks=1, executed_steps=1, timeout=10.0, feedback=lambda _: told.set())
    if not told.wait(10.0):
        raise VlaserError("a goal brought no feedback within 10 s")


def _steady(rig: Rig, report: Overhead) -> None:
    told = []
    rig.wire.forget()
    processes = {name: psutil.Process(process.pid) for name, process in rig.stack.processes.items()}
    before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    memory: dict[str, list[float]] = {name: [] for name in processes}
    warm_up = min(WARM_UP, report.seconds / 4)
    # What is on record here must not stop the camera while the collector goes through it.
    gc.collect()
    gc.freeze()
    began = time.monotonic()
    rig.client.send("reach the middle", executed_steps=1, timeout=report.seconds + 60.0, feedback=told.append)
    while time.monotonic() - began < report.seconds:
        time.sleep(1.0)
        rig.stack.check()
        if rig.client.is_done():
            result = rig.client.result(1.0)
            raise VlaserError(f"the goal ended early with {result.error_code}: {result.error_msg}")
        if time.monotonic() - began >= warm_up:
            for name, process in processes.items():
                memory[name].append(process.memory_info().rss / 1e6)
    spent = time.monotonic() - began
    report.cpu = {name: (sum(process.cpu_times()[:2]) - before[name]) / spent for name, process in processes.items()}
    rig.client.cancel()
    rig.client.result(10.0)
    chunks = [one for one in rig.wire.chunks if one.message.horizon]
    stamps = np.array([to_seconds(one.message.header.stamp) for one in chunks])
    published = np.array([one.at for one in chunks])
    ages = {feedback.chunk.sequence: feedback.observation_age for feedback in told}
    known = np.array([one.message.sequence in ages for one in chunks])
    age = np.array([ages.get(one.message.sequence, np.nan) for one in chunks])
    report.chunks = len(chunks)
    report.chunk_overhead = percentiles(published - stamps - report.delay)
    report.view_age = percentiles(age[known])
    report.after_view = percentiles((published - stamps - report.delay - age)[known])
    report.model = percentiles([one.message.inference_time for one in chunks])
    accepted = np.array(
        [rig.wire.verdicts[one.message.sequence].message.accepted if one.message.sequence in rig.wire.verdicts else False for one in chunks]
    )
    # The last one's verdict may have been overtaken by the cancel.
    gaps, taken = np.diff(stamps), accepted[:-1]
    in_time = (gaps < PERIOD + CAMERA_PERIOD / 2) & taken
    report.on_time = float(in_time.mean()) if len(in_time) else 0.0
    report.late = [round(float(gap), 3) for gap in gaps[~in_time]][:200]
    report.rejected = int((~accepted[:-1]).sum())
    report.rss = {name: _growth(values) for name, values in memory.items()}


def _growth(values: list[float]) -> dict[str, float]:
    tenth = max(1, len(values) // 10)
    first, last = float(np.median(values[:tenth])), float(np.median(values[-tenth:]))
    return {"first_mb": first, "last_mb": last, "growth": last / first - 1.0}


def _broken(report: Overhead) -> list[str]:
    """The bounds that were not kept, in words."""
    overhead = report.chunk_overhead
    bounds = [
        (overhead["p50"] <= MEDIAN_BOUND, f"median overhead {overhead['p50'] * 1000:.1f} ms, at most {MEDIAN_BOUND * 1000:g} ms"),
        (overhead["p99"] <= P99_BOUND, f"p99 overhead {overhead['p99'] * 1000:.1f} ms, at most {P99_BOUND * 1000:g} ms"),
        (report.on_time >= ON_TIME_BOUND, f"{report.on_time:.2%} of the chunks on time, at least {ON_TIME_BOUND:.0%}"),
        *(
            (one["growth"] < GROWTH_BOUND, f"memory of {name} grew by {one['growth']:.2%}, less than {GROWTH_BOUND:.0%}")
            for name, one in report.rss.items()
        ),
    ]
    return [words for kept, words in bounds if not kept]
