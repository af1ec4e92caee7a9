from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from sim_bridge.tabletop import TASKS, ScriptedExpert
from sim_bridge.tabletop.expert import hand_yaw


@pytest.mark.parametrize("task", TASKS)
def test_boxes_hold_exactly_the_visible_pixels(tabletop, task):
    tabletop.reset(task, 3)
    truth, seen = tabletop.truth(200, 150), tabletop.segmentation(200, 150)
    for name, group in ((truth.source, 2), (truth.target, 3)):
        thing = truth.object(name)
        x1, y1, x2, y2 = thing.box
        rows, columns = np.nonzero(seen == group)
        assert (x1, x2) == (round(columns.min() * 5), round((columns.max() + 1) * 5))
        assert (y1, y2) == (round(rows.min() * 1000 / 150), round((rows.max() + 1) * 1000 / 150))
        x, y = thing.point
        assert seen[int(y * 150 / 1000), int(x * 200 / 1000)] == group
        assert 0.3 < thing.visible_fraction <= 1.0


def test_an_object_out_of_sight_has_no_box(tabletop):
    tabletop.reset("widowx_stack_cube", 0)
    away = tabletop.state().source
    away[:2, 3] = (-0.3, 0.3)
    tabletop.put("green_block", away)
    tabletop.advance(0.01)
    thing = tabletop.truth().object("green_block")
    assert thing.box is None and thing.point is None and thing.visible_fraction == 0.0


def test_an_object_behind_the_arm_is_partly_visible_and_the_other_wholly(tabletop):
    """Wherever nothing covers an object, the short way to its visible fraction agrees with drawing it alone."""
    tabletop.reset("widowx_carrot_on_plate", 0)
    rng, fractions = np.random.default_rng(2), []
    for _ in range(20):
        tabletop.scatter(rng)
        truth, seen = tabletop.truth(160, 120), tabletop.segmentation(160, 120)
        for name, group in ((truth.source, 2), (truth.target, 3)):
            exact = (seen == group).sum() / max(1, tabletop.alone(160, 120, group).sum())
            assert truth.object(name).visible_fraction == pytest.approx(exact, abs=1e-3)
            fractions.append(exact)
    assert min(fractions) < 0.8 and max(fractions) == 1.0


def test_points_angle_and_phase_speak_of_the_present_state(tabletop):
    tabletop.reset("widowx_carrot_on_plate", 5)
    truth, state = tabletop.truth(), tabletop.state()
    at, _ = tabletop.view.project(state.gripper[:3, 3])
    assert truth.gripper_point == tuple(int(value) for value in np.round(1000 * at))
    assert truth.gripper_height_mm == round(1000 * state.gripper[2, 3])
    assert truth.phase == ScriptedExpert(tabletop).phase() == "reach"
    # Fingers close across the carrot: at right angles to its axis.
    assert (truth.grasp_angle_deg - 90 - np.degrees(truth.object("carrot").yaw)) % 180 == pytest.approx(0, abs=1) or pytest.approx(180, abs=1)
    assert abs(hand_yaw(state.gripper)) < 0.2
    assert truth.instruction == TASKS[truth.task].instruction and truth.success is False


def test_truth_is_plain_data(tabletop):
    tabletop.reset("widowx_stack_cube", 1)
    truth = tabletop.truth(96, 72)
    assert json.loads(json.dumps(dataclasses.asdict(truth)))["objects"][0]["name"] == "green_block"
