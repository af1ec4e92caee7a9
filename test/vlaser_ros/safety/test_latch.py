"""A stop outlives the process that was told of it, and ends by a reset alone."""

from __future__ import annotations

import os

import pytest

from vlaser_core.errors import ConfigError
from vlaser_ros.safety.clock import ClockWatch
from vlaser_ros.safety.latch import StopLatch


def test_a_stop_is_there_again_after_a_restart_with_its_reason_and_gone_after_a_reset(tmp_path):
    first = StopLatch(tmp_path / "state", "domain_3/left")
    assert not first.stopped
    first.latch("somebody called")
    again = StopLatch(tmp_path / "state", "domain_3/left")
    assert again.stopped and "somebody called, since 2" in again.reason
    again.release()
    assert not StopLatch(tmp_path / "state", "domain_3/left").stopped and not any((tmp_path / "state").iterdir())


def test_robots_do_not_share_a_stop(tmp_path):
    StopLatch(tmp_path, "domain_0/left").latch("x")
    assert not StopLatch(tmp_path, "domain_0/right").stopped and not StopLatch(tmp_path, "domain_1/left").stopped


def test_a_damaged_file_counts_as_stopped(tmp_path):
    latch = StopLatch(tmp_path, "robot")
    latch.latch("x")
    latch.path.write_text('{"rea')
    damaged = StopLatch(tmp_path, "robot")
    assert damaged.stopped and "cannot be read" in damaged.reason


def test_the_first_reason_stays(tmp_path):
    latch = StopLatch(tmp_path, "robot")
    latch.latch("first")
    latch.latch("second")
    assert "first" in StopLatch(tmp_path, "robot").reason


def test_where_a_stop_could_not_be_remembered_nothing_starts(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state_directory"):
        StopLatch(tmp_path / "file" / "state", "robot")


def test_a_disk_that_fails_later_keeps_the_stop_in_the_process_and_says_so(tmp_path, monkeypatch):
    latch = StopLatch(tmp_path, "robot")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        latch.latch("x")
    assert latch.stopped
    monkeypatch.undo()
    latch.latch("x")
    assert StopLatch(tmp_path, "robot").stopped, "written down at the next opportunity"


def test_a_stop_whose_file_cannot_be_removed_is_not_released(tmp_path, monkeypatch):
    latch = StopLatch(tmp_path, "robot")
    latch.latch("x")

    def refused(self, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(latch.path), "unlink", refused)
    with pytest.raises(PermissionError):
        latch.release()
    assert latch.stopped


def test_in_memory_alone_a_stop_ends_with_the_process():
    latch = StopLatch(None, "robot")
    latch.latch("x")
    assert latch.stopped and not StopLatch(None, "robot").stopped


@pytest.mark.parametrize("size", [10.0, -10.0, 0.6, -0.6])
def test_a_clock_that_is_set_is_told_from_time_that_passes(size):
    watch = ClockWatch()
    assert watch.look(100.0, 5.0) is None
    assert watch.look(130.0, 35.0) is None, "a process that slept saw no jump"
    assert watch.look(130.05 + size, 35.05) == (130.0, pytest.approx(size))
    assert watch.look(130.10 + size, 35.10) is None and watch.jumps == 1


def test_a_simulated_clock_may_run_at_any_rate_but_not_backwards():
    watch = ClockWatch(simulated=True)
    assert [watch.look(now, steady) for now, steady in ((0.0, 1.0), (1.7e9, 1.1), (1.7e9, 60.0), (1.7e9 + 2, 60.1))] == [None] * 4
    assert watch.look(1.7e9 - 8, 60.2) == (1.7e9 + 2, pytest.approx(-10.0))
