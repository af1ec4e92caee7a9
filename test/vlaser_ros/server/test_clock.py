"""The computer's own clock, set while the robot works."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_ros.server.clock import RobotClock  # noqa: E402


class Computer:
    """A ROS clock that somebody can set."""

    def __init__(self) -> None:
        self.ahead, self.ros_time_is_active = 0.0, False

    def now(self):
        return SimpleNamespace(nanoseconds=round((1.7e9 + time.monotonic() + self.ahead) * 1e9))

    def create_jump_callback(self, threshold, *, post_callback):
        return SimpleNamespace(unregister=lambda: None)


@pytest.mark.parametrize("delta", [-10.0, 10.0, -0.4, 0.4])
def test_a_clock_that_is_set_is_noticed_once_with_how_far_it_jumped(delta):
    computer, jumps = Computer(), []
    clock = RobotClock(SimpleNamespace(get_clock=lambda: computer), jumps.append)
    clock.watch()
    computer.ahead = delta
    for _ in range(3):
        clock.watch()
    assert jumps == [pytest.approx(delta, abs=0.1)]


def test_a_clock_that_is_slewed_is_none_that_jumped():
    computer, jumps = Computer(), []
    clock = RobotClock(SimpleNamespace(get_clock=lambda: computer), jumps.append)
    for _ in range(100):
        computer.ahead += 0.05
        clock.watch()
    assert jumps == []


def test_durations_ignore_a_clock_that_is_set_but_follow_a_simulated_one():
    computer = Computer()
    clock = RobotClock(SimpleNamespace(get_clock=lambda: computer), lambda delta: None)
    before = clock.elapsed()
    computer.ahead = 100.0
    assert clock.elapsed() - before < 50.0
    computer.ros_time_is_active = True
    assert clock.elapsed() == pytest.approx(clock.now(), abs=1.0) and clock.missing() is None
