"""RoboTwin 2.0's own evaluation (`script/eval_policy.py`, `deploy_policy.yml`): get_model, eval, reset_model."""

from __future__ import annotations

import numpy as np

from .two_arms import HEAD, LEFT, RIGHT, TwoArms, policy_of

__all__ = ["eval", "get_model", "reset_model"]


def get_model(usr_args: dict) -> TwoArms:
    """Called once with the configuration and its overrides."""
    return policy_of(usr_args)


def reset_model(model: TwoArms) -> None:
    """Called before every episode."""
    model.begin()


def eval(TASK_ENV, model: TwoArms, observation: dict) -> None:  # noqa: A001  (RoboTwin's name)
    """One look, and the steps it leads to. Each action blocks until the arms have moved; the episode ends early when the task succeeds."""
    for action in model.chunk(pictures_of(observation), state_of(observation), TASK_ENV.get_instruction()):
        TASK_ENV.take_action(action)
        if TASK_ENV.eval_success or TASK_ENV.take_action_cnt >= TASK_ENV.step_lim:
            return


def pictures_of(observation: dict) -> dict:
    """RGB by camera of RoboTwin's observation."""
    cameras = observation["observation"]
    return {name: cameras[name]["rgb"] for name in (HEAD, LEFT, RIGHT) if "rgb" in cameras.get(name, {})}


def state_of(observation: dict) -> np.ndarray:
    """Left arm and gripper, right arm and gripper (14,)."""
    joints = observation["joint_action"]
    if "vector" in joints:
        return np.asarray(joints["vector"], dtype=float)
    return np.concatenate([np.ravel(joints[name]) for name in ("left_arm", "left_gripper", "right_arm", "right_gripper")]).astype(float)
