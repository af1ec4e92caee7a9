from __future__ import annotations

import json

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import CheckpointError, InputError
from vlaser_core.processing.normalization import Spread, Statistics, load_statistics, save_statistics


@pytest.fixture
def statistics() -> Statistics:
    values = np.random.default_rng(0).normal(0, 1, (1000, 7))
    values[:, 6] = values[:, 6] > 0
    return Statistics(Spread.of(values), Spread.of(values), 1000, 20)


def test_normalising_and_back_is_the_identity_inside_the_percentiles(statistics):
    values = np.linspace(statistics.action.p01, statistics.action.p99, 9)
    normal = statistics.normalise_actions(values, (6,))
    assert np.abs(normal[:, :6]).max() <= 1.0
    assert statistics.denormalise_actions(normal, (6,)) == pytest.approx(values, abs=1e-6)


def test_values_beyond_the_percentiles_are_clipped_to_one(statistics):
    assert statistics.normalise_proprio(np.full(7, 1e6)).tolist() == [1.0] * 7


def test_the_gripper_is_left_alone(statistics):
    actions = np.zeros((4, 7))
    actions[:, 6] = [0, 1, 0.25, 0.5]
    assert statistics.normalise_actions(actions, (6,))[:, 6].tolist() == [0, 1, 0.25, 0.5]


def test_statistics_survive_the_file(statistics, tmp_path):
    save_statistics(statistics, tmp_path / "statistics.json")
    loaded = load_statistics(tmp_path / "statistics.json")
    assert np.array_equal(loaded.action.p99, statistics.action.p99) and loaded.num_transitions == 1000


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s["action"].pop("p99"), "p99"),
        (lambda s: s.pop("proprio"), "proprio"),
        (lambda s: s["action"]["p01"].append(0.0), "differ in length"),
        (lambda s: s["proprio"]["mean"].__setitem__(0, float("nan")), "not finite"),
    ],
)
def test_a_damaged_file_is_refused_by_field(statistics, tmp_path, edit, message):
    path = tmp_path / "statistics.json"
    save_statistics(statistics, path)
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=message):
        load_statistics(path)


def test_statistics_of_another_robot_are_refused(statistics):
    widowx = load_embodiment("widowx")
    statistics.check(widowx, "here")
    eight = Spread.of(np.random.default_rng(0).normal(size=(50, 8)))
    with pytest.raises(CheckpointError, match="8 values.*'widowx' has 7"):
        Statistics(statistics.action, eight, 1, 1).check(widowx, "here")
    closedness = Spread.of(np.random.default_rng(0).normal(size=(50, 7)))
    with pytest.raises(CheckpointError, match="openness"):
        Statistics(closedness, statistics.proprio, 1, 1).check(widowx, "here")


def test_statistics_of_nothing_or_of_nan_are_refused():
    with pytest.raises(InputError):
        Spread.of(np.zeros((0, 7)))
    with pytest.raises(InputError, match="row 3"):
        Spread.of(np.where(np.arange(5)[:, None] == 3, np.nan, np.zeros((5, 7))))
