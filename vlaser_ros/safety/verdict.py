"""What goes into the gate and what comes out of it. No ROS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from vlaser_core.types import JointWaypoints
from vlaser_ros.safety.motion import Motion


class GateCode(IntEnum):
    """Reasons of the gate; equal to the constants GATE_… of vlaser_msgs/ResultCode."""

    ACCEPTED = 0
    NOT_FINITE = 400
    SHAPE = 401
    AGE = 402
    START_JUMP = 403
    STEP = 404
    VELOCITY = 405
    ACCELERATION = 406
    JOINT_RANGE = 407
    WORKSPACE = 408
    SEQUENCE = 409
    UNREACHABLE = 410
    ESTOP = 411


@dataclass(frozen=True)
class Proposal:
    """A chunk that asks to be executed. actions: (H, A); stamp: s, observation time; the first `executed_steps` are meant."""

    sequence: int
    embodiment: str
    names: tuple[str, ...]
    actions: np.ndarray
    stamp: float
    dt: float
    executed_steps: int


@dataclass(frozen=True)
class Posture:
    """Arm joints (n,) rad at observation time and now, and the joint velocities (n,) rad/s now, as measured.

    commanded, commanded_velocity: where the arm is told to be now, where that is known; motion starts there.
    rested: s since the observation in which nothing was commanded to move.
    """

    observed: np.ndarray
    present: np.ndarray
    velocity: np.ndarray
    commanded: np.ndarray | None = None
    commanded_velocity: np.ndarray | None = None
    rested: float = 0.0

    @property
    def start(self) -> np.ndarray:
        return self.present if self.commanded is None else self.commanded

    @property
    def start_velocity(self) -> np.ndarray:
        return self.velocity if self.commanded_velocity is None else self.commanded_velocity


@dataclass(frozen=True)
class Verdict:
    """accepted ⇔ code is ACCEPTED, `waypoints` holds the steps and `motion` what is to be sent; due: s, time of the last step.

    waypoints.stamp: s, what the steps' times count from. first: the first step that is still to be sent; those before
    it are past, or too nearly so to be met.
    """

    code: GateCode
    reason: str
    waypoints: JointWaypoints | None = None
    due: float = 0.0
    first: int = 0
    motion: Motion | None = None

    @property
    def accepted(self) -> bool:
        return self.code is GateCode.ACCEPTED


class Rejection(Exception):
    """Ends a check; becomes a Verdict at the gate's door."""

    def __init__(self, code: GateCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
