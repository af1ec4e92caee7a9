from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlaser_core.embodiment import Camera, load_embodiment
from vlaser_core.errors import ConfigError
from vlaser_core.geometry import matrix_from_euler, quaternion_from_matrix
from vlaser_core.projection import inside, project, uncalibrated

LEVEL = Camera("c", "c", 400, 300, 90.0, (1.0, 2.0, 3.0), (0.0, 0.0, 0.0, 1.0))


def test_the_axis_meets_the_middle():
    assert project(LEVEL, np.array([[5.0, 2.0, 3.0]])) == pytest.approx(np.array([[200.0, 150.0]]))


def test_left_and_up_go_left_and_up():
    left, up = project(LEVEL, np.array([[2.0, 2.5, 3.0], [2.0, 2.0, 3.5]]))
    # 90° of height over 300 pixels: at one metre, half a metre is 75 pixels.
    assert left == pytest.approx([200 - 75, 150]) and up == pytest.approx([200, 150 - 75])


def test_the_edge_of_the_field_of_view_is_the_edge_of_the_picture():
    assert project(LEVEL, np.array([[2.0, 2.0, 4.0]]))[0] == pytest.approx([200.0, 0.0])
    assert project(LEVEL, np.array([[2.0, 2.0 - 400 / 300, 2.0]]))[0] == pytest.approx([400.0, 300.0])


def test_a_camera_that_looks_straight_down_sees_forward_as_up():
    down = dataclasses.replace(LEVEL, orientation_xyzw=tuple(quaternion_from_matrix(matrix_from_euler([0.0, np.pi / 2, 0.0]))))
    assert project(down, np.array([[1.5, 2.0, 2.0], [1.0, 2.5, 2.0]])) == pytest.approx(np.array([[200.0, 75.0], [125.0, 150.0]]))


def test_another_size_shows_the_same_view_stretched():
    points = np.array([[2.0, 2.2, 3.1]])
    assert project(LEVEL, points, 128, 128) == pytest.approx(project(LEVEL, points) * [128 / 400, 128 / 300])


def test_what_is_behind_is_not_drawn_in_front():
    pixels = project(LEVEL, np.array([[0.0, 2.0, 3.0], [1.0, 2.0, 3.0]]))
    assert np.isnan(pixels).all() and not inside(pixels, 400, 300).any()


def test_a_camera_without_calibration_says_what_it_lacks():
    with pytest.raises(ConfigError, match="lacks fov_y_deg, position"):
        project(dataclasses.replace(LEVEL, fov_y_deg=None, position=None), np.zeros((1, 3)))


@settings(deadline=None)  # what a busy machine takes longer for is no fault
@given(st.floats(-0.5, 0.5), st.floats(-0.3, 0.3), st.floats(0.2, 2.0))
def test_points_of_one_ray_share_a_pixel(left, up, distance):
    camera = load_embodiment("widowx").cameras[0]
    from vlaser_core.geometry import matrix_from_quaternion

    ray = matrix_from_quaternion(np.array(camera.orientation_xyzw)) @ np.array([1.0, left, up])
    near, far = project(camera, np.array(camera.position) + np.outer([0.1, distance], ray))
    assert near == pytest.approx(far, abs=1e-6)
    focal = camera.height / 2 / np.tan(np.radians(camera.fov_y_deg) / 2)
    assert near == pytest.approx([camera.width / 2 - focal * left, camera.height / 2 - focal * up], abs=1e-6)


def test_it_agrees_with_the_simulator():
    view = pytest.importorskip("sim_bridge.tabletop.view")
    camera = load_embodiment("widowx").cameras[0]
    points = np.random.default_rng(0).uniform([0.2, -0.1, 0.0], [0.4, 0.1, 0.2], (50, 3))
    shares, _ = view.View(camera).project(points)
    assert project(camera, points) == pytest.approx(shares * [camera.width, camera.height], abs=1e-9)


def test_a_camera_that_is_not_calibrated_says_what_its_contract_lacks():
    assert uncalibrated(LEVEL) == ""
    lack = uncalibrated(dataclasses.replace(LEVEL, position=None))
    assert "position" in lack and "fov_y_deg" not in lack
