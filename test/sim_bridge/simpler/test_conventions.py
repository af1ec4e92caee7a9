from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim_bridge.simpler.conventions import GoogleActions, google_proprio, rotation_vector, widowx_action, widowx_proprio
from sim_bridge.simpler.parity import simpler_checks
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_core.evaluate.parity import parity
from vlaser_core.geometry import matrix_from_euler, matrix_from_rotvec, pose, quaternion_from_matrix
from vlaser_core.processing.proprio import proprio_from_pose

DIRECTORY = Path(__file__).parents[4] / "shared" / "parity"


@pytest.mark.skipif(not DIRECTORY.is_dir(), reason="reference vectors (../shared/parity) are absent")
def test_upstream_adapters_are_reproduced():
    report = parity(DIRECTORY, {"simpler": simpler_checks})
    assert report.ok and len(report.checks) == 22 and report.skipped == ()


def eef(matrix: np.ndarray, openness: float = 0.25) -> np.ndarray:
    x, y, z, w = quaternion_from_matrix(matrix)
    return np.array([0.3, -0.1, 0.2, w, x, y, z, openness])


def test_the_state_equals_the_one_built_for_the_real_widowx():
    rng = np.random.default_rng(0)
    embodiment = load_embodiment("widowx")
    for _ in range(50):
        matrix = matrix_from_euler(rng.uniform(-1.2, 1.2, 3))
        expected = proprio_from_pose(embodiment, pose(matrix, np.array([0.3, -0.1, 0.2])), 0.25)
        np.testing.assert_allclose(widowx_proprio(eef(matrix)), expected, atol=1e-9)


def test_google_state_has_xyzw_and_closedness():
    state = google_proprio(np.array([1, 2, 3, 0.5, 0.1, 0.2, 0.3, 0.25], dtype=float))
    np.testing.assert_array_equal(state, [1, 2, 3, 0.1, 0.2, 0.3, 0.5, 0.75])


def test_gripper_signs_are_opposite_on_the_two_robots():
    opening, closing = np.array([0, 0, 0, 0, 0, 0, 1.0]), np.zeros(7)
    assert widowx_action(opening)[6] == 1 and widowx_action(closing)[6] == -1
    assert GoogleActions()(opening)[6] == -1 and GoogleActions()(closing)[6] == 1


def test_a_decided_gripper_command_holds_for_fifteen_actions_and_reset_releases_it():
    close, undecided, robot = np.zeros(7), np.array([0, 0, 0, 0, 0, 0, 0.5]), GoogleActions()
    assert robot(undecided)[6] == 0
    assert robot(close)[6] == 1
    assert [robot(undecided)[6] for _ in range(16)] == [1.0] * 14 + [0.0] * 2
    robot(close)
    robot.reset()
    assert robot(undecided)[6] == 0


def test_rotation_vectors_turn_as_the_euler_angles_do():
    rng = np.random.default_rng(1)
    for _ in range(100):
        rpy = rng.uniform(-3, 3, 3)
        np.testing.assert_allclose(matrix_from_rotvec(rotation_vector(rpy)), matrix_from_euler(rpy), atol=1e-7)
    np.testing.assert_array_equal(rotation_vector(np.zeros(3)), np.zeros(3))


@pytest.mark.parametrize("bad", [np.zeros(6), np.full(7, np.nan), np.array([np.inf, 0, 0, 0, 0, 0, 0])])
def test_actions_that_are_not_seven_finite_numbers_are_refused(bad):
    for convert in (widowx_action, GoogleActions()):
        with pytest.raises(InputError, match="7 finite"):
            convert(bad)
