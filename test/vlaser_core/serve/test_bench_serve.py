from __future__ import annotations

import pytest

from vlaser_core.errors import InputError
from vlaser_core.serve.bench import measure

from .conftest import Counting


def test_the_wire_is_what_is_left_of_the_round_trip(counting):
    report = measure(counting, requests=5, clients=2)
    assert report.clients == 2 and report.message_bytes > 240 * 320 * 3 and len(counting.asked) == 12
    for spread in (report.round_trip_ms, report.infer_ms, report.wait_ms, report.overhead_ms):
        assert 0 <= spread[0] <= spread[1] <= spread[2]
    assert report.overhead_ms[0] <= report.round_trip_ms[0]
    assert set(report.to_json()) == {"clients", "requests", "message_bytes", "round_trip_ms", "infer_ms", "wait_ms", "overhead_ms"}


def test_every_robot_has_an_example():
    assert measure(Counting("robotwin", views=3), requests=1).message_bytes > 3 * 240 * 320 * 3


def test_nothing_cannot_be_timed(counting):
    with pytest.raises(InputError, match="at least one request"):
        measure(counting, requests=0)
