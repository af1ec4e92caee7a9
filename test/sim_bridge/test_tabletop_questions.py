from __future__ import annotations

import numpy as np
import pytest

from sim_bridge.tabletop.world import Tabletop
from vlaser_core.data.check import check, check_policy_answer
from vlaser_core.data.families import FAMILIES, conversation, policy_answer
from vlaser_core.data.truth import SceneTruth


@pytest.fixture(scope="module")
def truths() -> list[SceneTruth]:
    world, rng, found = Tabletop(distractors=4), np.random.default_rng(0), []
    try:
        for task in world.tasks:
            world.reset(task, 1)
            for _ in range(9):
                world.scatter(rng, mishaps=0.25)
                found.append(world.truth(192, 144))
    finally:
        world.close()
    return found


def test_answers_about_simulated_scenes_are_borne_out_by_the_simulator(truths):
    rng, asked = np.random.default_rng(1), set()
    for truth in truths:
        turns = conversation(truth, rng, turns=len(FAMILIES))
        assert check(truth, turns) == []
        assert check_policy_answer(truth, policy_answer(truth)) == []
        asked |= {turn.family for turn in turns}
    assert asked == set(FAMILIES)
