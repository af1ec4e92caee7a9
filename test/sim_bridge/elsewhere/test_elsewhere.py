from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest

from sim_bridge.elsewhere import Elsewhere
from sim_bridge.elsewhere.objects import CATALOGUE
from sim_bridge.elsewhere.scene import LOOKS, SETTINGS, texture
from sim_bridge.elsewhere.source import ElsewhereSource
from sim_bridge.tabletop.gl import gl_fault
from sim_bridge.tabletop.view import View
from vlaser_core.data.check import check
from vlaser_core.data.families import CATEGORY, FAMILIES, conversation
from vlaser_core.data.source import Damage
from vlaser_core.data.truth import SURFACE
from vlaser_core.errors import ConfigError, InputError

SIZE = 96


@pytest.fixture(scope="module")
def elsewhere():
    world = Elsewhere("rays")
    yield world
    world.close()


def scenes(world: Elsewhere, count: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        world.reset(rng)
        yield world.truth(SIZE, SIZE), rng


def test_answers_are_borne_out_and_all_categories_are_asked(elsewhere):
    asked = Counter()
    for truth, rng in scenes(elsewhere, 25):
        turns = conversation(truth, rng, turns=len(FAMILIES))
        assert check(truth, turns) == []
        asked.update(turn.family for turn in turns)
    assert {CATEGORY[family] for family in asked} == {"grounding", "qa", "spatial", "planning"}
    of_robots = {"gripper_point", "affordance", "gripper_state", "gripper_height", "holding", "phase", "outcome", "fault", "spatial_robot", "nearest",
                 "reachable", "gripper_side", "gripper_distance", "step_done", "recovery"}  # fmt: skip
    assert set(asked) == set(FAMILIES) - of_robots


def test_the_same_generator_makes_the_same_picture_and_truth(elsewhere):
    seen = []
    for _ in range(2):
        elsewhere.reset(np.random.default_rng(5))
        seen.append((elsewhere.render(SIZE, SIZE), elsewhere.truth(SIZE, SIZE)))
        elsewhere.reset(np.random.default_rng(6))
    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    assert seen[0][1] == seen[1][1]
    assert (elsewhere.render(SIZE, SIZE) != seen[0][0]).mean() > 0.3


def test_all_settings_things_and_both_outcomes_come_up(elsewhere):
    settings, bodies, phases, supports = Counter(), Counter(), Counter(), Counter()
    for truth, _ in scenes(elsewhere, 80, seed=1):
        settings[truth.surface] += 1
        phases[truth.phase] += 1
        for thing in truth.objects:
            bodies[thing.name] += 1
            supports[thing.support == SURFACE] += 1
    assert set(settings) == set(SETTINGS) and set(bodies) == set(CATALOGUE)
    assert set(phases) == {"", "reach", "done"} and supports[False] > 20


def test_things_are_seen_where_they_are_projected_and_stand_on_what_is_said(elsewhere):
    whole = 0
    for truth, _ in scenes(elsewhere, 25, seed=2):
        view, placed = View(elsewhere.arrangement.camera), {thing.name: thing for thing in truth.objects}
        for thing in truth.objects:
            if thing.support != SURFACE:
                assert thing.position[2] > placed[thing.support].position[2] - 0.02
            else:
                assert thing.position[2] == pytest.approx(CATALOGUE[thing.name].half_height)
            if thing.visible_fraction == 1 and 0 < min(thing.box) and max(thing.box) < 1000:
                at, _ = view.project(np.array(thing.position))
                x, y = 1000 * at
                assert thing.box[0] - 15 <= x <= thing.box[2] + 15 and thing.box[1] - 15 <= y <= thing.box[3] + 15
                whole += 1
    assert whole > 30


def test_done_means_the_source_lies_on_the_target(elsewhere):
    for truth, _ in scenes(elsewhere, 60, seed=3):
        if truth.task:
            assert truth.success == (truth.phase == "done") == (truth.object(truth.source).support == truth.target)
            assert not truth.robot and truth.gripper_point is None and truth.openness is None


def test_pictures_vary_in_view_and_light(elsewhere):
    rng, means, cameras = np.random.default_rng(4), [], []
    for _ in range(12):
        elsewhere.reset(rng)
        means.append(elsewhere.render(48, 48).mean())
        cameras.append(elsewhere.arrangement.camera.position)
    assert np.std(means) > 10 and np.ptp(np.array(cameras), axis=0).min() > 0.3
    assert min(means) > 12, "a picture in which nothing can be seen"


def test_textures_repeat_without_a_seam_and_cannot_be_changed():
    for look in LOOKS:
        image = texture(look).astype(int)
        inside = np.abs(np.diff(image[..., 0], axis=0)).max(axis=0).mean()
        seam = np.abs(image[0, :, 0] - image[-1, :, 0]).mean()
        assert seam <= inside + 12, look
        with pytest.raises(ValueError, match="read-only"):
            texture(look)[0, 0] = 0


def test_misuse_is_told(elsewhere):
    with pytest.raises(InputError, match="square"):
        elsewhere.render(64, 48)
    with pytest.raises(ConfigError, match="vulkan"):
        Elsewhere("vulkan")
    with pytest.raises(InputError, match="reset"):
        Elsewhere("rays").render(32, 32)
    with pytest.raises(InputError, match="at least 1"):
        ElsewhereSource(0)


def test_the_source_gives_the_same_samples_in_any_process():
    one = ElsewhereSource(300, seed=3, renderer="rays", size=48)
    other = pickle.loads(pickle.dumps(one))
    unit = other.units()[1]
    assert unit == one.units()[1] and len({found.key for found in one.units()}) == len(one.units())
    damage = Damage()
    first, second = (list(zip(range(12), source.read(unit, damage, 7), strict=False)) for source in (one, other))
    for (_, mine), (_, theirs) in zip(first, second, strict=True):
        assert mine.record == theirs.record and mine.pictures == theirs.pictures and mine.truth == theirs.truth
        assert mine.record.source == "elsewhere" and mine.record.domain in SETTINGS


def test_egl_draws_the_scenes_that_rays_draw(elsewhere):
    fault = gl_fault("egl")
    if fault is not None:
        pytest.skip(f"no EGL on this machine: {fault}")
    world = Elsewhere("egl")
    try:
        for seed in range(4):
            for drawing in (world, elsewhere):
                drawing.reset(np.random.default_rng(seed))
            one, other = world.geoms(SIZE, SIZE), elsewhere.geoms(SIZE, SIZE)
            assert (one != other).mean() < 0.02
            near, far = world.render(SIZE, SIZE).astype(int), elsewhere.render(SIZE, SIZE).astype(int)
            assert np.abs(near.mean(axis=(0, 1)) - far.mean(axis=(0, 1))).max() < 25
    finally:
        world.close()
