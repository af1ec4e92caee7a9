"""Worlds by name: only the one that is asked for is imported, and one that cannot be says what it needs."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import ConfigError
from vlaser_ros.drivers.worlds import WORLDS, make_world
from vlaser_ros.stand_in import StandInEngine


@pytest.mark.parametrize("robot", ["widowx", "aloha"])
def test_the_stand_ins_take_any_robot_and_reach_their_goal(robot):
    embodiment = load_embodiment(robot)
    world, engine = make_world("stand_in", embodiment), StandInEngine(embodiment, delay=0.0)
    world.reset("reach", 3)
    observation = world.observe()
    assert list(observation.images) == [camera.name for camera in embodiment.cameras]
    chunk = engine.predict(observation, "close")
    assert chunk.actions.shape == (embodiment.action.horizon, embodiment.action_dim)
    assert (chunk.actions[:, list(embodiment.action.gripper_dims)] == 0.0).all() and np.isfinite(chunk.actions).all()


def test_an_unknown_world_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="moon.*tabletop.*aloha"):
        make_world("moon", load_embodiment("widowx"))


def test_a_world_without_its_simulator_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, WORLDS["aloha"].module, None)
    with pytest.raises(ConfigError, match="aloha.*pip install mujoco"):
        make_world("aloha", load_embodiment("aloha"))
