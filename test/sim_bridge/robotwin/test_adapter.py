"""The adapter as RoboTwin and XPolicyLab call it, over a stand-in of their interfaces and a policy that is really served."""

from __future__ import annotations

import importlib
import sys
import types

import numpy as np
import pytest

from sim_bridge.robotwin.adapter import deploy, deploy_policy
from sim_bridge.robotwin.adapter.two_arms import TwoArms
from sim_bridge.robotwin.adapter.vlaser_client import Policy, VlaserError
from vlaser_core.serve.background import in_background
from vlaser_core.serve.keys import default_keys
from vlaser_core.serve.settings import Settings

from .conftest import BASE_TASK, Pusher


@pytest.fixture
def task(tmp_path, monkeypatch):
    """The stand-in TASK_ENV, in this process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "behaviour.json").write_text("{}")
    source = BASE_TASK.replace("from .utils.create_actor import UnStableError", "UnStableError = RuntimeError").replace("from ._GLOBAL_CONFIGS import CONFIGS_PATH", "")
    scope: dict = {}
    exec(compile(source, "stand_in", "exec"), scope)  # noqa: S102  (our own text)
    task = scope["Base_Task"]()
    robot = {"robot": "stand-in"}
    shown = {"data_type": {"rgb": True, "qpos": True}, "head_camera_w": 320, "render_freq": 0}
    task.setup_demo(0, 100000, True, task_name="click_bell", eval_mode=True, left_embodiment_config=robot, **shown)
    task.set_instruction("press the bell")
    return task


def test_an_episode_is_played_as_robotwins_evaluation_plays_it(task, served, pusher):
    model = deploy_policy.get_model({"vlaser_url": served.url, "seed": 2, "task_name": "click_bell", "executed_steps": None})
    deploy_policy.reset_model(model)
    looks = 0
    while task.take_action_cnt < task.step_lim and not task.eval_success:
        deploy_policy.eval(task, model, task.get_obs())
        looks += 1
    # Ten actions reach the end, in chunks of eight; the stand-in raises on an action after success.
    assert task.eval_success and task.take_action_cnt == 10 and looks == 2
    (first, instruction, seed), (second, _, next_seed) = pusher.shown
    assert instruction == "press the bell" and seed == 2 * 10_000_000 * 10_000 and next_seed == seed + 1
    assert set(first.images) == {"head_camera", "left_camera", "right_camera"} and first.images["head_camera"][0, 0].tolist() == [200, 30, 90]
    assert first.proprio.tolist() == [0.0] * 14 and second.proprio[0] == pytest.approx(0.8)


def test_the_step_limit_ends_a_chunk(task, served):
    task.step_lim = 3
    model = deploy_policy.get_model({"vlaser_url": served.url})
    deploy_policy.reset_model(model)
    deploy_policy.eval(task, model, task.get_obs())
    assert task.take_action_cnt == 3 and not task.eval_success


def test_fewer_steps_of_a_chunk_can_be_executed(task, served):
    model = deploy_policy.get_model({"vlaser_url": served.url, "executed_steps": "2"})
    deploy_policy.reset_model(model)
    deploy_policy.eval(task, model, task.get_obs())
    assert task.take_action_cnt == 2
    with pytest.raises(VlaserError, match="executed_steps must be 1…8"):
        deploy_policy.get_model({"vlaser_url": served.url, "executed_steps": 9})


def test_colours_are_exchanged_when_the_policy_was_trained_so(task, served, pusher):
    model = deploy_policy.get_model({"vlaser_url": served.url, "colours": "swapped"})
    deploy_policy.reset_model(model)
    deploy_policy.eval(task, model, task.get_obs())
    assert pusher.shown[0][0].images["head_camera"][0, 0].tolist() == [90, 30, 200]
    with pytest.raises(VlaserError, match="true or swapped"):
        deploy_policy.get_model({"vlaser_url": served.url, "colours": "bgr"})


def test_the_state_is_the_same_from_its_parts(task):
    observation = task.get_obs()
    observation["joint_action"]["left_gripper"], observation["joint_action"]["vector"][6] = 0.4, 0.4
    whole = deploy_policy.state_of(observation)
    del observation["joint_action"]["vector"]
    assert np.array_equal(deploy_policy.state_of(observation), whole) and whole.shape == (14,)


def test_a_camera_that_is_not_collected_is_named(task, served):
    model = deploy_policy.get_model({"vlaser_url": served.url})
    observation = task.get_obs()
    del observation["observation"]["left_camera"]["rgb"]
    with pytest.raises(VlaserError, match="no picture of left_camera.*must collect head and wrist cameras"):
        deploy_policy.eval(task, model, observation)


def test_a_policy_of_another_robot_is_refused_before_anything_moves():
    widowx = Pusher("widowx", views=1)
    with in_background(widowx, default_keys(widowx.embodiment), Settings(port=0), checkpoint="nano") as server:
        with pytest.raises(VlaserError, match="drives 'widowx' by 7 values.*serve a checkpoint whose contract is `robotwin`"):
            deploy_policy.get_model({"vlaser_url": server.url})


def test_a_policy_of_other_cameras_is_refused():
    aloha = Pusher("aloha", views=1)
    with in_background(aloha, default_keys(aloha.embodiment), Settings(port=0), checkpoint="aloha") as server:
        with pytest.raises(VlaserError, match="looks through .'cam_high'.; RoboTwin shows head_camera"):
            TwoArms(Policy(server.url))


def test_only_the_pictures_the_policy_looks_at_are_sent(task):
    head = Pusher(views=1)
    with in_background(head, default_keys(head.embodiment), Settings(port=0), checkpoint="head") as server:
        model = deploy_policy.get_model({"vlaser_url": server.url})
        deploy_policy.eval(task, model, task.get_obs())
    assert set(head.shown[0][0].images) == {"head_camera"}


def test_the_token_is_read_from_its_file(pusher, tmp_path):
    (tmp_path / "token").write_text("correct-horse-battery\n")
    with in_background(pusher, default_keys(pusher.embodiment), Settings(port=0, token="correct-horse-battery"), checkpoint="test") as server:
        assert deploy_policy.get_model({"vlaser_url": server.url, "vlaser_token_file": str(tmp_path / "token")}).executed_steps == 8


@pytest.fixture
def xpolicylab(monkeypatch):
    """`model.py` beside XPolicyLab's template, of which nothing but the class is needed."""
    package, template = types.ModuleType("XPolicyLab"), types.ModuleType("XPolicyLab.model_template")
    template.ModelTemplate = type("ModelTemplate", (), {})
    monkeypatch.setitem(sys.modules, "XPolicyLab", package)
    monkeypatch.setitem(sys.modules, "XPolicyLab.model_template", template)
    monkeypatch.delitem(sys.modules, "sim_bridge.robotwin.adapter.model", raising=False)
    yield importlib.import_module("sim_bridge.robotwin.adapter.model")
    sys.modules.pop("sim_bridge.robotwin.adapter.model", None)


