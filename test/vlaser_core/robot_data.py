"""Recorded episodes for tests, in memory and on disk: fixtures of the conftests that load this file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.robot.episode import Episode
from vlaser_core.data.source import Unit

NAMES = (("x", "y", "z", "roll", "pitch", "yaw", "gripper"), ("dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"))


class Pictures:
    """Of each step a picture whose colour says which it is; `bad` steps cannot be read."""

    def __init__(self, colour, bad):
        self.colour, self.bad = colour, bad

    def __call__(self, steps):
        for step in steps:
            if step in self.bad:
                raise Damaged("picture is torn", f"step {step}")
            yield np.full((16, 24, 3), (self.colour, step, 200), np.uint8)


class Recorded:
    """Robot data in memory; one unit for every two episodes."""

    name, licence, get = "recorded", "none", "record some"

    def __init__(self, *episodes):
        self.held = episodes

    def units(self):
        return [Unit(self.name, str(first)) for first in range(0, len(self.held), 2)]

    def episodes(self, unit, damage, only=None):
        for make in self.held[int(unit.key) : int(unit.key) + 2]:
            try:
                episode = make()
            except Damaged as error:
                damage.skip("an episode", error.reason)
                continue
            if only is None or episode.id in only:
                yield episode


def make_episode(number, steps=6, cameras=("image_0",), told=("put carrot on plate",), bad=(), **changes):
    rng = np.random.default_rng(number)
    grip = (np.arange(steps) % 20 < 10).astype(float)
    proprio = np.column_stack([rng.uniform(0.1, 0.3, (steps, 3)), rng.uniform(-0.3, 0.3, (steps, 3)), grip])
    actions = np.column_stack([rng.uniform(-0.02, 0.02, (steps, 3)), rng.uniform(-0.1, 0.1, (steps, 3)), grip])
    views = {camera: Pictures(number + 50 * place, bad) for place, camera in enumerate(cameras)}
    return Episode(**{"id": f"e{number}", "data_set": "recorded", "instructions": told, "proprio": proprio, "actions": actions} | {
        "proprio_names": NAMES[0], "action_names": NAMES[1], "rate_hz": 5.0, "cameras": views} | changes)  # fmt: skip


@pytest.fixture
def recorded():
    """`recorded(0, 1, 2)`: that many episodes of six steps; a dict instead of a number changes one (`number`, `steps`, `told`, …)."""

    def make(*episodes):
        settings = [episode if isinstance(episode, dict) else {"number": episode} for episode in episodes]
        return Recorded(*[lambda own=own: make_episode(**own) for own in settings])

    return make


@pytest.fixture
def demonstrations(tmp_path):
    """`demonstrations(3)`: a folder of that many tabletop demonstrations of six steps, in the simulator's own layout."""

    def write(count, folder="demonstrations"):
        for number in range(count):
            episode, place = make_episode(number), tmp_path / folder / "carrot" / f"episode-{number:06d}"
            place.parent.mkdir(parents=True, exist_ok=True)
            images = np.stack(list(episode.frames("image_0")))
            np.savez(place.with_suffix(".npz"), images=images, proprio=episode.proprio, actions=episode.actions, times=episode.times)
            about = {"instruction": episode.instruction, "rate_hz": 5.0, "success": True, "steps": len(episode)}
            place.with_suffix(".json").write_text(json.dumps(about))
        return tmp_path / folder

    return write
