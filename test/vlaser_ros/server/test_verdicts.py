"""A verdict is taken for the chunk it was given on and for no other."""

from __future__ import annotations

import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_msgs.msg import ChunkVerdict  # noqa: E402

from vlaser_ros.server.verdicts import KEPT, Verdicts  # noqa: E402


def test_an_old_verdict_is_not_taken_for_another_goals_chunk_of_the_same_number():
    verdicts = Verdicts()
    verdicts.put(ChunkVerdict(goal_id="before the restart", sequence=7, accepted=True))
    assert verdicts.wait("after it", 7, 0.05, lambda: False) is None
    refused = ChunkVerdict(goal_id="after it", sequence=7, accepted=False)
    verdicts.put(refused)
    assert verdicts.wait("after it", 7, 20.0, lambda: False) is refused


def test_a_doubled_verdict_answers_once_and_the_oldest_are_forgotten():
    verdicts = Verdicts()
    for _ in range(2):
        verdicts.put(ChunkVerdict(goal_id="goal", sequence=0))
    assert verdicts.wait("goal", 0, 20.0, lambda: False) is not None
    assert verdicts.wait("goal", 0, 0.05, lambda: False) is None
    for sequence in range(1, KEPT + 2):
        verdicts.put(ChunkVerdict(goal_id="goal", sequence=sequence))
    assert verdicts.wait("goal", 1, 0.05, lambda: False) is None
    assert verdicts.wait("goal", 2, 20.0, lambda: False) is not None


def test_an_interrupted_wait_ends_without_a_verdict():
    assert Verdicts().wait("goal", 1, 60.0, lambda: True) is None
