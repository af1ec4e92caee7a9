"""The chunk controller's parameters. All are fixed at start: bounds are not changed under a moving arm."""

from __future__ import annotations

from dataclasses import dataclass

from vlaser_core.embodiment import Embodiment
from vlaser_ros.parameters import parameter
from vlaser_ros.safety.gate import Gate
from vlaser_ros.safety.latch import default_directory


@dataclass(frozen=True)
class ControllerSettings:
    """Fields are parameters of the same name."""

    embodiment: str = parameter("widowx", "contract name or path of a .yaml")
    trajectory_topic: str = parameter("arm_controller/joint_trajectory", "joint trajectory topic of the arm's controller")
    max_observation_age: float = parameter(0.0, "s, oldest observation a chunk may be computed from; 0: the contract's", low=0.0)
    clock_tolerance: float = parameter(0.02, "s an observation may lie in the future", low=0.0)
    retime: bool = parameter(False, "start every chunk when it arrives; without it only the time in which the arm rested is given back")
    controller_rate: float = parameter(
        0.0, "Hz at which trajectories are resampled to smooth ones with velocities; 0: waypoints alone", low=0.0, high=1000.0
    )
    hold_after: float = parameter(0.1, "s after the last due step until the hold is sent", low=0.0)
    joint_states_timeout: float = parameter(0.3, "s without joint states after which nothing may move", low=0.02)
    joint_states_tolerance: float = parameter(0.06, "s, gap between joint states that is interpolated", low=0.001)
    obeyed: bool = parameter(
        True, "whether an arm follows the trajectories; false only in a replay, where it moves as recorded and nothing is stopped for it"
    )
    state_directory: str = parameter(str(default_directory()), "folder in which a stop outlives this process; empty: it does not")

    def gate(self, embodiment: Embodiment) -> Gate:
        """The gate that these settings ask for."""
        return Gate(
            embodiment,
            max_age=self.max_observation_age or None,
            clock_tolerance=self.clock_tolerance,
            retime=self.retime,
            rate=self.controller_rate,
        )