def view(env_idx: int = 0, push: float = 0.0) -> dict:
    """Observation Data Format v1.0."""
    camera = {"color": np.full((240, 320, 3), (200, 30, 90), np.uint8), "shape": (240, 320)}
    state = {"left_arm_joint_state": np.array([push, 0, 0, 0, 0, 0], np.float32), "left_ee_joint_state": np.array([1.0], np.float32)}
    state |= {"right_arm_joint_state": np.zeros(6, np.float32), "right_ee_joint_state": np.array([0.5], np.float32), "left_ee_pose": np.zeros(7)}
    vision = {"cam_head": camera, "cam_left_wrist": camera, "cam_right_wrist": camera, "cam_third_view": camera}
    return {"data_format_version": "v1.0", "instruction": "press the bell", "instructions": ["press the bell"], "env_idx": env_idx, "vision": vision, "state": state}


def test_xpolicylab_gets_actions_by_name(xpolicylab, served, pusher):
    model = xpolicylab.Model({"vlaser_url": served.url, "action_type": "joint", "seed": None, "port": 19000})
    model.reset()
    model.update_obs(view(push=0.2))
    actions = model.get_action()
    assert len(actions) == 8 and set(actions[0]) == {name for name, _ in xpolicylab.PARTS}
    assert actions[0]["left_arm_joint_state"].shape == (6,) and actions[0]["left_arm_joint_state"][0] == pytest.approx(0.3)
    assert actions[0]["left_ee_joint_state"].tolist() == [1.0] and actions[0]["right_ee_joint_state"].tolist() == [0.5]
    observation, instruction, seed = pusher.shown[0]
    assert instruction == "press the bell" and seed == 0 and observation.proprio[6] == 1.0 and observation.proprio[13] == 0.5


