from __future__ import annotations

from collections import Counter

import mujoco
import numpy as np
import pytest

from sim_bridge.tabletop import TASKS, Tabletop
from sim_bridge.tabletop.distractors import PALETTE
from sim_bridge.tabletop.mishaps import ATTEMPT
from sim_bridge.tabletop.scatter import scatter
from vlaser_core.data.truth import BACKGROUND, ROBOT, SURFACE
from vlaser_core.data.vocabulary import COLOURS, NOUNS


@pytest.fixture(scope="module")
def crowded():
    world = Tabletop("rays", distractors=4)
    yield world
    world.close()


@pytest.mark.parametrize("task", TASKS)
def test_a_world_made_for_distractors_starts_the_same_episodes(tabletop, crowded, task):
    """Seeds of evaluation and demonstrations stand for the same scenes, whatever else a world could show."""
    for world in (tabletop, crowded):
        world.reset(task, 11)
    np.testing.assert_array_equal(tabletop.render(96, 72), crowded.render(96, 72))
    np.testing.assert_array_equal(tabletop.state().source, crowded.state().source)
    assert crowded.distractors.shown == () and len(crowded.truth(96, 72).objects) == 2


def test_every_distractor_has_a_name_of_its_own_and_lies_apart(crowded):
    rng, seen, stacked = np.random.default_rng(0), Counter(), 0
    for index in range(60):
        crowded.reset(crowded.tasks[index % 4], 0)
        crowded.scatter(rng)
        truth = crowded.truth(160, 120)
        pairs = [(thing.kind, thing.colour) for thing in truth.objects]
        assert len(set(pairs)) == len(pairs)
        names = {thing.name: thing for thing in truth.objects}
        assert set(truth.pixels.names) == {BACKGROUND, SURFACE, ROBOT, *names}
        for thing in truth.objects:
            seen[thing.name] += 1
            assert thing.kind in NOUNS and thing.colour in COLOURS
            assert thing.support in ("", SURFACE, *names)
            stacked += thing.support in names and thing.name in PALETTE
        lying = [thing for thing in truth.objects if thing.name in PALETTE and thing.support == SURFACE]
        for one in lying:
            for other in lying:
                if one is not other:
                    apart = np.linalg.norm(np.subtract(one.position[:2], other.position[:2]))
                    assert apart > PALETTE[one.name].footprint + PALETTE[other.name].footprint
    assert set(PALETTE) <= set(seen) and stacked > 0


def test_pixels_and_boxes_of_distractors_are_where_they_are_projected(crowded):
    rng, shown = np.random.default_rng(1), 0
    for _ in range(15):
        crowded.reset("widowx_carrot_on_plate", 0)
        crowded.scatter(rng)
        truth = crowded.truth(160, 120)
        values = truth.pixels.values()
        for thing in truth.objects:
            if thing.name not in PALETTE or thing.visible_fraction < 1 or min(thing.box) == 0 or max(thing.box) == 1000:
                continue
            at, _ = crowded.view.project(np.array(thing.position))
            x, y = 1000 * at
            assert thing.box[0] - 8 <= x <= thing.box[2] + 8 and thing.box[1] - 8 <= y <= thing.box[3] + 8
            assert (values == truth.pixels.names.index(thing.name)).any()
            shown += 1
    assert shown > 10


def test_a_covered_distractor_shows_the_fraction_that_is_left(crowded):
    rng, fractions = np.random.default_rng(2), []
    for _ in range(40):
        crowded.reset("widowx_stack_cube", 0)
        crowded.scatter(rng)
        truth = crowded.truth(96, 72)
        values = truth.pixels.values()
        for thing in truth.objects:
            if thing.name in PALETTE and 0 < thing.visible_fraction < 1:
                here = (values == truth.pixels.names.index(thing.name)).sum()
                others = [other for other in crowded.model.geom_bodyid if other != crowded.model.body(thing.name).id]
                groups = crowded.model.geom_group.copy()
                crowded.model.geom_group[np.isin(crowded.model.geom_bodyid, others)] = 0
                alone = crowded.alone(96, 72, 5).sum()
                crowded.model.geom_group[:] = groups
                assert thing.visible_fraction == pytest.approx(here / alone, abs=1e-3)
                fractions.append(thing.visible_fraction)
    assert len(fractions) >= 3


def test_mishaps_are_what_they_are_called(crowded):
    rng, kinds = np.random.default_rng(3), Counter()
    for index in range(60):
        crowded.reset(crowded.tasks[index % 4], 0)
        kind = scatter(crowded, rng, mishaps=1.0)
        kinds[kind] += 1
        truth = crowded.truth(96, 72)
        source = truth.object(truth.source)
        assert truth.attempt == ATTEMPT[kind] and not source.held and not truth.success and source.support == SURFACE
        held = [thing.name for thing in truth.objects if thing.held]
        if kind == "wrong":
            assert len(held) == 1 and held[0] in PALETTE
            assert np.linalg.norm(np.subtract(truth.object(held[0]).position, truth.gripper_position)) < 0.03
        else:
            assert held == []
            assert (truth.openness > 0.9) == (kind == "beside")
    assert set(kinds) == set(ATTEMPT)


def test_without_distractors_no_wrong_thing_can_be_held(tabletop):
    rng = np.random.default_rng(4)
    tabletop.reset("widowx_carrot_on_plate", 0)
    assert {scatter(tabletop, rng, mishaps=1.0) for _ in range(25)} == set(ATTEMPT) - {"wrong"}


def test_reach_by_the_ring_is_reach_by_inverse_kinematics(crowded):
    rng, said = np.random.default_rng(5), Counter()
    for index in range(60):
        crowded.reset(crowded.tasks[index % 4], 0)
        crowded.scatter(rng)
        truth = crowded.truth(64, 48)
        near, far = truth.reach
        for thing in truth.objects:
            radius = float(np.hypot(*thing.position[:2]))
            if thing.reachable is not None and thing.support == SURFACE and min(abs(radius - near), abs(radius - far)) > 0.02:
                assert thing.reachable == (near < radius < far), thing
                said[thing.reachable] += 1
    assert said[True] > 20 and said[False] > 3


def test_states_with_distractors_are_still_for_a_moment(crowded):
    rng = np.random.default_rng(6)
    crowded.reset("widowx_spoon_on_towel", 0)
    for _ in range(15):
        crowded.scatter(rng)
        before = crowded.state()
        mujoco.mj_step(crowded.model, crowded.data, 50)
        assert np.linalg.norm(crowded.state().source[:3, 3] - before.source[:3, 3]) < 0.03
