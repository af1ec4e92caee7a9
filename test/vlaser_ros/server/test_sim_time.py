"""Under use_sim_time: slow, paused, missing and backward clocks."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from rosgraph_msgs.msg import Clock  # noqa: E402
from vlaser_msgs.action import Execute  # noqa: E402
from vlaser_msgs.msg import ResultCode  # noqa: E402

from vlaser_ros.messages import to_time  # noqa: E402

from .conftest import PATIENCE, until  # noqa: E402

pytestmark = pytest.mark.ros


class Simulation:
    """/clock at 50 Hz, `rate` times as fast as the wall's; 0 pauses."""

    def __init__(self, site) -> None:
        self.site, self.now, self.rate, self._wall = site, 1000.0, 1.0, time.monotonic()
        self.publisher = site.client.node.create_publisher(Clock, "/clock", 10)
        self.timer = site.client.node.create_timer(0.02, self.tick)
        site.robot.clock = lambda: self.now

    def tick(self) -> None:
        wall = time.monotonic()
        self.now += self.rate * min(0.1, wall - self._wall)
        self._wall = wall
        self.publisher.publish(Clock(clock=to_time(self.now)))


@pytest.fixture(scope="module")
def site(serving):
    with serving(use_sim_time=True, max_observation_age=2.0) as made:
        made.simulation = Simulation(made)
        until(lambda: made.server.clock.now() > 1000.0, "simulated time")
        yield made
        made.client.node.destroy_timer(made.simulation.timer)


@pytest.fixture(autouse=True)
def running(site):
    yield
    site.simulation.rate = 1.0


def test_a_clock_that_never_came_is_named_at_once_and_on_diagnostics(serving):
    with serving(use_sim_time=True) as made:
        result = made.client.execute("go")
        assert (result.error_code, result.error_msg) == (ResultCode.STALE_OBSERVATION, "use_sim_time is true, but nothing was received on /clock")
        report = until(lambda: made.status("policy", "/clock"), "a report although the clock stands still")
        assert report.level == b"\x02"


def test_a_goals_timeout_is_simulated_time(site):
    site.simulation.rate = 0.25
    began = site.simulation.now
    result = site.client.execute("go", timeout=0.5)
    assert result.error_code == ResultCode.TIMEOUT and 0.5 <= result.duration < 2.0
    assert site.simulation.now - began >= 0.5


def test_a_pause_neither_ends_a_goal_nor_keeps_it_from_being_cancelled(site):
    moving = threading.Event()
    site.client.send("go", timeout=1.0, feedback=lambda _: moving.set())
    assert moving.wait(PATIENCE)
    site.simulation.rate = 0.0
    time.sleep(1.5)
    assert not site.client.is_done()
    site.reports.clear()
    until(lambda: site.status("policy", "executing"), "a report during the pause")
    assert site.client.cancel() and site.client.result(PATIENCE).error_code == ResultCode.CANCELED


def test_a_clock_that_runs_faster_serves_too(site):
    site.simulation.rate = 5.0
    assert site.client.execute("go", max_chunks=5).outcome == Execute.Result.MAX_CHUNKS


def test_a_clock_that_jumps_back_ends_the_goal_and_the_next_one_sees_the_new_time(site):
    moving = threading.Event()
    site.client.send("go", feedback=lambda _: moving.set())
    assert moving.wait(PATIENCE)
    site.simulation.now -= 500.0
    result = site.client.result(PATIENCE)
    assert result.error_code == ResultCode.STALE_OBSERVATION and "jumped by -4" in result.error_msg
    assert site.robot.wire[-1].horizon == 0
    until(lambda: site.server.clock.now() < 900.0, "the new time")
    assert site.client.execute("go", max_chunks=2).outcome == Execute.Result.MAX_CHUNKS
    assert site.robot.wire[-1].header.stamp.sec < 900
