"""SimplerEnv's robots to a policy: what it sees of them, and how its chunks are done. One for each running episode."""

from __future__ import annotations

import numpy as np

from sim_bridge.simpler.conventions import GoogleActions, google_proprio, widowx_action, widowx_proprio
from sim_bridge.simpler.link import SimulatorFault
from sim_bridge.simpler.suites import Robot
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import ConfigError
from vlaser_core.geometry import quaternion_from_matrix
from vlaser_core.processing.actions import check_chunk
from vlaser_core.types import ActionChunk, Observation

RATES = {"widowx": 5.0, "google_robot": 3.0}  # Hz, of SimplerEnv's control


class Adapter:
    """Conventions of one robot, with what its gripper remembers (`reset` at every episode).

    Raises ConfigError when `embodiment` is another robot than the suite's, or acts at another rate.
    """

    def __init__(self, robot: Robot, embodiment: Embodiment) -> None:
        if embodiment.name != robot.contract:
            raise ConfigError(f"these episodes are of {robot.contract!r}, the policy drives {embodiment.name!r}; choose a checkpoint for that robot, or another suite")
        if abs(embodiment.action.rate_hz - RATES[robot.contract]) > 1e-6:
            raise ConfigError(f"SimplerEnv controls {robot.contract} at {RATES[robot.contract]:g} Hz, the policy's contract says {embodiment.action.rate_hz:g} Hz")
        self.robot, self.embodiment = robot, embodiment
        self._google = GoogleActions()
        self._bridge = robot.contract == "widowx"

    def reset(self) -> None:
        self._google.reset()

    def proprio(self, eef: np.ndarray, openness: float) -> np.ndarray:
        """What the policy is told of the end effector's pose (4, 4) in the base link's frame and the gripper's openness."""
        x, y, z, w = quaternion_from_matrix(eef[:3, :3])
        state = np.array([*eef[:3, 3], w, x, y, z, openness])
        return widowx_proprio(state) if self._bridge else google_proprio(state)

    def observe(self, arrays: dict[str, np.ndarray], stamp: float) -> Observation:
        """A simulator's answer as a policy sees it. stamp: s since the episode began. Raises SimulatorFault for a state that is none."""
        if not (np.isfinite(arrays["eef"]).all() and np.isfinite(arrays["openness"]).all()):
            raise SimulatorFault(f"SimplerEnv says that the tool is at {arrays['eef'].tolist()}, open {arrays['openness'].tolist()}: its physics has failed")
        return Observation({self.embodiment.cameras[0].name: arrays["image"]}, self.proprio(arrays["eef"], float(arrays["openness"][0])), stamp)

    def actions(self, chunk: ActionChunk, steps: int) -> np.ndarray:
        """The first `steps` actions (n, 7) of a chunk in the simulator's terms. Raises InputError for a malformed chunk."""
        convert = widowx_action if self._bridge else self._google
        return np.array([convert(action) for action in check_chunk(self.embodiment, chunk.actions)[:steps]])
