"""Attacks on the gate: wild chunks, and chunks that come late, twice and out of order. Pure Python, virtual time.

`fuzz_gate` counts what an independent checker finds wrong with the motions that the gate lets through; `inject_delays`
counts chunks that moved the arm although they were stale. Both must be zero, and enough must get through to tell.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field

import numpy as np

from vlaser_core.embodiment import Embodiment
from vlaser_ros.safety.checker import violations
from vlaser_ros.safety.commander import Commander
from vlaser_ros.safety.gate import Gate
from vlaser_ros.safety.verdict import Posture, Proposal

NOW = 1000.0
WILD = (np.nan, np.inf, -np.inf, 1e308, -1e308, 1e30, -7.0, 5e-324)


@dataclass
class FuzzReport:
    """chunks: handed in; codes: refusals by reason; violations: what the checker found behind the gate, in words."""

    chunks: int = 0
    accepted: int = 0
    resampled: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        return asdict(self)


def fuzz_gate(robot: Embodiment, chunks: int = 100_000, *, seed: int = 0) -> FuzzReport:
    """Hand `chunks` wild chunks to gates with and without resampling, and check every accepted motion again.

    Raises whatever the gate raises: it must not.
    """
    random = np.random.default_rng(seed)
    gates = [Gate(robot), Gate(robot, rate=50.0), Gate(robot, retime=True)]
    report, codes = FuzzReport(), Counter()
    for number in range(chunks):
        gate = gates[number % len(gates)]
        gate.last_sequence = 0
        posture = _posture(robot, random)
        proposal = _proposal(robot, posture, random)
        verdict = gate.check(proposal, posture, NOW)
        report.chunks += 1
        if not verdict.accepted:
            codes[verdict.code.name] += 1
            continue
        report.accepted += 1
        report.resampled += gate.rate > 0
        report.violations += [f"chunk {number}: {fault}" for fault in violations(robot, proposal, posture, NOW, gate.max_age, verdict)]
    report.codes = dict(sorted(codes.items()))
    return report


def _posture(robot: Embodiment, random: np.random.Generator) -> Posture:
    home = np.array([angle for arm in robot.arms for angle in arm.home])
    size = len(home)
    spread = random.choice([0.02, 0.3, 1.0])
    observed = home + random.normal(0, spread, size)
    present = observed + random.normal(0, random.choice([0.0, 0.02, 0.3]), size)
    velocity = random.normal(0, random.choice([0.0, 0.3, 3.0]), size)
    if random.random() < 0.02:
        present[random.integers(size)] = random.choice(WILD)
    commanded = present + random.normal(0, 0.03, size) if random.random() < 0.5 else None
    return Posture(
        observed, present, velocity, commanded, None if commanded is None else random.normal(0, 0.3, size), random.choice([0.0, 0.1, 5.0])
    )


def _proposal(robot: Embodiment, posture: Posture, random: np.random.Generator) -> Proposal:
    action = robot.action
    steps = int(random.integers(1, action.horizon + 1))
    scale = random.choice([0.003, 0.01, 0.03, 0.1])
    if action.kind == "joints":
        walk = np.cumsum(random.normal(0, scale, (steps, len(posture.observed))) * min(1.0, action.dt * 10), axis=0)
        motion = posture.observed + walk
    else:
        drift = random.normal(0, scale, 6 * len(robot.arms))
        motion = drift + random.normal(0, scale / 3, (steps, 6 * len(robot.arms)))
    actions = np.zeros((steps, len(action.names)))
    actions[:, [k for k in range(len(action.names)) if k not in action.gripper_dims]] = motion
    actions[:, list(action.gripper_dims)] = random.random((steps, len(robot.arms)))
    names, stamp, dt, executed, name = (
        action.names,
        NOW - float(random.uniform(-0.03, 0.7)),
        action.dt,
        int(random.integers(1, steps + 1)),
        robot.name,
    )
    if random.random() < 0.35:
        match int(random.integers(7)):
            case 0:
                actions[random.integers(steps), random.integers(actions.shape[1])] = random.choice(WILD)
            case 1:
                actions = random.normal(0, 10.0 ** float(random.integers(-3, 6)), (int(random.integers(0, 9)), int(random.integers(1, 20))))
            case 2:
                stamp = float(random.choice([np.nan, np.inf, -np.inf, 0.0, NOW + 1e6, NOW - 1e6, NOW - 10.0, NOW + 10.0]))
            case 3:
                dt = float(random.choice([np.nan, 0.0, -1.0, 1e-9, 1e9]))
            case 4:
                executed = int(random.choice([-1, 0, steps + 1, 2**31]))
            case 5:
                names = tuple(reversed(names))
            case 6:
                name = "another"
    return Proposal(int(random.integers(0, 5)), name, names, actions, stamp, dt, executed)


@dataclass
class DelayReport:
    """chunks: sent; delivered: arrivals, doubles included; stale: descriptions of executions that should not have been."""

    chunks: int = 0
    delivered: int = 0
    executed: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)

    def to_json(self) -> dict:
        return asdict(self)


def inject_delays(robot: Embodiment, chunks: int = 10_000, *, seed: int = 0) -> DelayReport:
    """Send `chunks` sane chunks, two steps or 0.4 s apart; each arrives late by a random time, some twice, so out of order too.

    Stale is an execution of a chunk older than allowed, executed before, older than one executed before it, or of a point
    that is past.
    """
    random = np.random.default_rng(seed)
    gate, commander = Gate(robot), Commander(robot)
    home = np.array([angle for arm in robot.arms for angle in arm.home])
    report, codes, arrivals = DelayReport(), Counter(), []
    period = max(2 * robot.action.dt, 0.4)
    for number in range(chunks):
        stamp = NOW + number * period
        delays = [float(random.choice([random.exponential(0.1), random.uniform(0.0, 3.0)]))]
        if random.random() < 0.3:
            delays.append(delays[0] + float(random.exponential(0.3)))
        arrivals += [(stamp + delay, number, stamp) for delay in delays]
    report.chunks, newest, done = chunks, -1, set()
    for now, number, stamp in sorted(arrivals):
        report.delivered += 1
        measured = np.concatenate([home, np.zeros(len(robot.arms))])
        place = commander.commanded(now, measured)[: len(home)]
        actions = np.zeros((robot.action.horizon, len(robot.action.names)))
        if robot.action.kind == "joints":
            actions[:, [k for k in range(len(robot.action.names)) if k not in robot.action.gripper_dims]] = place
        proposal = Proposal(number + 1, robot.name, robot.action.names, actions, stamp, robot.action.dt, len(actions))
        posture = Posture(place, place, np.zeros(len(home)), place, commander.velocity(now), commander.rested(stamp, now))
        verdict = gate.check(proposal, posture, now)
        if not verdict.accepted:
            codes[verdict.code.name] += 1
            continue
        report.executed += 1
        commander.play(verdict.motion, now, measured)
        faults = [
            (now - stamp > robot.safety.max_observation_age, f"{now - stamp:.3f} s old"),
            (number in done, "executed twice"),
            (number < newest, f"after chunk {newest}"),
            (bool((verdict.motion.times <= now).any()), "a point is past"),
        ]
        report.stale += [f"chunk {number}: {what}" for wrong, what in faults if wrong]
        done.add(number)
        newest = max(newest, number)
    report.codes = dict(sorted(codes.items()))
    return report
