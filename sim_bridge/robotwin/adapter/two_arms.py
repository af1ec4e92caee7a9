"""RoboTwin's views and actions of its two-arm robot, and the policy's: fourteen joint targets, six joints and openness an arm, left first."""

from __future__ import annotations

import numpy as np

from .vlaser_client import Policy, VlaserError

DIMENSIONS = 14
HEAD, LEFT, RIGHT = "head_camera", "left_camera", "right_camera"
EPISODES, CHUNKS = 10_000_000, 10_000  # that may be told apart by the seed of their noise


class TwoArms:
    """A policy asked for this robot. colours: `true` as the simulator draws, `swapped` for a policy that was trained with red and blue
    exchanged, as the published one was (see the data reader). executed_steps: of a chunk before the next look; None for all.
    seed: of the noise; the same seed, episode and answers give the same actions."""

    def __init__(self, policy: Policy, colours: str = "true", executed_steps: int | None = None, seed: int = 0) -> None:
        if colours not in ("true", "swapped"):
            raise VlaserError(f"colours are true or swapped, got {colours!r}")
        actions, asked = policy.metadata["actions"], policy.metadata["observation"]
        if actions["kind"] != "joints" or len(actions["names"]) != DIMENSIONS or len(asked["state"]["names"]) != DIMENSIONS:
            raise VlaserError(
                f"the served policy drives {policy.metadata['embodiment']!r} by {len(actions['names'])} values ({actions['kind']}); "
                f"RoboTwin's robot takes {DIMENSIONS} joint targets: serve a checkpoint whose contract is `robotwin`"
            )
        if executed_steps is not None and not 1 <= executed_steps <= actions["horizon"]:
            raise VlaserError(f"executed_steps must be 1…{actions['horizon']}, got {executed_steps}")
        self._keys = {camera["camera"]: camera["key"] for camera in asked["cameras"] if camera["required"]}
        if not set(self._keys) <= {HEAD, LEFT, RIGHT}:
            raise VlaserError(f"the served policy looks through {sorted(self._keys)}; RoboTwin shows {HEAD}, {LEFT}, {RIGHT}")
        (self._state,) = asked["state"]["keys"]
        self._prompt, self._policy, self._swapped = asked["prompt"], policy, colours == "swapped"
        self.executed_steps = executed_steps or actions["horizon"]
        self._seed, self._episode = seed, -1
        self.inference_s: list[float] = []  # of the present episode's chunks, as the server measured them

    def begin(self, episode: int | None = None) -> None:
        """A new episode: its noise depends on the seed and on `episode`, by default how many came before."""
        self._episode = self._episode + 1 if episode is None else episode
        self._policy.reset((self._seed * EPISODES + self._episode % EPISODES) * CHUNKS)
        self.inference_s = []

    def chunk(self, pictures: dict, state: np.ndarray, instruction: str) -> np.ndarray:
        """Actions (n, 14) for a view. pictures: RGB uint8 (height, width, 3) by the simulator's camera. state: (14,)."""
        missing = [name for name in self._keys if name not in pictures]
        if missing:
            raise VlaserError(f"no picture of {missing[0]}; there are {sorted(pictures)}: the task configuration must collect head and wrist cameras")
        state = np.asarray(state, dtype=float).reshape(-1)
        if state.shape != (DIMENSIONS,):
            raise VlaserError(f"the state must be {DIMENSIONS} values, got {state.size}: this policy knows aloha-agilex alone")
        message = {key: self._picture(pictures[name]) for name, key in self._keys.items()}
        answer = self._policy.infer({**message, self._state: state, self._prompt: str(instruction)})
        self.inference_s.append(answer["server_timing"]["infer_ms"] / 1000)
        return answer["actions"][: self.executed_steps]

    def _picture(self, picture: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.asarray(picture)[..., ::-1] if self._swapped else picture)


def policy_of(options: dict) -> TwoArms:
    """The policy that a configuration names: vlaser_url, vlaser_token_file, colours, executed_steps, seed."""
    token = None
    if options.get("vlaser_token_file"):
        with open(options["vlaser_token_file"], encoding="ascii") as file:
            token = file.read().strip()
    steps = options.get("executed_steps")
    return TwoArms(
        Policy(options.get("vlaser_url") or "ws://127.0.0.1:8000", token),
        str(options.get("colours") or "true").lower(),
        int(steps) if steps else None,
        int(options.get("seed") or 0),
    )