def test_xpolicylabs_batches_are_answered_for_each_environment(xpolicylab, served):
    model = xpolicylab.Model({"vlaser_url": served.url})
    model.reset({"task_name": "click_bell"})
    model.update_obs_batch([view(3, 0.0), view(5, 0.5)])
    chunks = model.get_action_batch([5, 3])
    assert [chunk[0]["left_arm_joint_state"][0] for chunk in chunks] == pytest.approx([0.6, 0.1])
    assert len(model.get_action_batch()) == 2


def test_xpolicylab_is_told_what_is_missing(xpolicylab, served):
    model = xpolicylab.Model({"vlaser_url": served.url})
    with pytest.raises(VlaserError, match="before update_obs"):
        model.get_action()
    without = view()
    del without["state"]["right_arm_joint_state"]
    model.update_obs(without)
    with pytest.raises(VlaserError, match="no right_arm_joint_state"):
        model.get_action()
    with pytest.raises(VlaserError, match="action_type must be joint, got 'ee'"):
        xpolicylab.Model({"vlaser_url": served.url, "action_type": "ee"})


class Environments:
    """XPolicyLab's TASK_ENV: two environments whose first joints are pushed to 1; one is half-way already."""

    def __init__(self) -> None:
        self.push, self.steps = {0: 0.0, 1: 0.5}, 0

    def is_episode_end(self) -> bool:
        return not self.get_running_env_idx_list()

    def get_running_env_idx_list(self) -> list:
        return [index for index, value in self.push.items() if value < 0.95]

    def get_obs(self) -> dict:
        return view(0, self.push[0])

    def get_obs_batch(self, indices) -> list:
        return [view(index, self.push[index]) for index in indices]

    def take_action(self, action) -> None:
        self.take_action_batch([action], [0])

    def take_action_batch(self, actions, indices) -> None:
        assert not self.is_episode_end() and len(actions) == len(indices)
        self.steps += 1
        for action, index in zip(actions, indices, strict=True):
            assert self.push[index] < 0.95, "an action after the end"
            self.push[index] = float(action["left_arm_joint_state"][0])


class Client:
    """XPolicyLab's model client, without its wire."""

    def __init__(self, model) -> None:
        self._model = model

    def call(self, func_name: str, obs=None):
        method = getattr(self._model, func_name)
        return method(obs) if obs is not None else method()


def test_xpolicylabs_loop_ends_when_the_episode_does(xpolicylab, served):
    environments = Environments()
    environments.push[1] = 1.0
    deploy.eval_one_episode(environments, Client(xpolicylab.Model({"vlaser_url": served.url})))
    assert environments.steps == 10 and environments.is_episode_end()


def test_xpolicylabs_batch_goes_on_with_those_that_are_not_done(xpolicylab, served):
    environments = Environments()
    deploy.eval_one_episode_batch(environments, Client(xpolicylab.Model({"vlaser_url": served.url})))
    assert environments.is_episode_end() and environments.steps == 10
