"""With real workers, and really killed. One Ray for the whole module: it takes longer to start than everything else here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from vlaser_core.data.engine import Part, build
from vlaser_core.data.engine.workers import ray_started
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.stats import stats
from vlaser_core.errors import InputError

pytest.importorskip("ray", reason="workers need the extra `data`")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # starting Ray twice takes minutes on a machine that is busy
HERE = Path(__file__).resolve()


@pytest.fixture(scope="module")
def ray_workers() -> Iterator[None]:
    with ray_started(2):
        yield


@pytest.fixture
def sent_by_value(noise):
    """Workers cannot import test modules; their classes travel whole."""
    from ray import cloudpickle

    modules = [sys.modules[noise.__module__], sys.modules[__name__]]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)


def digest(folder: Path) -> str:
    return stats(RecordSet(folder)).digest


def test_one_worker_two_workers_and_none_make_the_same_set(tmp_path, noise, ray_workers, sent_by_value):
    for workers in (0, 1, 2):
        report = build([Part(noise(count=8, damaged=5), target=60)], tmp_path / str(workers), seed=7, workers=workers)
        assert report.records == 60 and report.retried == 0
    assert len({digest(tmp_path / str(workers)) for workers in (0, 1, 2)}) == 1


def fatal(noise: type, marks: Path, deaths: int):
    """A source that takes its worker down `deaths` times in the middle of unit u002."""

    class Fatal(noise):
        def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
            for number, sample in enumerate(super().read(unit, damage, seed)):
                if unit.key == "u002" and number == 7 and len(list(marks.iterdir())) < deaths:
                    (marks / str(time.monotonic_ns())).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                yield sample

    return Fatal()


def test_a_worker_that_dies_is_replaced_and_its_unit_begun_again(tmp_path, noise, ray_workers, sent_by_value):
    (tmp_path / "marks").mkdir()
    report = build([Part(fatal(noise, tmp_path / "marks", deaths=1))], tmp_path / "set", seed=7, workers=2)
    build([Part(noise())], tmp_path / "undisturbed", seed=7, workers=0)
    assert report.retried == 1 and report.records == 48
    assert digest(tmp_path / "set") == digest(tmp_path / "undisturbed")
    assert not (tmp_path / "set" / ".partial").exists()


def test_a_unit_that_takes_down_every_worker_is_named_instead_of_tried_forever(tmp_path, noise, ray_workers, sent_by_value):
    (tmp_path / "marks").mkdir()
    with pytest.raises(InputError, match="unit noise/u002 took its worker down 3 times"):
        build([Part(fatal(noise, tmp_path / "marks", deaths=99))], tmp_path / "set", seed=7, workers=1)


def killed_builder(folder: Path, workers: int) -> None:
    """Run by the test below in a process of its own: a build slow enough to be killed in the middle."""
    import importlib.util

    specification = importlib.util.spec_from_file_location("noise_source", HERE.parents[1] / "conftest.py")
    module = sys.modules["noise_source"] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(module)

    class Slow(module.Noise):
        def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
            for sample in super().read(unit, damage, seed):
                time.sleep(0.02)
                yield sample

    build([Part(Slow(count=60))], folder, seed=7, workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_any_moment_and_run_again_nothing_is_lost_and_nothing_is_there_twice(tmp_path, noise, workers):
    script = f"import runpy, pathlib; runpy.run_path({str(HERE)!r})['killed_builder'](pathlib.Path({str(tmp_path / 'set')!r}), {workers})"
    builder = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    done = tmp_path / "set" / "records" / "noise"
    try:
        deadline = time.monotonic() + 100
        while not done.exists() or len(list(done.iterdir())) < 3:
            assert builder.poll() is None and time.monotonic() < deadline, "the build ended or hung before it could be killed"
            time.sleep(0.02)
        writing = [process for process in psutil.Process(builder.pid).children(recursive=True) if "MapWorker" in process.name()]
    finally:
        builder.send_signal(signal.SIGKILL)
        builder.wait()
    assert not psutil.wait_procs(writing, timeout=60)[1]  # Ray's workers follow the one that started them
    before = len(list(done.iterdir()))
    assert 3 <= before < 60 and not (tmp_path / "set" / "index.json").exists()
    report = build([Part(noise(count=60))], tmp_path / "set", seed=7, workers=0)
    build([Part(noise(count=60))], tmp_path / "undisturbed", seed=7, workers=0)
    assert report.resumed == before and report.written == 60 - before and report.records == 720
    ids = [record.id for record in RecordSet(tmp_path / "set")]
    assert len(set(ids)) == len(ids) == 720
    assert digest(tmp_path / "set") == digest(tmp_path / "undisturbed")
