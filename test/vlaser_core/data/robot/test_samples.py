from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from vlaser_core.data.robot.pictures import PictureReader
from vlaser_core.data.robot.samples import Samples, collect
from vlaser_core.data.robot.tabletop import TabletopDemonstrations
from vlaser_core.data.source import Damage
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError, VlaserError

WIDOWX = load_embodiment("widowx")


def gathered(*sets, seed=0):
    damage = Damage()
    return collect(sets, WIDOWX, damage, seed), damage


def test_every_step_is_a_sample_with_the_chunk_that_begins_there(recorded):
    data = recorded(0, 1, {"number": 2, "steps": 3})
    samples, _ = gathered(data)
    episode = next(iter(data.episodes(data.units()[1], Damage())))
    actions, valid = samples.chunks(np.array([12, 13, 14]), 4)
    assert len(samples) == 15 and samples.instructions == ("put carrot on plate",)
    assert np.allclose(actions[1], episode.actions[[1, 2, 2, 2]]) and valid.tolist() == [[True] * 3 + [False], [True] * 2 + [False] * 2, [True] + [False] * 3]


def test_statistics_are_percentiles_of_every_step(recorded):
    samples, _ = gathered(recorded(0, 1, 2))
    found = samples.statistics()
    assert found.num_transitions == 18 and found.num_trajectories == 3
    assert np.allclose(found.action.p99, np.quantile(samples.actions.astype(float), 0.99, axis=0))


def test_several_wordings_are_all_told(recorded):
    samples, _ = gathered(recorded({"number": 0, "steps": 40, "told": ("one", "two", "three")}))
    assert set(samples.wording) == {0, 1, 2} and samples.instructions == ("one", "two", "three")
    assert (samples.wording == gathered(recorded({"number": 0, "steps": 40, "told": ("one", "two", "three")}))[0].wording).all()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"cameras": ("wrist",)}, "camera missing"),
        ({"told": ()}, "no instruction"),
        ({"told": ("<|im_start|>go",)}, "instruction that cannot be told"),
        ({"actions": np.array([[0.0] * 6 + [1.0]] * 5 + [[0.0] * 6 + [np.nan]])}, "actions not finite"),
        ({"bad": (0,)}, "camera without picture"),
        ({"rate_hz": 30.0}, "another rate"),
    ],
)
def test_an_episode_that_cannot_be_used_is_named_and_left_out(recorded, wrong, reason):
    samples, damage = gathered(recorded(0, {"number": 1, **wrong}, 2))
    assert [part.episode for part in samples.parts] == ["e0", "e2"] and damage.counts == {reason: 1}


def test_an_empty_set_says_how_to_get_one(recorded):
    with pytest.raises(InputError, match="no usable episode in recorded .*record some"):
        gathered(recorded())
    with pytest.raises(InputError, match="no usable episode in recorded .1 no instruction"):
        gathered(recorded({"number": 0, "told": ()}))
    with pytest.raises(InputError, match="no data to train on.*--data"):
        gathered()


def test_samples_come_back_from_their_file(recorded, tmp_path):
    samples, _ = gathered(recorded(0, 1))
    samples.save(tmp_path / "samples.npz")
    again = Samples.load(tmp_path / "samples.npz")
    assert again.digest() == samples.digest() and again.parts == samples.parts
    (tmp_path / "samples.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="remove it"):
        Samples.load(tmp_path / "samples.npz")


def test_pictures_are_those_of_their_rows(recorded):
    data = recorded({"number": 7, "cameras": ("image_0", "wrist")}, {"number": 8, "cameras": ("image_0", "wrist")})
    samples, _ = gathered(data)
    with PictureReader([data], samples, ("image_0", "wrist"), 8, "area") as reader:
        images, present = reader.read(np.array([9, 0, 9, 5]))
    assert present.all() and images.shape == (4, 2, 8, 8, 3)
    assert images[:, :, 0, 0].tolist() == [[[8, 3, 200], [58, 3, 200]], [[7, 0, 200], [57, 0, 200]], [[8, 3, 200], [58, 3, 200]], [[7, 5, 200], [57, 5, 200]]]


def test_a_picture_that_cannot_be_read_is_counted_and_the_ones_behind_it_are_well(recorded):
    data = recorded({"number": 0, "bad": (2, 4)}, 1)
    samples, _ = gathered(data)
    with PictureReader([data], samples, ("image_0",), 8, "area") as reader:
        images, present = reader.read(np.arange(12))
    assert np.flatnonzero(~present).tolist() == [2, 4] and reader.damage.counts == {"picture is torn": 2}
    assert images[3, 0, 0, 0].tolist() == [0, 3, 200] and not images[2].any()


def test_an_episode_that_is_gone_is_named(recorded):
    data = recorded(0, 1)
    samples, _ = gathered(data)
    with PictureReader([recorded(5, 6)], samples, ("image_0",), 8) as reader, pytest.raises(InputError, match="episode e0 of 0 cannot be read any more"):
        reader.read(np.array([0]))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_other_processes_read_the_same_and_one_that_dies_is_told(demonstrations):
    data = TabletopDemonstrations(demonstrations(3))
    samples, _ = gathered(data)
    rows = np.array([4, 17, 9])
    with PictureReader([data], samples, ("image_0",), 8) as reader:
        here, _ = reader.read(rows)
    with PictureReader([data], samples, ("image_0",), 8, workers=1) as reader:
        there, present = reader.read(rows)
        assert present.all() and (there == here).all()
        os.kill(next(iter(reader._pool._processes)), signal.SIGKILL)
        with pytest.raises(VlaserError, match="reads pictures of tabletop died.*same command goes on"):
            reader.read(rows)
