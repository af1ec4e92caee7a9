"""`vlaser bench gate` times chunks that really pass the gate, and says so in one JSON line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_ros.cli import run
from vlaser_ros.safety.cost import _sane, _Timed


def test_the_last_line_is_json_with_every_part(capsys):
    assert run(["bench", "gate", "--chunks", "20", "--rate", "50"]) == 0
    out = capsys.readouterr().out
    report = json.loads(out.splitlines()[-1])
    assert report["embodiment"] == "widowx" and report["chunks"] == 20 and report["rate_hz"] == 50.0
    for part in ("checks", "kinematics", "total"):
        assert 0 < report[part]["wall_p50"] <= report[part]["wall_p99"]
        assert part in out
    assert report["kinematics"]["wall_p50"] < report["total"]["wall_p50"]


@pytest.mark.parametrize("name", ["widowx", "aloha"])
def test_the_chunks_that_are_timed_move_the_arm(name):
    robot = load_embodiment(name)
    gate, random = _Timed(robot), np.random.default_rng(0)
    sweeps = []
    for _ in range(20):
        gate.last_sequence = 0
        verdict = gate.check(*_sane(robot, gate, random), 1000.1)
        if verdict.accepted:
            sweeps.append(np.ptp(verdict.motion.positions, axis=0).max())
    assert len(sweeps) >= 10 and np.median(sweeps) > 0.05


def test_no_chunk_at_all_is_refused(capsys):
    assert run(["bench", "gate", "--chunks", "0"]) == 2
    assert "at least one chunk" in capsys.readouterr().err
