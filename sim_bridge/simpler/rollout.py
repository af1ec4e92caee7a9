"""One episode: look, think, act in the simulator, until its time is up. Success is the flag at the final step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np

from sim_bridge.simpler.link import SimulatorLink
from sim_bridge.simpler.robots import Adapter
from sim_bridge.simpler.suites import Episode
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.types import ActionChunk, Observation

SEEDS_APART = 1000  # more than an episode has chunks: no two episodes draw the same noise


class Policy(Protocol):
    """What is judged. begin: called at every episode's start; only an oracle asks the simulator anything."""

    embodiment: Embodiment

    def begin(self, episode: Episode, simulator: SimulatorLink) -> None: ...

    def __call__(self, observation: Observation, instruction: str, seed: int) -> ActionChunk: ...


@dataclass(frozen=True)
class Outcome:
    """What came of an episode. success: the flag at the final step; success_any: at any step.

    instructions: in the order they were given; actions: digest of every number the simulator was given; inference_s: of each chunk.
    restarts: simulators that were lost before one lived through it; stats: the simulator's own account.
    """

    name: str
    number: int
    task: str
    variant: str
    success: bool
    success_any: bool
    steps: int
    chunks: int
    instructions: tuple[str, ...]
    actions: str
    inference_s: tuple[float, ...]
    stats: dict = field(default_factory=dict)
    restarts: int = 0

    def to_json(self) -> dict:
        return {**asdict(self), "inference_s": [round(seconds, 5) for seconds in self.inference_s]}


def policy_seed(episode: Episode, seed: int = 0) -> int:
    """Noise seed of an episode's first chunk; each later chunk adds one. seed: of the whole evaluation."""
    return (seed + episode.number) * SEEDS_APART


def run_episode(
    link: SimulatorLink,
    episode: Episode,
    policy: Policy,
    *,
    executed_steps: int | None = None,
    seed: int = 0,
    watch: Callable[[np.ndarray], None] | None = None,
) -> Outcome:
    """Drive one episode. executed_steps: of each chunk before looking again, all by default. watch: is shown every picture.

    The instruction is read anew for every chunk: a task of several parts goes on by itself.
    """
    adapter = Adapter(episode.robot, policy.embodiment)
    horizon = policy.embodiment.action.horizon
    steps = executed_steps or horizon
    if not 1 <= steps <= horizon:
        raise InputError(f"executed steps must be 1…{horizon}, got {steps}")
    state, arrays = link.ask(
        "episode", env_id=episode.env_id, build=dict(episode.build), reset=dict(episode.reset), seed=episode.seed, camera=episode.robot.camera
    )
    if state["steps_left"] != episode.max_steps:
        raise InputError(f"{episode.env_id} lasts {state['steps_left']} steps in this checkout, the suite says {episode.max_steps}: another version of SimplerEnv?")
    policy.begin(episode, link)
    if watch:
        watch(arrays["image"])
    flags: list[bool] = []
    instructions, times, told, first = [], [], hashlib.sha256(), policy_seed(episode, seed)
    while not state["over"]:
        if not instructions or instructions[-1] != state["instruction"]:
            instructions.append(state["instruction"])
        observation = adapter.observe(arrays, len(flags) * policy.embodiment.action.dt)
        chunk = policy(observation, state["instruction"], first + len(times))
        times.append(chunk.inference_s)
        actions = adapter.actions(chunk, steps)
        state, arrays = link.ask("act", {"actions": actions}, every=watch is not None)
        told.update(np.ascontiguousarray(actions[: len(state["success"])]).tobytes())
        flags += state["success"]
        if watch:
            for picture in arrays["images"]:
                watch(picture)
    return Outcome(
        episode.name,
        episode.number,
        episode.task,
        episode.variant,
        flags[-1],
        any(flags),
        len(flags),
        len(times),
        tuple(instructions),
        told.hexdigest()[:16],
        tuple(times),
        state["stats"],
    )
