"""XPolicyLab's adapter: a `Model` that its policy server calls, in whatever environment that runs in."""

from __future__ import annotations

import numpy as np
from XPolicyLab.model_template import ModelTemplate

from .two_arms import HEAD, LEFT, RIGHT, VlaserError, policy_of

CAMERAS = {"cam_head": HEAD, "cam_left_wrist": LEFT, "cam_right_wrist": RIGHT}
# Observation Data Format v1.0: name and size of each part of the fourteen values, in their order.
PARTS = (("left_arm_joint_state", 6), ("left_ee_joint_state", 1), ("right_arm_joint_state", 6), ("right_ee_joint_state", 1))


class Model(ModelTemplate):
    """Keeps the newest observation of each environment and asks the served policy for a chunk."""

    def __init__(self, model_cfg: dict) -> None:
        super().__init__()
        action_type = model_cfg.get("action_type") or "joint"
        if action_type != "joint":
            raise VlaserError(f"this policy gives joint targets: action_type must be joint, got {action_type!r}")
        self.model = policy_of(model_cfg)
        self._observations: dict = {}

    def update_obs(self, obs: dict) -> None:
        self.update_obs_batch([obs])

    def update_obs_batch(self, obs_list: list) -> None:
        self._observations = {obs.get("env_idx", index): obs for index, obs in enumerate(obs_list)}

    def get_action(self) -> list:
        """The chunk of the one environment: a list of actions by name."""
        return self.get_action_batch()[0]

    def get_action_batch(self, env_idx_list: list | None = None) -> list:
        """A chunk for each environment, the newest observations' by default."""
        if not self._observations:
            raise VlaserError("an action was asked for before update_obs")
        return [self._chunk(self._observations[index]) for index in (env_idx_list or list(self._observations))]

    def reset(self, case: object = None) -> None:
        self._observations = {}
        self.model.begin()

    def _chunk(self, obs: dict) -> list:
        vision, state = obs["vision"], obs["state"]
        pictures = {CAMERAS[name]: camera["color"] for name, camera in vision.items() if name in CAMERAS and "color" in camera}
        missing = [name for name, _ in PARTS if name not in state]
        if missing:
            raise VlaserError(f"the state has no {missing[0]}; it has {sorted(state)}")
        values = np.concatenate([np.ravel(np.asarray(state[name], dtype=float)) for name, _ in PARTS])
        return [_named(action) for action in self.model.chunk(pictures, values, _instruction(obs))]


def _instruction(obs: dict) -> str:
    found = obs.get("instruction") or obs.get("instructions") or ""
    return str(found[0] if isinstance(found, (list, tuple)) else found)


def _named(action: np.ndarray) -> dict:
    named, at = {}, 0
    for name, size in PARTS:
        named[name] = np.asarray(action[at : at + size], dtype=np.float32)
        at += size
    return named
