"""Policies that a suite can judge: a checkpoint, one that never moves, and the scripted oracle (`oracle.py`)."""

from __future__ import annotations

import time

import numpy as np

from sim_bridge.simpler.link import SimulatorLink
from sim_bridge.simpler.suites import Episode
from vlaser_core.embodiment import Embodiment
from vlaser_core.types import ActionChunk, Observation


class CheckpointPolicy:
    """A loaded model (`vlaser_core.engine.Engine`); many episodes may share one. flow_steps: None leaves the checkpoint's."""

    def __init__(self, engine, flow_steps: int | None = None) -> None:
        self._engine, self._steps = engine, flow_steps
        self.embodiment: Embodiment = engine.embodiment

    def begin(self, episode: Episode, simulator: SimulatorLink) -> None:
        """A model remembers nothing."""

    def __call__(self, observation: Observation, instruction: str, seed: int) -> ActionChunk:
        return self._engine.predict(observation, instruction, seed=seed, steps=self._steps)


class ZeroPolicy:
    """Never moves and keeps its gripper closed. A suite that it scores in is broken."""

    def __init__(self, embodiment: Embodiment) -> None:
        self.embodiment = embodiment

    def begin(self, episode: Episode, simulator: SimulatorLink) -> None:
        """There is nothing to prepare."""

    def __call__(self, observation: Observation, instruction: str, seed: int) -> ActionChunk:
        action, began = self.embodiment.action, time.perf_counter()
        return ActionChunk(np.zeros((action.horizon, self.embodiment.action_dim)), observation.stamp, action.dt, time.perf_counter() - began)
