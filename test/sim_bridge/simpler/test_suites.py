from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sim_bridge.simpler.evaluate import choose
from sim_bridge.simpler.suites import SEED, SUITES, suite, tasks_of
from vlaser_core.errors import InputError


def count(name: str, task: str = "", **build) -> int:
    return sum((not task or e.task == task) and all(e.build.get(key) == value for key, value in build.items()) for e in suite(name))


def test_every_task_has_its_published_number_of_episodes():
    assert Counter(e.task for e in suite("widowx")) == dict.fromkeys(
        ("widowx_spoon_on_towel", "widowx_carrot_on_plate", "widowx_stack_cube", "widowx_put_eggplant_in_basket"), 240
    )
    assert Counter(e.task for e in suite("google_vm")) == {"pick_coke_can": 300, "move_near": 240, "drawer": 216, "place_apple": 324}
    assert Counter(e.task for e in suite("google_va")) == {"pick_coke_can": 825, "move_near": 600, "drawer": 378, "place_apple": 189}


def test_variants_have_their_published_numbers():
    groups = Counter((e.task, e.variant.split("/")[0]) for e in suite("google_va"))
    coke = {name: groups["pick_coke_can", name] for name in ("base", "tabletop", "distractors", "background", "light", "camera")}
    assert coke == {"base": 75, "tabletop": 150, "distractors": 150, "background": 150, "light": 150, "camera": 150}
    drawer = {name: groups["drawer", name] for name in ("base", "background", "light", "station")}
    assert drawer == {"base": 54, "background": 108, "light": 108, "station": 108}
    assert Counter(e.variant for e in suite("google_vm") if e.task == "move_near") == dict.fromkeys(("own_colours", "tabletop_1", "tabletop_2", "cabinet_1"), 60)


def test_names_and_numbers_are_each_episodes_own():
    for name in SUITES:
        episodes = suite(name)
        assert [e.number for e in episodes] == list(range(len(episodes)))
        assert len({e.name for e in episodes}) == len(episodes)


def test_a_widowx_layout_comes_round_every_24_episodes():
    carrots = [e for e in suite("widowx") if e.task == "widowx_carrot_on_plate"]
    assert [e.reset["obj_init_options"]["episode_id"] for e in carrots] == list(range(240))
    assert {e.max_steps for e in suite("widowx")} == {60, 120}


def test_the_seed_is_the_one_that_an_environment_draws_when_none_is_given():
    assert np.random.RandomState(2022).randint(2**32) == SEED
    assert {e.seed for name in SUITES for e in suite(name)} == {SEED}


def test_robots_look_the_way_the_published_scripts_turn_them():
    near = next(e for e in suite("google_vm") if e.task == "move_near").reset["robot_init_options"]
    assert near["init_xy"] == [0.35, 0.21]
    # wxyz of a half turn about z, 0.09 rad less
    np.testing.assert_allclose(near["init_rot_quat"], [np.sin(0.045), 0, 0, np.cos(0.045)], atol=1e-12)
    a2 = next(e for e in suite("google_vm") if e.layout == "open_top_a2")
    assert a2.reset["robot_init_options"]["init_xy"] == [0.889, -0.203] and a2.build["rgb_overlay_path"].endswith("open_drawer_a2.png")


def test_no_environment_is_asked_for_a_robot_called_none():
    versions = Counter(e.build.get("urdf_version", "own") for e in suite("google_vm"))
    assert set(versions) == {"own", "recolor_tabletop_visual_matching_1", "recolor_tabletop_visual_matching_2", "recolor_cabinet_visual_matching_1"}
    assert len(set(versions.values())) == 1


def test_the_apple_is_asked_for_by_name_in_every_drawer():
    assert count("google_vm", "place_apple", model_ids="baked_apple_v2") == 324
    assert count("google_va", "place_apple", model_ids="apple") == 189
    assert Counter(e.env_id for e in suite("google_vm") if e.task == "place_apple") == dict.fromkeys(
        (f"PlaceIntoClosed{drawer}DrawerCustomInScene-v0" for drawer in ("Top", "Middle", "Bottom")), 108
    )


def test_drawers_are_ray_traced_and_tables_are_not():
    for name in ("google_vm", "google_va"):
        assert {e.build.get("shader_dir") for e in suite(name) if e.task in ("drawer", "place_apple")} == {"rt"}
        assert {e.build.get("shader_dir") for e in suite(name) if e.task in ("pick_coke_can", "move_near")} == {None}


def test_some_of_a_suite_are_spread_over_its_variants():
    few = choose(suite("google_va"), 11, ("pick_coke_can",))
    assert len({e.variant for e in few}) == 11
    assert [e.layout for e in choose(suite("widowx"), 24, ("widowx_stack_cube",))] == [f"{n:03d}" for n in range(24)]
    assert len(choose(suite("widowx"), None)) == 960


@pytest.mark.parametrize(("episodes", "tasks"), [(0, ()), (241, ()), (None, ("fly",))])
def test_a_choice_that_makes_no_sense_is_refused(episodes, tasks):
    with pytest.raises(InputError):
        choose(suite("widowx"), episodes, tasks)


def test_an_unknown_suite_names_the_known_ones():
    with pytest.raises(InputError, match="widowx, google_vm, google_va"):
        tasks_of("franka")
