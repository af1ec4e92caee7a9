"""Wild chunks and wild delays: nothing that comes out of the gate is out of bounds, and the checker that says so can say no."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.kinematics import Kinematics
from vlaser_ros.safety.bounds import Bounds
from vlaser_ros.safety.checker import place_of, violations
from vlaser_ros.safety.fuzz import fuzz_gate, inject_delays
from vlaser_ros.safety.gate import Gate, GateCode, Posture, Proposal
from vlaser_ros.safety.motion import Motion

ROBOTS = {name: load_embodiment(name) for name in ("widowx", "aloha")}


@pytest.mark.parametrize(("robot", "chunks"), [("widowx", 1200), ("aloha", 250)])
def test_behind_the_gate_no_wild_chunk_breaks_a_bound(robot, chunks):
    report = fuzz_gate(ROBOTS[robot], chunks, seed=7)
    assert report.violations == [] and report.chunks == chunks
    assert report.accepted > chunks / 50 and report.resampled > 0, "nothing got through: this says nothing"
    assert len(report.codes) >= 8 and sum(report.codes.values()) + report.accepted == chunks


@pytest.mark.parametrize(("robot", "chunks"), [("widowx", 600), ("aloha", 200)])
def test_no_stale_chunk_moves_the_arm_however_late_or_often_it_comes(robot, chunks):
    report = inject_delays(ROBOTS[robot], chunks, seed=7)
    assert report.stale == [] and report.delivered > report.chunks == chunks
    assert report.executed > chunks / 5
    assert report.codes["SEQUENCE"] > 0 and report.codes["AGE"] > 0


def test_a_gate_without_an_age_limit_would_be_caught(monkeypatch):
    monkeypatch.setattr(Gate, "_check_standing", lambda self, proposal, now: None)
    report = inject_delays(ROBOTS["widowx"], 200, seed=7)
    assert any("s old" in line for line in report.stale) and any("executed twice" in line for line in report.stale)


@pytest.mark.parametrize(
    ("owner", "check"), [(Bounds, "check_jump"), (Bounds, "check_motion"), (Gate, "_check_deltas"), (Gate, "_check_workspace")]
)
def test_a_gate_without_one_of_its_checks_would_be_caught(owner, check, monkeypatch):
    monkeypatch.setattr(owner, check, lambda self, *arguments: None)
    assert fuzz_gate(ROBOTS["widowx"], 1500, seed=3).violations


def test_the_checkers_kinematics_agree_with_the_gates():
    random = np.random.default_rng(1)
    for robot in ROBOTS.values():
        for arm in robot.arms:
            angles = random.uniform(-1, 1, len(arm.joints))
            np.testing.assert_allclose(place_of(arm, angles), Kinematics(arm).forward(angles), atol=1e-9)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda m: dataclasses.replace(m, positions=m.positions + 9.0), "at 8.98"),
        (lambda m: dataclasses.replace(m, times=m.times - 5.0), "times"),
        (lambda m: dataclasses.replace(m, times=m.times[0] + (m.times - m.times[0]) / 500), "runs at"),
        (lambda m: dataclasses.replace(m, positions=m.positions * np.nan), "finite"),
        (lambda m: dataclasses.replace(m, velocities=m.positions + 7.0), "told the speed"),
    ],
)
def test_the_checker_sees_what_is_wrong_with_a_motion(change, word):
    robot = ROBOTS["widowx"]
    home = np.array(robot.arms[0].home)
    actions = np.tile([0.01, 0.0, 0.0, 0.0, 0.0, 0.1, 1.0], (4, 1))
    posture, proposal = Posture(home, home, np.zeros(6), rested=0.1), Proposal(1, "widowx", robot.action.names, actions, 9.9, 0.2, 4)
    verdict = Gate(robot).check(proposal, posture, 10.0)
    assert verdict.code is GateCode.ACCEPTED and isinstance(verdict.motion, Motion)
    assert violations(robot, proposal, posture, 10.0, 0.6, verdict) == []
    found = violations(robot, proposal, posture, 10.0, 0.6, dataclasses.replace(verdict, motion=change(verdict.motion)))
    assert any(word in fault for fault in found), found
