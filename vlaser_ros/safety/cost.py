"""What the gate costs a chunk: its own checks, and the kinematics between them. No ROS."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_core.processing.actions import deltas_between
from vlaser_core.types import JointWaypoints
from vlaser_ros.safety.gate import Gate
from vlaser_ros.safety.verdict import Posture, Proposal

SEEN = 1000.0  # s, any time


@dataclass(frozen=True)
class Cost:
    """Milliseconds a chunk: wall clock, and CPU time of the thread, which a busy machine disturbs less."""

    wall_p50: float
    wall_p99: float
    cpu_p50: float
    cpu_p99: float


@dataclass(frozen=True)
class GateCost:
    """checks: the gate's own; kinematics: inverse (deltas) or forward (joints); total: both. chunks: timed, all accepted."""

    embodiment: str
    steps: int
    rate_hz: float
    chunks: int
    checks: Cost
    kinematics: Cost
    total: Cost

    def to_json(self) -> dict:
        return asdict(self)


class _Timed(Gate):
    """A gate that knows how long its kinematics took."""

    spent: tuple[int, int] = (0, 0)

    def solve(self, actions: np.ndarray, proposal: Proposal, posture: Posture) -> JointWaypoints:
        began = _clocks()
        waypoints = super().solve(actions, proposal, posture)
        self.spent = tuple(after - before for after, before in zip(_clocks(), began, strict=True))
        return waypoints


def _clocks() -> tuple[int, int]:
    return time.perf_counter_ns(), time.thread_time_ns()


def measure(robot: Embodiment, chunks: int = 2000, *, rate: float = 0.0, seed: int = 0) -> GateCost:
    """Time the gate on `chunks` sane chunks from random postures: smooth motions with the ripple of a policy."""
    gate, random = _Timed(robot, rate=rate), np.random.default_rng(seed)
    totals, kinematics = [], []
    while len(totals) < chunks + 50:
        proposal, posture = _sane(robot, gate, random)
        gate.last_sequence = 0
        began = _clocks()
        verdict = gate.check(proposal, posture, SEEN + 0.1)
        if not verdict.accepted:
            continue
        totals.append([after - before for after, before in zip(_clocks(), began, strict=True)])
        kinematics.append(gate.spent)
    # The first ones warm caches that a running controller has warm.
    total, solved = np.array(totals[50:]) / 1e6, np.array(kinematics[50:]) / 1e6
    costs = [_cost(values) for values in (total - solved, solved, total)]
    return GateCost(robot.name, robot.action.horizon, rate, chunks, *costs)


def _cost(milliseconds: np.ndarray) -> Cost:
    p50, p99 = np.percentile(milliseconds, [50, 99], axis=0)
    return Cost(float(p50[0]), float(p99[0]), float(p50[1]), float(p99[1]))


def _sane(robot: Embodiment, gate: Gate, random: np.random.Generator) -> tuple[Proposal, Posture]:
    action, steps = robot.action, robot.action.horizon
    home = np.array([angle for arm in robot.arms for angle in arm.home])
    start = home + random.normal(0, 0.05, len(home))
    # Up to a quarter of what the joints can do: about 2 cm a step of 0.2 s for the WidowX.
    drift = random.normal(0, 0.25, len(home)) * action.dt
    path = start + np.cumsum(drift + random.normal(0, 0.05, (steps, len(home))) * action.dt, axis=0)
    actions = np.full((steps, len(action.names)), 0.7)
    motion = path
    if action.kind == "delta_eef_pose":
        columns, offset = [], 0
        for kinematics in gate.kinematics:
            own = slice(offset, offset + len(kinematics.lower))
            offset = own.stop
            columns.append(deltas_between(np.array([kinematics.forward(joints[own]) for joints in (start, *path)])))
        motion = np.hstack(columns)
    actions[:, [dim for dim in range(len(action.names)) if dim not in action.gripper_dims]] = motion
    proposal = Proposal(1, robot.name, action.names, actions, SEEN, action.dt, steps)
    return proposal, Posture(start, start, np.zeros(len(home)), start, np.zeros(len(home)), 0.1)
