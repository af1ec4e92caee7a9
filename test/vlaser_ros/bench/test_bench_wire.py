"""When the arm was last told to move, read off the commands on the wire."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("vlaser_msgs", reason="needs the interface package: pip install ./msg")

from vlaser_ros.bench.wire import Command, last_change

START = np.array([0.0, 0.0, 0.03])


def motion(sent: float, *due_and_place: tuple[float, float]) -> Command:
    due, places = np.array(due_and_place).T
    return Command(sent, due, np.array([[place, 0.0, 0.03] for place in places]))


def test_a_motion_that_nothing_replaces_ends_with_its_last_point():
    assert last_change([motion(10.0, (10.2, 0.1), (10.4, 0.2))], START, 2) == pytest.approx(10.4)


def test_a_hold_where_the_arm_is_told_to_be_ends_the_motion_when_it_is_sent():
    run = motion(10.0, (10.2, 0.1), (10.4, 0.2))
    assert last_change([run, motion(10.2, (10.3, 0.1))], START, 2) == pytest.approx(10.2)


def test_a_hold_elsewhere_is_a_motion_itself():
    run = motion(10.0, (10.2, 0.1), (10.4, 0.2))
    assert last_change([run, motion(10.2, (10.3, 0.05))], START, 2) == pytest.approx(10.3)


def test_a_hold_after_the_end_changes_nothing():
    run = motion(10.0, (10.2, 0.1), (10.4, 0.2))
    assert last_change([run, motion(10.55, (10.65, 0.2))], START, 2) == pytest.approx(10.4)


def test_points_of_the_same_place_at_the_end_are_no_motion():
    assert last_change([motion(10.0, (10.2, 0.1), (10.4, 0.1), (10.6, 0.1))], START, 2) == pytest.approx(10.2)


def test_an_arm_that_was_never_told_to_move_has_no_last_change():
    assert last_change([], START, 2) == -np.inf
    assert last_change([motion(10.0, (10.2, 0.0))], START, 2) == -np.inf


def test_what_the_driver_would_drop_as_past_counts_for_nothing():
    late = motion(11.0, (10.2, 0.1), (10.4, 0.2))
    assert last_change([late], START, 2) == -np.inf


def test_fingers_are_not_joints():
    command = Command(10.0, np.array([10.2]), np.array([[0.0, 0.0, 0.01]]))
    assert last_change([command], START, 2) == -np.inf
