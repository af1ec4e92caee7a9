from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError
from vlaser_core.evaluate.open_loop import THRESHOLDS, compare, percentiles
from vlaser_core.processing.normalization import Spread, Statistics

ROBOT = load_embodiment("widowx")
H, A = ROBOT.action.horizon, ROBOT.action_dim


@pytest.fixture
def statistics() -> Statistics:
    """±1 spans ±0.02 in every dimension."""
    spread = Spread(*(np.full(A, value) for value in (0.0, 0.01, 0.02, -0.02, 0.02, -0.02)))
    return Statistics(spread, spread, 100, 10)


def test_the_same_chunks_differ_by_nothing(statistics):
    chunks = np.random.default_rng(0).normal(0, 0.01, (5, H, A))
    report = compare(ROBOT, statistics, chunks, chunks).to_json()
    assert report["l1"]["mean"] == 0 and (report["chunks"], report["steps"]) == (5, 5 * H)
    assert all(report["within"][str(t)]["all_dims"] == 1 for t in THRESHOLDS)


def test_one_wrong_number_shows_where_it_stands(statistics):
    recorded = np.zeros((2, H, A))
    predicted = recorded.copy()
    predicted[1, 2, 0] = 0.005  # a quarter of the span's half: 0.25 normalised
    report = compare(ROBOT, statistics, predicted, recorded).to_json()
    assert report["l1"]["per_step_dim"][2][0] == pytest.approx(0.125, rel=1e-5) and report["l1"]["per_dim"]["dx"] == pytest.approx(0.125 / H, rel=1e-5)
    assert np.count_nonzero(report["l1"]["per_step_dim"]) == 1
    assert report["l1_physical"]["per_step_dim"][2][0] == pytest.approx(0.0025)
    for threshold in THRESHOLDS:
        inside = threshold > 0.25
        shares = report["within"][str(threshold)]
        assert shares["all_dims"] == (1.0 if inside else pytest.approx(1 - 1 / (2 * H)))
        assert shares["per_step"][2] == (1.0 if inside else 0.5) and shares["per_step"][0] == 1.0
        assert shares["per_dim"]["dy"] == 1.0 and shares["per_step_dim"][2][0] == (1.0 if inside else 0.5)


def test_a_step_counts_only_when_all_its_dimensions_do(statistics):
    recorded = np.zeros((1, H, A))
    predicted = recorded.copy()
    for step in range(H):
        predicted[0, step, step % 6] = 0.015
    shares = compare(ROBOT, statistics, predicted, recorded).within(0.5)
    assert shares["all_dims"] == 0 and all(0 < value <= 1 for value in shares["per_dim"].values())


def test_the_gripper_is_compared_as_openness(statistics):
    recorded, predicted = np.zeros((1, H, A)), np.zeros((1, H, A))
    recorded[..., 6], predicted[..., 6] = 1.0, 0.6
    assert compare(ROBOT, statistics, predicted, recorded).l1()["per_dim"]["gripper"] == pytest.approx(0.4)


def test_what_lies_beyond_the_percentiles_is_clipped_as_in_training(statistics):
    recorded, predicted = np.zeros((1, H, A)), np.zeros((1, H, A))
    recorded[..., 0], predicted[..., 0] = 0.05, 0.03
    found = compare(ROBOT, statistics, predicted, recorded)
    assert found.l1()["per_dim"]["dx"] == 0 and found.physical_l1()["per_dim"]["dx"] == pytest.approx(0.02)


@pytest.mark.parametrize("shape", [(0, H, A), (2, H + 1, A), (2, H, A - 1), (H, A)])
def test_other_shapes_are_refused(statistics, shape):
    with pytest.raises(InputError, match="open-loop comparison takes"):
        compare(ROBOT, statistics, np.zeros(shape), np.zeros(shape))


def test_a_number_that_is_not_finite_is_refused(statistics):
    chunks = np.zeros((1, H, A))
    chunks[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="finite"):
        compare(ROBOT, statistics, chunks, np.zeros((1, H, A)))


def test_percentiles_of_nothing_are_nothing():
    assert percentiles([]) is None
    assert percentiles([3.0]) == {"p50": 3.0, "p90": 3.0, "p99": 3.0, "mean": 3.0, "max": 3.0, "count": 1}
