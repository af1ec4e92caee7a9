"""The Aloha table keeps the world's contract: what is reset is the same again, what is commanded moves, what is seen is what is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("mujoco")

from sim_bridge.aloha import TASKS, AlohaExpert, AlohaTable  # noqa: E402
from sim_bridge.aloha.scene import FINGER_STROKE, finger  # noqa: E402
from sim_bridge.tabletop.renderers import choose_renderer  # noqa: E402
from sim_bridge.world import execute  # noqa: E402
from vlaser_core.embodiment import Camera, load_embodiment  # noqa: E402
from vlaser_core.errors import ConfigError, InputError  # noqa: E402
from vlaser_core.kinematics import Kinematics  # noqa: E402
from vlaser_core.processing.actions import joint_waypoints  # noqa: E402
from vlaser_core.types import ActionChunk  # noqa: E402

ROBOT = load_embodiment("aloha")


@pytest.fixture(scope="module")
def world():
    made = AlohaTable(renderer="rays")
    yield made
    made.close()


def play(world: AlohaTable, expert: AlohaExpert) -> None:
    """One chunk on the path a policy's takes: from joint actions to way-points to servo targets."""
    joints, _ = world.joint_state()
    execute(world, joint_waypoints(ROBOT, ActionChunk(expert.chunk(), world.time, ROBOT.action.dt, 0.0), joints))


