from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sim_bridge.tabletop import TASKS, ScriptedExpert
from sim_bridge.tabletop.scatter import KINDS, scatter
from sim_bridge.world import execute
from vlaser_core.data.truth import PHASES
from vlaser_core.processing.actions import joint_waypoints
from vlaser_core.types import ActionChunk


@pytest.mark.parametrize("task", TASKS)
def test_scattered_states_cover_the_phases_in_the_stated_shares(tabletop, task):
    tabletop.reset(task, 0)
    rng, kinds, phases, held = np.random.default_rng(0), Counter(), Counter(), 0
    for _ in range(250):
        kinds[scatter(tabletop, rng)] += 1
        phases[ScriptedExpert(tabletop).phase()] += 1
        held += tabletop.state().held
    for kind, share in KINDS.items():
        assert kinds[kind] / 250 == pytest.approx(share, abs=0.11)
    assert set(phases) == set(PHASES)
    assert 0.25 < held / 250 < 0.5


def test_the_same_generator_scatters_the_same_state(tabletop):
    tabletop.reset("widowx_stack_cube", 0)
    pictures = []
    for _ in range(2):
        tabletop.scatter(np.random.default_rng(3))
        pictures.append(tabletop.render(96, 72))
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("task", TASKS)
def test_scattered_states_are_still_for_a_moment(tabletop, task):
    """A state that springs apart under the physics was not a possible one. Objects in the air may only be held ones."""
    tabletop.reset(task, 0)
    rng = np.random.default_rng(8)
    for _ in range(25):
        tabletop.scatter(rng)
        before, at = tabletop.state(), tabletop.joint_state()[0]
        tabletop.advance(0.1)
        after = tabletop.state()
        assert np.abs(tabletop.joint_state()[0] - at).max() < 0.05
        assert np.linalg.norm(after.target[:3, 3] - before.target[:3, 3]) < 0.02
        assert np.linalg.norm(after.source[:3, 3] - before.source[:3, 3]) < 0.03


def test_the_expert_finishes_from_scattered_states(tabletop):
    tabletop.reset("widowx_carrot_on_plate", 0)
    for seed in range(5):
        tabletop.scatter(np.random.default_rng([77, seed]))
        expert = ScriptedExpert(tabletop)
        for _ in range(15):
            chunk = ActionChunk(expert.chunk(), tabletop.time, 0.2, 0.0)
            execute(tabletop, joint_waypoints(tabletop.embodiment, chunk, tabletop.joint_state()[0]))
            if expert.phase() == "done":
                break
        assert tabletop.is_success(), f"state {seed}: {expert.phase()}"
