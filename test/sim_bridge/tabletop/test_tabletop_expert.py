from __future__ import annotations

import numpy as np
import pytest

from sim_bridge.tabletop import TASKS, ScriptedExpert
from sim_bridge.tabletop.expert import MAX_ROTATION, MAX_TRANSLATION, YAW_LIMIT, grasp_yaw, hand_yaw
from sim_bridge.world import execute
from vlaser_core.data.truth import PHASES
from vlaser_core.processing.actions import joint_waypoints
from vlaser_core.types import ActionChunk


def play(world, expert, steps: int, replan: int = 4) -> list[str]:
    """Phases seen at every decision while the expert plays `steps` policy steps."""
    phases = []
    for _ in range(steps // replan):
        phases.append(expert.phase())
        chunk = ActionChunk(expert.perturb(expert.chunk()), world.time, world.embodiment.action.dt, 0.0)
        execute(world, joint_waypoints(world.embodiment, chunk, world.joint_state()[0]), replan)
    return phases


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_succeeds_in_half_the_steps_and_stays_successful(tabletop, task):
    tabletop.reset(task, 101)
    expert = ScriptedExpert(tabletop)
    phases = play(tabletop, expert, tabletop.max_steps() // 2)
    assert expert.phase() == "done" and set(phases) <= set(PHASES)
    assert tabletop.is_success()
    at_rest = tabletop.joint_state()[0]
    assert set(play(tabletop, expert, 16)) == {"done"}
    assert tabletop.is_success()
    assert np.abs(tabletop.joint_state()[0] - at_rest).max() < 0.02


def test_the_expert_succeeds_with_noise_and_when_planning_every_second_step(tabletop):
    tabletop.reset("widowx_stack_cube", 102)
    play(tabletop, ScriptedExpert(tabletop, noise=0.005, seed=2), 48, replan=2)
    assert tabletop.is_success()


def test_the_expert_recovers_an_object_it_lost(tabletop):
    tabletop.reset("widowx_carrot_on_plate", 103)
    expert = ScriptedExpert(tabletop)
    phases = play(tabletop, expert, 12)
    assert tabletop.state().held, f"not held after 12 steps of {phases}"
    lost = tabletop.state().source
    lost[:3, 3] += (0.03, 0.0, 0.013 - lost[2, 3])
    tabletop.put("carrot", lost)
    tabletop.advance(0.2)
    assert expert.phase() == "reach"
    play(tabletop, expert, 48)
    assert tabletop.is_success()


def test_the_answer_depends_on_the_present_moment_alone(tabletop):
    rng = np.random.default_rng(4)
    tabletop.reset("widowx_spoon_on_towel", 0)
    for _ in range(10):
        tabletop.scatter(rng)
        before = tabletop.data.qpos.copy()
        first = ScriptedExpert(tabletop).chunk()
        used = ScriptedExpert(tabletop, noise=0.01)
        used.perturb(used.chunk())
        np.testing.assert_array_equal(used.chunk(), first)
        np.testing.assert_array_equal(tabletop.data.qpos, before)


@pytest.mark.parametrize("task", TASKS)
def test_steps_stay_within_their_bounds(tabletop, task):
    tabletop.reset(task, 0)
    rng = np.random.default_rng(5)
    for _ in range(25):
        tabletop.scatter(rng)
        chunk = ScriptedExpert(tabletop).chunk()
        assert chunk.shape == (4, 7) and np.isfinite(chunk).all()
        assert np.linalg.norm(chunk[:, :3], axis=1).max() <= MAX_TRANSLATION + 1e-9
        assert np.abs(chunk[:, 3:6]).max() <= MAX_ROTATION + 1e-9
        assert set(chunk[:, 6]) <= {0.0, 1.0}


def test_the_hand_turns_the_short_way_and_never_winds_up(tabletop):
    tabletop.reset("widowx_carrot_on_plate", 0)
    rng = np.random.default_rng(6)
    for _ in range(25):
        tabletop.scatter(rng)
        state = tabletop.state()
        goal, now = grasp_yaw(state), hand_yaw(state.gripper)
        assert abs(goal) <= YAW_LIMIT
        assert all(abs(goal - now) <= abs(other - now) + 1e-9 for other in (goal - np.pi, goal + np.pi) if abs(other) <= YAW_LIMIT)


def test_noise_moves_only_the_steps_that_move(tabletop):
    expert = ScriptedExpert(tabletop, noise=0.005, seed=0)
    still, moving = np.array([0, 0, 0, 0, 0, 0, 1.0]), np.array([0.01, 0, 0, 0, 0, 0, 1.0])
    noisy = expert.perturb(np.stack([still, moving]))
    np.testing.assert_array_equal(noisy[0], still)
    assert 1e-4 < np.abs(noisy[1] - moving)[:3].max() < 0.03