@pytest.mark.parametrize("task", list(TASKS))
def test_the_expert_does_every_task_on_fresh_seeds_within_its_time(world, task):
    for seed in (101, 102):
        world.reset(task, seed)
        assert not world.is_success()
        expert = AlohaExpert(world)
        for _ in range(world.max_steps() // ROBOT.action.horizon):
            play(world, expert)
        assert world.is_success(), (task, seed)


def test_an_idle_robot_does_no_task(world):
    for task in TASKS:
        world.reset(task, 5)
        world.advance(world.spec.seconds)
        assert not world.is_success(), task


def test_a_seed_stands_for_one_scene(world):
    def scene(seed: int) -> tuple:
        world.reset("aloha_cube_on_plate", seed)
        return world.thing("cube").copy(), world.thing("plate").copy(), world.joint_state()[0]

    first, again, other = scene(3), scene(3), scene(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.allclose(first[0][:2, 3], other[0][:2, 3]) and not np.allclose(first[1][:2, 3], other[1][:2, 3])


def test_the_simulated_chains_are_the_embodiments_chains(world):
    world.reset("aloha_lift_both", 0)
    for index, arm in enumerate(ROBOT.arms):
        joints = world.joint_state()[0][6 * index : 6 * index + 6]
        expected = Kinematics(arm).forward(joints)
        last = world.thing(arm.joints[-1].name)
        body = world.data.body(arm.joints[-1].name)
        at = body.xpos + body.xmat.reshape(3, 3) @ np.array(arm.grasp_point)
        np.testing.assert_allclose(at, expected[:3, 3], atol=1e-9)
        np.testing.assert_allclose(last[:3, :3], expected[:3, :3], atol=1e-9)


def test_servos_reach_their_targets_arm_by_arm(world):
    world.reset("aloha_lift_both", 0)
    joints, _ = world.joint_state()
    wanted = joints + np.linspace(-0.2, 0.2, 12)
    for share in np.linspace(0, 1, 50):
        world.set_target(joints + share * (wanted - joints), np.array([0.2, 0.8]))
        world.advance(0.02)
    world.advance(0.5)
    reached, openness = world.joint_state()
    np.testing.assert_allclose(reached, wanted, atol=0.01)
    np.testing.assert_allclose(openness, [0.2, 0.8], atol=0.03)


@pytest.mark.parametrize(("joints", "openness"), [(np.zeros(11), np.zeros(2)), (np.zeros(12), np.zeros(1)), (np.full(12, np.nan), np.zeros(2))])
def test_malformed_targets_are_refused(world, joints, openness):
    world.reset("aloha_lift_both", 0)
    with pytest.raises(InputError, match="12 finite joint targets and 2"):
        world.set_target(joints, openness)


def test_every_camera_sees_the_scene_and_wrist_cameras_move_with_their_hands(world):
    world.reset("aloha_transfer_cube", 1)
    before = world.observe()
    assert list(before.images) == [camera.name for camera in ROBOT.cameras] and before.proprio.shape == (14,)
    assert all(picture.shape == (240, 320, 3) and picture.dtype == np.uint8 and picture.std() > 10 for picture in before.images.values())
    joints, openness = world.joint_state()
    joints[5] += 0.8  # the left wrist turns
    world.set_target(joints, openness)
    world.advance(0.8)
    after = world.observe()
    changed = {name: np.abs(after.images[name].astype(int) - before.images[name]).mean() for name in before.images}
    assert changed["cam_left_wrist"] > 10 > 2 > changed["cam_right_wrist"]


def test_rays_and_open_gl_show_the_same_things(world):
    if (name := choose_renderer("auto")) == "rays":
        pytest.skip("no OpenGL without a display here")
    other = AlohaTable(renderer=name)
    world.reset("aloha_cube_on_plate", 2)
    other.reset("aloha_cube_on_plate", 2)
    for camera in ROBOT.cameras:
        one, two = (place.render(camera.name, 320, 240).astype(int) for place in (world, other))
        red = [(picture[..., 0] - picture[..., 1] > 60) for picture in (one, two)]
        middles = [np.argwhere(mask).mean(axis=0) if mask.any() else None for mask in red]
        assert (middles[0] is None) == (middles[1] is None)
        if middles[0] is not None:
            np.testing.assert_allclose(middles[0], middles[1], atol=3)
    other.close()


def test_a_fourth_camera_is_a_few_lines_of_the_contract_and_one_without_a_place_is_named():
    low = Camera("cam_low", "cam_low_optical_frame", 320, 240, 58.0, (-0.377, 0.0, 0.032), (0.0, -0.0475, 0.0, 0.9989))
    four = AlohaTable(renderer="rays", task="aloha_transfer_cube", embodiment=dataclasses.replace(ROBOT, cameras=(*ROBOT.cameras, low)))
    assert four.observe().images["cam_low"].std() > 10
    nowhere = dataclasses.replace(ROBOT, cameras=(dataclasses.replace(low, position=None),))
    with pytest.raises(ConfigError, match="cam_low.*position"):
        AlohaTable(renderer="rays", task="aloha_transfer_cube", embodiment=nowhere)


def test_another_robot_is_refused_with_its_number_of_joints():
    short = dataclasses.replace(ROBOT.arms[0], joints=ROBOT.arms[0].joints[:5], home=ROBOT.arms[0].home[:5])
    with pytest.raises(ConfigError, match="6 joints.*5"):
        AlohaTable(renderer="rays", task="aloha_transfer_cube", embodiment=dataclasses.replace(ROBOT, arms=(short,)))


def test_an_unknown_task_is_refused_and_nothing_works_before_the_first_reset():
    fresh = AlohaTable(renderer="rays")
    with pytest.raises(InputError, match="juggle.*aloha_transfer_cube"):
        fresh.reset("juggle", 0)
    with pytest.raises(InputError, match="reset"):
        fresh.observe()


def test_an_object_between_the_fingers_keeps_them_apart(world):
    world.reset("aloha_lift_both", 7)
    expert = AlohaExpert(world)
    for _ in range(6):
        play(world, expert)
    assert world.holds(0, "other") and world.holds(1, "cube")
    assert (np.abs(world.joint_state()[1] * FINGER_STROKE - 0.02) < 0.003).all()
    assert world.touching("cube") == {finger(ROBOT.arms[1], "left"), finger(ROBOT.arms[1], "right")}
