"""The example that drives the tabletop over a socket, with the scripted expert behind the socket."""

from __future__ import annotations

import socket

import numpy as np

from sim_bridge.robotwin.adapter.vlaser_client import Policy
from sim_bridge.tabletop import ScriptedExpert, Tabletop
from sim_bridge.world import execute
from vlaser_core.embodiment import load_embodiment
from vlaser_core.processing.actions import joint_waypoints
from vlaser_core.serve.background import in_background
from vlaser_core.serve.keys import default_keys
from vlaser_core.serve.settings import Settings
from vlaser_core.types import ActionChunk
from vlaser_ros.examples import remote_policy


class Expert:
    """Looks at the world itself instead of at the picture, and gives what the wire has to carry."""

    cameras = ("image_0",)

    def __init__(self, world: Tabletop) -> None:
        self.embodiment, self._expert, self.told = load_embodiment("widowx"), ScriptedExpert(world), []

    def predict(self, observation, instruction, *, seed=None):
        self.told.append((instruction, seed, observation.images["image_0"].shape))
        return ActionChunk(self._expert.chunk(), observation.stamp, self.embodiment.action.dt, 0.001)


def test_the_arm_goes_over_the_wire_as_it_goes_without_one(monkeypatch, capsys):
    world, alone = Tabletop("rays"), Tabletop("rays")
    monkeypatch.setattr(remote_policy, "Tabletop", lambda renderer: world)
    expert = Expert(world)
    with in_background(expert, default_keys(expert.embodiment), Settings(port=0), checkpoint="expert") as server:
        assert remote_policy.main(["--url", server.url, "--seed", "3", "--steps", "8"]) == 1
    assert "put carrot on plate: not done" in capsys.readouterr().out
    assert expert.told == [("put carrot on plate", 3000, (240, 320, 3)), ("put carrot on plate", 3001, (240, 320, 3))]
    alone.reset("widowx_carrot_on_plate", 3)
    unwired = Expert(alone)
    for _ in range(2):
        joints, _ = alone.joint_state()
        execute(alone, joint_waypoints(alone.embodiment, unwired.predict(alone.observe(), ""), joints))
    assert np.array_equal(world.joint_state()[0], alone.joint_state()[0])


def test_nobody_at_the_address_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(remote_policy, "Policy", lambda url, wait: Policy(url, wait=0.05))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert remote_policy.main(["--url", f"ws://127.0.0.1:{free.getsockname()[1]}"]) == 2
    assert "start `vlaser serve` first" in capsys.readouterr().err
