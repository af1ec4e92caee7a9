"""Trajectories play as ros2_controllers' JointTrajectoryController plays them."""

from __future__ import annotations

import numpy as np
import pytest

from vlaser_ros.trajectory import TrajectoryPlayer


def playing(**options) -> TrajectoryPlayer:
    player = TrajectoryPlayer(**options)
    assert player.splice(np.array([1.2, 1.4]), np.array([[1.0, 1.0], [2.0, 0.0]]), now=1.0, start=np.array([0.0, 0.0]))
    return player


def test_positions_are_linear_in_time_and_the_last_is_held():
    player = playing()
    assert player.sample(1.1).tolist() == pytest.approx([0.5, 0.5])
    assert player.sample(1.3).tolist() == pytest.approx([1.5, 0.5])
    assert player.sample(99.0).tolist() == [2.0, 0.0]


def test_points_that_are_past_are_dropped_and_motion_begins_where_the_command_is():
    player = TrajectoryPlayer()
    player.splice(np.array([0.8, 1.2]), np.array([[5.0], [1.0]]), now=1.0, start=np.array([0.0]))
    assert player.sample(1.0).tolist() == [0.0] and player.sample(1.1).tolist() == pytest.approx([0.5])


def test_a_trajectory_that_is_wholly_past_changes_nothing():
    player = playing()
    assert not player.splice(np.array([0.5]), np.array([[9.0, 9.0]]), now=1.1, start=np.zeros(2))
    assert player.end == 1.4


def test_a_new_trajectory_takes_over_without_a_jump():
    player = playing()
    before = player.sample(1.1)
    player.splice(np.array([1.3]), np.array([[0.0, 0.0]]), now=1.1, start=before)
    np.testing.assert_allclose(player.sample(1.1), before)
    np.testing.assert_allclose(player.sample(1.2), before / 2)


def test_grippers_switch_when_the_motion_towards_their_point_begins():
    player = playing(switched=(1,))
    assert player.sample(1.05)[1] == 1.0 and player.sample(1.25)[1] == 0.0


def test_velocity_is_that_of_the_running_segment_and_nothing_at_rest_or_where_columns_switch():
    player = playing(switched=(1,))
    assert player.velocity(1.1).tolist() == pytest.approx([5.0, 0.0])
    assert player.velocity(0.9).tolist() == player.velocity(1.4).tolist() == player.velocity(9.0).tolist() == [0.0, 0.0]
    assert (player.begin, TrajectoryPlayer().begin) == (1.0, np.inf)


def test_nothing_spliced_is_nothing_to_sample():
    with pytest.raises(ValueError, match="no trajectory"):
        TrajectoryPlayer().sample(0.0)
