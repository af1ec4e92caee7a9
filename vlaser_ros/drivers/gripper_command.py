"""A finger's position as the command that an Interbotix gripper takes in the operating mode it is in. No ROS.

`linear_position` takes the distance between both fingers in metres, the other position modes the motor's angle in
radians, `pwm` and `current` an effort whose sign opens (+) or closes (−).
"""

from __future__ import annotations

from dataclasses import dataclass

from vlaser_core.embodiment import Gripper
from vlaser_core.errors import ConfigError

POSITION_MODES = ("position", "ext_position", "current_based_position")
EFFORT_MODES = ("pwm", "current")
MODES = ("linear_position", *POSITION_MODES, *EFFORT_MODES)
TRAVELLED = 0.03  # share of the stroke before its end at which an effort is switched off, so that the motor does not stall


@dataclass(frozen=True)
class GripperCommand:
    """One gripper's unit. mode: see above. closed, opened: the motor's angles (rad) in a position mode. effort: PWM counts
    or milliamperes, positive."""

    gripper: Gripper
    mode: str
    closed: float = 0.0
    opened: float = 0.0
    effort: float = 250.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"gripper mode {self.mode!r} is unknown; the modes are {', '.join(MODES)}")
        if self.mode in POSITION_MODES and self.closed == self.opened:
            raise ConfigError(f"gripper mode {self.mode!r} commands the motor's angle: give gripper_closed and gripper_open (rad), both are {self.closed}")
        if self.mode in EFFORT_MODES and not self.effort > 0:
            raise ConfigError(f"gripper mode {self.mode!r} needs a positive gripper_effort, got {self.effort}")

    def command(self, wanted: float, measured: float) -> float:
        """What to send for a finger wanted at `wanted` and measured at `measured`, both in the contract's unit."""
        openness = self.gripper.openness(wanted)
        if self.mode == "linear_position":
            return 2.0 * wanted
        if self.mode in POSITION_MODES:
            return self.closed + openness * (self.opened - self.closed)
        at = self.gripper.openness(measured)
        if openness > 0.5:
            return self.effort if at < 1.0 - TRAVELLED else 0.0
        # Fingers around an object never reach the end: the effort, and with it the grip, stays.
        return -self.effort if at > TRAVELLED else 0.0
