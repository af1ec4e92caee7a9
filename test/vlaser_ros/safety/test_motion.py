"""The smooth motion passes its waypoints, joins what runs without a step in place or speed, and keeps the gate's bounds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vlaser_core.embodiment import load_embodiment
from vlaser_ros.safety.commander import Commander
from vlaser_ros.safety.gate import Gate, GateCode, Posture, Proposal
from vlaser_ros.safety.motion import Motion, resample

ROBOT = load_embodiment("widowx")
HOME = np.array(ROBOT.arms[0].home)
small = st.floats(-0.5, 0.5)


def through(points: np.ndarray, first: float = 0.2) -> Motion:
    return Motion(10.0 + first + 0.2 * np.arange(len(points)), points, np.ones((len(points), 1)))


@settings(max_examples=100, deadline=None)
@given(points=arrays(float, (4, 2), elements=small), velocity=arrays(float, 2, elements=st.floats(-1, 1)), first=st.floats(0.05, 0.3))
def test_it_begins_as_commanded_passes_every_waypoint_and_ends_at_rest(points, velocity, first):
    motion, bends = resample(through(points, first), 10.0, np.zeros(2), velocity, 1000.0)
    assert (np.diff(motion.times) > 0).all() and motion.times[0] > 10.0
    # Read off at 1 ms: place and speed next to the splice differ by what a millisecond can do.
    elapsed = motion.times[0] - 10.0
    bend = np.abs(bends).max()
    assert np.abs(motion.positions[0] - velocity * elapsed).max() <= bend * elapsed**2 + 1e-9
    assert np.abs(motion.velocities[0] - velocity).max() <= bend * elapsed + 1e-9
    for step, time in enumerate(10.0 + first + 0.2 * np.arange(4)):
        nearest = int(np.abs(motion.times - time).argmin())
        assert np.abs(motion.positions[nearest] - points[step]).max() <= np.abs(motion.velocities).max() * 1e-3 + bend * 1e-6 + 1e-9
    np.testing.assert_allclose(motion.positions[-1], points[-1], atol=1e-12)
    np.testing.assert_allclose(motion.velocities[-1], 0.0, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(points=arrays(float, (4, 2), elements=small))
def test_from_rest_it_swings_past_no_waypoint(points):
    motion, _ = resample(through(points), 10.0, np.zeros(2), np.zeros(2), 200.0)
    knots = np.vstack([np.zeros(2), points])
    for time, place in zip(motion.times, motion.positions, strict=True):
        segment = min(int((time - 10.0 - 1e-9) / 0.2), 3)
        low, high = np.minimum(knots[segment], knots[segment + 1]), np.maximum(knots[segment], knots[segment + 1])
        assert (place >= low - 1e-9).all() and (place <= high + 1e-9).all()


def test_velocities_are_the_slope_of_the_positions():
    motion, _ = resample(through(np.array([[0.1], [0.3], [0.2], [0.25]])), 10.0, np.zeros(1), np.array([0.4]), 2000.0)
    slope = np.diff(motion.positions[:, 0]) / np.diff(motion.times)
    np.testing.assert_allclose(slope, (motion.velocities[1:, 0] + motion.velocities[:-1, 0]) / 2, atol=1e-3)


def asking(number: int, dx: float, stamp: float) -> Proposal:
    actions = np.tile([dx, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], (4, 1))
    return Proposal(number, "widowx", ROBOT.action.names, actions, stamp, 0.2, 4)


def test_a_chunk_spliced_into_the_running_one_makes_no_step_in_place_or_speed():
    gate, commander = Gate(ROBOT, rate=100.0), Commander(ROBOT)
    measured = np.append(HOME, 0.03)
    first = gate.check(asking(1, 0.02, 9.9), Posture(HOME, HOME, np.zeros(6), HOME, np.zeros(6), 0.1), 10.0)
    commander.play(first.motion, 10.0, measured)
    seen, now = commander.player.sample(10.3)[:6], 10.42
    place, speed = commander.player.sample(now)[:6], commander.velocity(now)
    assert np.abs(speed).max() > 0.1
    posture = Posture(seen, place, speed, place, speed, commander.rested(10.3, now))
    assert posture.rested == 0.0
    second = gate.check(asking(2, 0.01, 10.3), posture, now)
    assert second.accepted, second.reason
    commander.play(second.motion, now, np.append(place, 0.03))
    np.testing.assert_allclose(commander.player.sample(now)[:6], place)
    assert np.abs(commander.velocity(now + 1e-6) - speed).max() < 0.2 * np.abs(speed).max()
    assert second.waypoints.stamp == pytest.approx(10.3), "a moving arm keeps the stamped times"


def test_what_only_the_smooth_path_breaks_is_refused_as_well():
    posture = Posture(HOME, HOME, np.zeros(6), HOME, np.zeros(6), 0.1)
    joints = tuple(dataclasses.replace(joint, max_velocity=0.55) for joint in ROBOT.arms[0].joints)
    slow = dataclasses.replace(ROBOT, arms=(dataclasses.replace(ROBOT.arms[0], joints=joints),))
    # One step and rest: the mean speed is within the limit, the smooth path's peak half as much again.
    single = dataclasses.replace(asking(1, 0.02, 9.9), executed_steps=1)
    assert Gate(slow).check(single, posture, 10.0).accepted
    verdict = Gate(slow, rate=50.0).check(single, posture, 10.0)
    assert verdict.code is GateCode.VELOCITY and "between the steps" in verdict.reason
