"""A model that thinks for 0.1 to 0.5 s drives the arm without any setting made for it: chunks are due when the arm has rested for them."""

from __future__ import annotations

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_msgs.msg import ResultCode  # noqa: E402

pytestmark = [pytest.mark.ros, pytest.mark.slow]


@pytest.mark.parametrize(("delay", "rate"), [(0.15, 0.0), (0.45, 50.0)])
def test_a_slow_models_chunks_are_accepted_and_none_of_their_steps_is_lost(running, delay, rate):
    told = []
    with running(
        parameters={"vlaser_server": {"stand_in_delay": delay}, "chunk_controller": {"retime": False, "controller_rate": rate}}
    ) as robot:
        result = robot.client.execute("go to the middle", feedback=told.append, max_chunks=3, timeout=60.0)
    assert result.error_code == ResultCode.NONE, result.error_msg
    assert result.chunks_rejected == 0 and result.chunk_age_p50 > delay
    for feedback in told:
        verdict = feedback.verdict
        seconds = verdict.end.sec - verdict.header.stamp.sec + (verdict.end.nanosec - verdict.header.stamp.nanosec) * 1e-9
        # Four steps of 0.2 s from the decision on, less the moment (end_tolerance and a picture's period) by which a view may come early.
        assert 0.65 < seconds <= 0.81
