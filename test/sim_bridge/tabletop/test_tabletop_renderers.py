from __future__ import annotations

import threading

import cv2
import mujoco
import numpy as np
import pytest

from sim_bridge.tabletop import Tabletop, renderers
from sim_bridge.tabletop.gl import gl_fault
from sim_bridge.tabletop.renderers import choose_renderer
from vlaser_core.errors import ConfigError

TASK = "widowx_put_eggplant_in_basket"


def test_auto_falls_back_in_order_to_rays(monkeypatch):
    faults = {"egl": "no driver", "osmesa": None}
    monkeypatch.setattr(renderers, "gl_fault", faults.get)
    assert choose_renderer("auto") == "osmesa"
    faults["osmesa"] = "no library"
    assert choose_renderer("auto") == "rays"
    faults["egl"] = None
    assert choose_renderer("auto") == "egl"


def test_a_renderer_that_is_absent_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(renderers, "gl_fault", lambda name: "libEGL.so not found")
    with pytest.raises(ConfigError, match="libEGL.so not found"):
        Tabletop("egl")
    with pytest.raises(ConfigError, match="auto, egl, osmesa, rays"):
        Tabletop("vulkan")


def test_the_probe_outlives_a_platform_that_does_not_exist():
    assert "no_such_platform" in gl_fault("no_such_platform")


def test_a_small_picture_shows_the_large_one_scaled(tabletop):
    tabletop.reset(TASK, 2)
    large, small = tabletop.render(320, 240), tabletop.render(128, 128)
    scaled = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(scaled.astype(int) - small).mean() < 2.0
    shift, _ = cv2.phaseCorrelate(scaled.mean(axis=2), small.mean(axis=2).astype(float))
    assert np.abs(shift).max() < 0.3


def test_rays_miss_no_geom_that_a_single_ray_hits(tabletop):
    tabletop.reset(TASK, 5)
    drawn = tabletop._renderer().geoms(tabletop.data, 64, 48).ravel()
    hit = np.zeros(1, np.int32)
    for pixel, ray in enumerate(tabletop.view.rays(64, 48).reshape(-1, 3)):
        mujoco.mj_ray(tabletop.model, tabletop.data, tabletop.view.position, ray, None, 1, -1, hit)
        assert drawn[pixel] == hit[0], f"pixel {pixel} shows geom {drawn[pixel]}, a single ray hits {hit[0]}"


def test_objects_are_seen_where_they_are_projected(tabletop):
    for seed in range(4):
        tabletop.reset(TASK, seed)
        state, seen = tabletop.state(), tabletop.segmentation(160, 120)
        at, _ = tabletop.view.project(state.source[:3, 3])
        rows, columns = np.nonzero(seen == 2)
        assert columns.min() - 1 <= at[0] * 160 <= columns.max() + 2
        assert rows.min() - 1 <= at[1] * 120 <= rows.max() + 2


def test_the_hand_casts_a_shadow_that_follows_it(tabletop):
    tabletop.reset(TASK, 0)
    shadows = tabletop._renderer()._shadows
    before = shadows.birdseye(tabletop.data)
    joints, openness = tabletop.joint_state()
    tabletop.set_target(joints + (0.4, 0, 0, 0, 0, 0), openness)
    tabletop.advance(0.6)
    after = shadows.birdseye(tabletop.data)
    assert (before > 128).any() and ((before > 128) != (after > 128)).mean() > 0.005


@pytest.fixture(scope="module")
def egl():
    fault = gl_fault("egl")
    if fault is not None:
        pytest.skip(f"no EGL on this machine: {fault}")
    world = Tabletop("egl")
    yield world
    world.close()


def test_egl_and_rays_draw_the_same_scene(tabletop, egl):
    for world in (tabletop, egl):
        world.reset(TASK, 4)
    one, other = tabletop.render(320, 240).astype(int), egl.render(320, 240).astype(int)
    assert np.abs(one - other).mean() < 6.0
    assert np.abs((one - other).mean(axis=(0, 1))).max() < 3.0
    assert (tabletop.segmentation(320, 240) != egl.segmentation(320, 240)).mean() < 0.005
    small = cv2.resize(egl.render(320, 240), (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - egl.render(128, 128)).mean() < 2.5


def test_pictures_may_be_asked_for_from_any_thread(egl):
    egl.reset(TASK, 4)
    expected, got = egl.render(64, 48), []
    asking = threading.Thread(target=lambda: got.append(egl.render(64, 48)))
    asking.start()
    asking.join()
    np.testing.assert_array_equal(got[0], expected)


def test_a_closed_world_can_be_used_again(egl):
    egl.reset(TASK, 4)
    expected = egl.render(64, 48)
    egl.close()
    egl.reset(TASK, 4)
    np.testing.assert_array_equal(egl.render(64, 48), expected)
