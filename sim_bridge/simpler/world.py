"""SimplerEnv as a world that waits: it is looked at, takes a chunk's actions, and is looked at again. For the ROS driver.

    world = SimplerWorld(find_installation(checkout), "widowx")
    world.reset("widowx_carrot_on_plate", 0)
    world.act(chunk, steps=4)

Its pictures, states and actions are those of `rollout.run_episode`: what differs over ROS is the way, not what arrives.
"""

from __future__ import annotations

import hashlib

import numpy as np

from sim_bridge.simpler import assets
from sim_bridge.simpler.installation import Installation
from sim_bridge.simpler.link import SimulatorLink
from sim_bridge.simpler.robots import Adapter
from sim_bridge.simpler.suites import Episode, suite
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import InputError
from vlaser_core.types import ActionChunk, Observation


class SimplerWorld:
    """The episodes of a suite, one at a time, chosen by task and by their place in it (`seed`, from 0). Not for several threads.

    Raises ConfigError for another robot than the suite's and for missing assets, when an episode that needs them begins.
    """

    def __init__(self, installation: Installation, name: str, embodiment: Embodiment) -> None:
        self._installation, self.embodiment = installation, embodiment
        self._episodes: dict[str, list[Episode]] = {}
        for episode in suite(name):
            self._episodes.setdefault(episode.task, []).append(episode)
        self.tasks = tuple(self._episodes)
        self._adapter = Adapter(next(iter(self._episodes.values()))[0].robot, embodiment)
        self._link: SimulatorLink | None = None
        self.task, self.seed, self.success, self.success_any, self.steps, self.max_steps = "", 0, False, False, 0, 0

    @property
    def renderer(self) -> str:
        return self._link.renderer if self._link else ""

    @property
    def instruction(self) -> str:
        """What a policy is to be told now; tasks of several parts change it."""
        return self._state["instruction"]

    @property
    def over(self) -> bool:
        return self._state["over"]

    @property
    def actions(self) -> str:
        """Digest of every number the simulator was given in this episode; see `rollout.Outcome.actions`."""
        return self._told.hexdigest()[:16]

    def episode(self, task: str, seed: int) -> Episode:
        """The seed-th episode of a task. Raises InputError naming what there is."""
        if task not in self._episodes:
            raise InputError(f"unknown task {task!r}; known: {', '.join(self.tasks)}")
        if not 0 <= seed < len(self._episodes[task]):
            raise InputError(f"{task} has episodes 0…{len(self._episodes[task]) - 1}, seed {seed} was asked for")
        return self._episodes[task][seed]

    def reset(self, task: str, seed: int) -> None:
        """Begin an episode, in a new simulator where the last one was lost. Raises SimulatorLost, SimulatorFault, ConfigError, InputError."""
        episode = self.episode(task, seed)
        assets.check(self._installation, [episode])
        if self._link is None or not self._link.alive:
            self._link = SimulatorLink(self._installation)
        self._state, self._arrays = self._link.ask(
            "episode", env_id=episode.env_id, build=dict(episode.build), reset=dict(episode.reset), seed=episode.seed, camera=episode.robot.camera
        )
        self._adapter.reset()
        self._told = hashlib.sha256()
        self.task, self.seed, self.success, self.success_any, self.steps, self.max_steps = task, seed, False, False, 0, episode.max_steps

    def observe(self, stamp: float) -> Observation:
        """The present view. Raises SimulatorFault for a state that is none."""
        return self._adapter.observe(self._arrays, stamp)

    def joint_state(self) -> np.ndarray:
        """All joint positions, in the simulator's order (rad, fingers in its own units)."""
        return self._arrays["joints"]

    def act(self, chunk: ActionChunk, steps: int) -> int:
        """Take the first `steps` actions of a chunk; how many were taken before the episode was over. Raises as `reset` does."""
        actions = self._adapter.actions(chunk, steps)
        self._state, self._arrays = self._link.ask("act", {"actions": actions}, every=False)
        flags = self._state["success"]
        self._told.update(np.ascontiguousarray(actions[: len(flags)]).tobytes())
        self.success, self.success_any, self.steps = flags[-1], self.success_any or any(flags), self.steps + len(flags)
        return len(flags)

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
