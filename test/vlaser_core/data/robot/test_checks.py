from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from vlaser_core.data.robot.adapt import Adaptation, Adapted
from vlaser_core.data.robot.checks import check_episode, require, suitable
from vlaser_core.data.robot.episode import Episode
from vlaser_core.data.robot.tabletop import TabletopDemonstrations
from vlaser_core.data.source import Damage, Unit
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError

WIDOWX = load_embodiment("widowx")
NAMES = (("x", "y", "z", "roll", "pitch", "yaw", "gripper"), ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"))


def black(steps):
    for _ in steps:
        yield np.zeros((4, 4, 3), np.uint8)


def episode(**changes):
    steps = 40
    rng = np.random.default_rng(0)
    grip = (np.arange(steps) % 20 < 10).astype(float)
    proprio = np.column_stack([rng.uniform(0.1, 0.3, (steps, 3)), rng.uniform(-0.3, 0.3, (steps, 3)), np.roll(grip, 2)])
    actions = np.column_stack([rng.uniform(-0.03, 0.03, (steps, 3)), rng.uniform(-0.1, 0.1, (steps, 3)), grip])
    found = Episode("e0", "test", ("put it there",), proprio, actions, *NAMES, 5.0, {"image_0": black})
    return dataclasses.replace(found, **({"times": np.zeros(0)} | changes)) if changes else found


class Data:
    name, licence, get = "test", "none", "write one"

    def __init__(self, *episodes):
        self._episodes = episodes

    def units(self):
        return [Unit("test", "all")]

    def episodes(self, unit, damage, only=None):
        yield from self._episodes


def scaled(values, dims, factor, offset=0.0):
    values = values.copy()
    values[:, dims] = values[:, dims] * factor + offset
    return values


def test_steps_in_which_nothing_moves_are_left_out_where_asked():
    """With their pictures; the ones before and behind them stay as they are."""
    shown = lambda steps: (np.full((4, 4, 3), step, np.uint8) for step in steps)  # noqa: E731
    actions = np.zeros((8, 7))
    actions[[2, 5], 0], actions[4:, 6] = 0.01, 1.0
    found = Adaptation(drop_idle=True).apply(episode(actions=actions, proprio=episode().proprio[:8], cameras={"image_0": shown}))
    assert found.times.tolist() == [0.0, 0.4, 0.8, 1.0] and found.actions[:, 0].tolist() == [0, 0.01, 0, 0.01]
    assert [frame[0, 0, 0] for frame in found.frames("image_0", [1, 3])] == [2, 5]
    joints = episode(actions=np.array([[0.1], [0.1], [0.2], [0.2]]), action_names=("waist",), proprio=episode().proprio[:4])
    assert len(Adaptation(drop_idle=True).apply(joints)) == 2


def test_data_of_the_robot_passes():
    assert check_episode(episode(), WIDOWX) == []


GOOD = episode()
MISFITS = {
    "camera missing": ({"cameras": {"top": black}}, "--cameras image_0:="),
    "camera without picture": ({"cameras": {"image_0": lambda steps: iter(())}}, "image_0"),
    "another rate": ({"rate_hz": 30.0}, "--stride 6"),
    "proprio in degrees": ({"proprio": scaled(GOOD.proprio, [3, 4, 5], 57.3)}, "--degrees"),
    "steps too long": ({"actions": scaled(GOOD.actions, [0, 1, 2], 1000)}, "millimetres"),
    "action gripper is not openness": ({"actions": scaled(GOOD.actions, [6], 2, -1)}, "--gripper-action -1 1"),
    "proprio gripper is not openness": ({"proprio": scaled(GOOD.proprio, [6], 100)}, "--gripper-state 0 100"),
    "gripper signs differ": ({"actions": scaled(GOOD.actions, [6], -1, 1)}, "--gripper-action 1 0"),
    "proprio of another size": ({"proprio": GOOD.proprio[:, :6], "proprio_names": NAMES[0][:6]}, "expected 7"),
}


@pytest.mark.parametrize("reason", MISFITS)
def test_a_misfit_is_named_with_what_to_do(reason):
    changes, advice = MISFITS[reason]
    findings = check_episode(episode(**changes), WIDOWX)
    assert [finding.reason for finding in findings] == [reason]
    with pytest.raises(InputError, match=advice):
        require(Data(episode(**changes)), WIDOWX, Damage())


@pytest.mark.parametrize(
    ("reason", "adaptation"),
    [
        ("camera missing", Adaptation(cameras={"image_0": "top"})),
        ("proprio gripper is not openness", Adaptation(gripper_state=(0, 100))),
        ("action gripper is not openness", Adaptation(gripper_action=(-1, 1))),
        ("gripper signs differ", Adaptation(gripper_action=(1, 0))),
    ],
)
def test_doing_what_the_message_says_makes_it_fit(reason, adaptation):
    data = Adapted(Data(episode(**MISFITS[reason][0])), adaptation)
    require(data, WIDOWX, Damage())
    (found,) = data.episodes(data.units()[0], Damage())
    np.testing.assert_allclose(found.proprio, GOOD.proprio)
    np.testing.assert_allclose(found.actions, GOOD.actions)


def test_one_misfit_among_good_ones_is_counted_and_left_out():
    data, damage = Data(episode(), episode(cameras={}, id="odd"), episode()), Damage()
    require(data, WIDOWX, damage)
    assert len(list(suitable(data, data.units()[0], WIDOWX, damage))) == 2
    assert damage.counts == {"camera missing": 1} and "odd" in damage.examples["camera missing"][0]


def test_an_empty_set_is_refused_with_how_to_get_one():
    with pytest.raises(InputError, match="no usable episode in test.*write one"):
        require(Data(), WIDOWX, Damage())


def test_a_stride_keeps_the_action_that_leads_to_the_next_kept_state():
    joints = tuple(f"joint_{index}" for index in range(7))
    steps = np.arange(7.0)[:, None] + np.zeros(7)
    absolute = Episode("e", "test", (), steps, steps + 1, joints, joints, 15.0, {"image_0": lambda wanted: (np.full((1, 1, 3), step, np.uint8) for step in wanted)})
    thin = Adaptation(stride=3).apply(absolute)
    assert thin.proprio[:, 0].tolist() == [0, 3, 6] and thin.actions[:, 0].tolist() == [3, 6, 7] and thin.rate_hz == 5
    assert [int(frame[0, 0, 0]) for frame in thin.frames("image_0")] == [0, 3, 6]
    with pytest.raises(InputError, match="differences"):
        Adaptation(stride=2).apply(episode())


def test_degrees_are_turned_but_not_the_gripper():
    joints = ("shoulder_pan.pos", "gripper.pos")
    values = np.array([[180.0, 50.0], [90.0, 100.0]])
    found = Adaptation(degrees=True, gripper_state=(0, 100)).apply(Episode("e", "test", (), values, values, joints, joints, 5.0, {}))
    np.testing.assert_allclose(found.proprio, [[np.pi, 0.5], [np.pi / 2, 1.0]])


def write_demonstration(folder, number, success=True, steps=5, told=5):
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"proprio": np.tile(GOOD.proprio[:1], (steps, 1)), "actions": GOOD.actions[:steps], "times": 3 + np.arange(steps) / 5,
              "images": np.arange(steps, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 4, 6, 3), np.uint8)}  # fmt: skip
    np.savez_compressed(folder / f"episode-{number:06d}.npz", **arrays)
    about = {"task": folder.name, "instruction": "stack", "rate_hz": 5.0, "success": success, "steps": told}
    (folder / f"episode-{number:06d}.json").write_text(json.dumps(about))


def test_tabletop_demonstrations_are_episodes_and_failed_or_damaged_ones_are_counted(tmp_path):
    for number, changes in enumerate(({}, {"success": False}, {"told": 9}, {})):
        write_demonstration(tmp_path / "widowx_stack_cube", number, **changes)
    (tmp_path / "widowx_stack_cube/episode-000003.json").unlink()
    data, damage = TabletopDemonstrations(tmp_path), Damage()
    (unit,) = data.units()
    (found,) = data.episodes(unit, damage)
    assert found.times.tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8]) and found.success
    assert [int(frame[0, 0, 0]) for frame in found.frames("image_0", [1, 4])] == [1, 4]
    assert damage.counts == {"episode did not succeed": 1, "steps missing from the data file": 1, "demonstration cannot be read": 1}
    with pytest.raises(InputError, match="sim_bridge.tabletop.record demos"):
        TabletopDemonstrations(tmp_path / "nothing").units()
