"""SimplerEnv through the vla-evaluation-harness: the benchmark's state and actions against the conventions of the bridge itself."""

from __future__ import annotations

import numpy as np
import pytest

from sim_bridge.harness import adapters_for
from sim_bridge.simpler.conventions import google_proprio, widowx_action, widowx_proprio
from vlaser_core.embodiment import load_embodiment
from vlaser_core.errors import InputError


class Drives:
    """What a policy is to the adapters: a robot and the cameras it looks through."""

    def __init__(self, robot: str, views: int = 1) -> None:
        self.embodiment = load_embodiment(robot)
        self.cameras = tuple(camera.name for camera in self.embodiment.cameras[:views])


STATE = np.array([0.3, -0.05, 0.2, 0.6, 0.1, 0.7, 0.37, 0.8])
STATE[3:7] /= np.linalg.norm(STATE[3:7])
PAYLOAD = {"images": {"primary": np.zeros((480, 640, 3), np.uint8)}, "task_description": "put carrot on plate", "states": STATE.astype(np.float32)}


@pytest.mark.parametrize(("robot", "name", "proprio"), [("widowx", "simpler-widowx", widowx_proprio), ("google_robot", "simpler-google", google_proprio)])
def test_the_state_is_what_the_bridge_makes_of_it(robot, name, proprio):
    policy = Drives(robot)
    adapters = adapters_for(policy)
    assert set(adapters) == {name}
    images, state = adapters[name].view(PAYLOAD)
    assert set(images) == set(policy.cameras) and state == pytest.approx(proprio(STATE), abs=1e-6) and state.shape == (policy.embodiment.proprio_dim,)


def test_an_action_that_the_benchmark_has_turned_is_the_bridges_own():
    adapter = adapters_for(Drives("widowx"))["simpler-widowx"]
    for openness in (0.1, 0.9):
        action = np.array([0.01, -0.02, 0.03, 0.2, -0.1, 0.4, openness])
        given = adapter.action(action)
        # The benchmark passes position and rotation on and decides the gripper at one half.
        turned = np.array([*given[:6], 1.0 if given[6] > 0.5 else -1.0])
        assert turned == pytest.approx(widowx_action(action), abs=1e-12)


def test_the_benchmark_is_asked_for_the_state_and_told_what_comes_back():
    needs = adapters_for(Drives("widowx"))["simpler-widowx"].needs()
    assert needs["observation_params"] == {"send_state": True}
    assert {name: spec["format"] for name, spec in needs["action_spec"].items()} == {"position": "delta_xyz", "rotation": "axis_angle", "gripper": "continuous_01"}


def test_the_specs_are_the_harness_own_kind():
    specs = pytest.importorskip("vla_eval.specs", reason="make setup installs vla-eval")
    needs = adapters_for(Drives("widowx"))["simpler-widowx"].needs()
    for part in ("action_spec", "observation_spec"):
        for raw in needs[part].values():
            assert specs.DimSpec.from_dict(raw).to_dict() == raw
    for known in (specs.POSITION_DELTA, specs.ROTATION_AA, specs.GRIPPER_01, specs.IMAGE_RGB, specs.LANGUAGE):
        assert {"name": known.name, "dims": known.dims, "format": known.format} in [*needs["action_spec"].values(), *needs["observation_spec"].values()]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"states": None}, "missing 'states'"),
        ({"states": np.zeros(7)}, "eef_pos"),
        ({"images": {"wrist": PAYLOAD["images"]["primary"]}}, "missing 'images/primary'"),
    ],
)
def test_what_the_benchmark_did_not_send_is_named(changes, reason):
    payload = {key: value for key, value in {**PAYLOAD, **changes}.items() if value is not None}
    with pytest.raises(InputError, match=reason):
        adapters_for(Drives("widowx"))["simpler-widowx"].view(payload)


def test_other_robots_and_policies_of_several_cameras_have_no_adapter():
    assert adapters_for(Drives("aloha")) == {} and adapters_for(Drives("robotwin", views=3)) == {}
