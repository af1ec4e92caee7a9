"""A slow model is not punished: the arm rests while it thinks, and the chunk keeps its own speed. A moving arm keeps to the stamps."""

from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_ros.safety.commander import Commander
from vlaser_ros.safety.gate import Gate, GateCode, Posture, Proposal
from vlaser_ros.safety.motion import Motion

ROBOT = load_embodiment("widowx")
HOME = np.array(ROBOT.arms[0].home)
BRISK = np.tile([0.045, 0.0, 0.01, 0.0, 0.0, 0.3, 1.0], (4, 1))


def check(age: float, rested: float, *, gate: Gate | None = None, actions: np.ndarray = BRISK):
    posture = Posture(HOME, HOME, np.zeros(6), HOME, np.zeros(6), rested)
    return (gate or Gate(ROBOT, max_age=5.0)).check(Proposal(1, "widowx", ROBOT.action.names, actions, 100.0 - age, 0.2, 4), posture, 100.0)


@pytest.mark.parametrize("rate", [0.0, 50.0])
@pytest.mark.parametrize("latency", [0.01, 0.09, 0.11, 0.15, 0.19, 0.25, 0.5, 1.0, 3.0])
def test_a_resting_arm_starts_a_late_chunk_at_its_own_speed_whatever_the_latency(latency, rate):
    actions = np.tile([0.02, 0.0, 0.01, 0.0, 0.0, 0.1, 1.0], (4, 1))
    verdict = check(latency, latency, gate=Gate(ROBOT, max_age=5.0, rate=rate), actions=actions)
    assert verdict.accepted, verdict.reason
    assert verdict.first == 0 and verdict.waypoints.stamp == pytest.approx(100.0) and verdict.due == pytest.approx(100.8)
    np.testing.assert_allclose(verdict.motion.positions[-1], verdict.waypoints.positions[-1], atol=1e-9)


def test_the_same_late_chunk_is_squeezed_out_of_its_limits_by_the_stamps_alone():
    """What the rule is for: counted from the observation, a step is left half its time."""
    brisk = np.tile([0.0, 0.0, 0.0, 0.0, 0.0, 0.34, 1.0], (4, 1))
    assert check(0.099, 0.099, actions=brisk).accepted
    assert check(0.099, 0.0, actions=brisk).code is GateCode.VELOCITY


def test_an_arm_that_rested_for_part_of_the_time_is_given_that_part_back():
    verdict = check(0.3, 0.25, actions=BRISK / 4)
    assert verdict.waypoints.stamp == pytest.approx(99.95) and verdict.first == 0


def test_rest_cannot_be_longer_than_the_observation_is_old():
    assert check(0.1, 99.0, actions=BRISK / 4).waypoints.stamp == pytest.approx(100.0)


def test_an_arm_where_the_chunk_would_have_it_did_not_jump():
    """In overlapping chunks the arm moves on while the model thinks: far from where it was seen, near to where it should be."""
    actions = np.tile([0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 1.0], (4, 1))
    gate = Gate(ROBOT, max_age=5.0)
    path = check(0.0, 0.0, gate=Gate(ROBOT), actions=actions).waypoints.positions
    speed = (path[2] - path[1]) / 0.2
    proposal = Proposal(1, "widowx", ROBOT.action.names, actions, 99.5, 0.2, 4)
    on_time = (path[1] + path[2]) / 2
    assert np.abs(on_time - HOME).max() > ROBOT.safety.max_start_jump
    assert gate.check(proposal, Posture(HOME, on_time, speed, on_time, speed), 100.0).accepted
    behind = gate.check(Proposal(2, "widowx", ROBOT.action.names, actions, 99.5, 0.2, 4), Posture(HOME, HOME, speed), 100.0)
    assert behind.code is GateCode.START_JUMP and "moved since" in behind.reason


def test_the_commander_knows_how_long_the_arm_rested():
    commander, measured = Commander(ROBOT), np.append(HOME, 0.03)
    assert commander.rested(5.0, 5.3) == pytest.approx(0.3)
    motion = Motion(np.array([6.2, 6.4]), np.array([HOME, HOME + 0.01]), np.ones((2, 1)))
    commander.play(motion, 6.0, measured)
    assert commander.rested(6.1, 6.3) == 0.0
    assert commander.rested(6.3, 6.9) == pytest.approx(0.5)
    commander.hold(6.5, measured)
    assert commander.rested(6.3, 6.9) == pytest.approx(0.5)
    commander.play(Motion(motion.times + 1, motion.positions, motion.openness), 7.0, measured)
    commander.hold(7.1, measured)
    assert commander.rested(6.9, 7.3) == pytest.approx(0.2)
