from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim_bridge.tabletop import TASKS, Tabletop
from sim_bridge.world import execute
from vlaser_core.errors import InputError
from vlaser_core.geometry import pose
from vlaser_core.processing.actions import joint_waypoints
from vlaser_core.types import ActionChunk

CARROT = "widowx_carrot_on_plate"


def test_the_same_seed_gives_the_same_episode(tabletop):
    def moment() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        tabletop.reset(CARROT, 11)
        tabletop.advance(0.4)
        return tabletop.observe().images["image_0"], tabletop.observe().proprio, tabletop.state().source

    first, again = moment(), moment()
    tabletop.reset(CARROT, 12)
    other = tabletop.state().source
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.linalg.norm(first[2][:2, 3] - other[:2, 3]) > 1e-3


def test_an_earlier_episode_leaves_no_trace_in_a_reset_world(tabletop):
    tabletop.reset(CARROT, 3)
    fresh = tabletop.observe().images["image_0"]
    tabletop.scatter(np.random.default_rng(0))
    tabletop.advance(0.3)
    tabletop.reset(CARROT, 3)
    np.testing.assert_array_equal(tabletop.observe().images["image_0"], fresh)


def test_the_simulated_chain_is_the_embodiments_chain(tabletop):
    tabletop.reset(CARROT, 0)
    rng = np.random.default_rng(1)
    for _ in range(20):
        joints = rng.uniform(tabletop.kinematics.lower, tabletop.kinematics.upper)
        tabletop.data.qpos[: len(joints)] = joints
        mujoco.mj_kinematics(tabletop.model, tabletop.data)
        site = tabletop.data.site("grasp")
        np.testing.assert_allclose(pose(site.xmat.reshape(3, 3), site.xpos), tabletop.kinematics.forward(joints), atol=1e-9)


def test_closed_fingers_touch_and_open_ones_stand_apart(tabletop):
    tabletop.reset(CARROT, 0)
    joints, _ = tabletop.joint_state()
    gaps = []
    for openness in (0.0, 1.0):
        tabletop.set_target(joints, np.array([openness]))
        tabletop.advance(0.6)
        measured = tabletop.joint_state()[1]
        left, right = (tabletop.data.geom(name).xpos for name in ("left_pad", "right_pad"))
        gaps.append(np.linalg.norm(left - right) - 2 * tabletop.model.geom("left_pad").size[1])
        assert measured == pytest.approx([openness], abs=0.02)
    assert gaps == pytest.approx([0.0, 0.074], abs=0.002)


@pytest.mark.parametrize("task", TASKS)
def test_objects_start_apart_in_the_start_region_and_in_the_picture(tabletop, task):
    for seed in range(5):
        tabletop.reset(task, seed)
        state = tabletop.state()
        assert np.linalg.norm(state.offset) > 0.9 * TASKS[task].min_distance
        for thing in tabletop.truth(160, 120).objects:
            assert 0.2 < thing.position[0] < 0.4 and abs(thing.position[1]) < 0.13
            assert thing.box is not None
        assert not tabletop.is_success()


@pytest.mark.parametrize("task", TASKS)
def test_an_arm_that_does_nothing_does_not_succeed(tabletop, task):
    tabletop.reset(task, 1)
    for _ in range(3):
        chunk = ActionChunk(np.tile([0, 0, 0, 0, 0, 0, 1.0], (4, 1)), tabletop.time, 0.2, 0.0)
        execute(tabletop, joint_waypoints(tabletop.embodiment, chunk, tabletop.joint_state()[0]))
    assert not tabletop.is_success()
    assert tabletop.time == pytest.approx(2.4)


def test_an_object_held_over_its_target_is_not_yet_a_success(tabletop):
    tabletop.reset("widowx_stack_cube", 0)
    state = tabletop.state()
    placed = state.target.copy()
    placed[2, 3] = 0.06
    tabletop.put("green_block", placed)
    joints, _ = tabletop.joint_state()
    tabletop.advance(0.2)
    assert tabletop.is_success()
    tabletop.set_target(joints, np.array([0.0]))
    tabletop.advance(0.5)
    assert not tabletop.is_success()


def test_observation_fits_the_contract(tabletop):
    tabletop.reset(CARROT, 0)
    observation = tabletop.observe()
    camera = tabletop.embodiment.cameras[0]
    assert observation.images[camera.name].shape == (camera.height, camera.width, 3)
    assert observation.images[camera.name].dtype == np.uint8
    np.testing.assert_allclose(observation.proprio[:3], tabletop.data.site("grasp").xpos, atol=1e-6)
    assert observation.stamp == tabletop.time == 0.0


def test_malformed_commands_and_unknown_tasks_are_refused(tabletop):
    tabletop.reset(CARROT, 0)
    with pytest.raises(InputError, match="6 finite joint targets"):
        tabletop.set_target(np.zeros(5), np.ones(1))
    with pytest.raises(InputError, match="finite"):
        tabletop.set_target(np.full(6, np.nan), np.ones(1))
    with pytest.raises(InputError, match="widowx_stack_cube"):
        tabletop.reset("widowx_fold_laundry", 0)


def test_a_world_without_a_scene_says_so():
    with pytest.raises(InputError, match="reset"):
        Tabletop("rays").observe()
