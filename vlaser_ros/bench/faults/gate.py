"""Chunks that must not move the arm: wild, malformed, late, doubled."""

from __future__ import annotations

import time

import numpy as np

from vlaser_core.embodiment import load_embodiment
from vlaser_ros.bench.findings import Finding
from vlaser_ros.safety.fuzz import fuzz_gate, inject_delays

WILD = (float("nan"), float("inf"), -float("inf"), 1e308, -7.0, 0.5, 5e-324)


def wild_chunks(quick: bool) -> Finding:
    """Through the gate itself; what it lets through is verified over again by other means."""
    counts = {"widowx": 2000 if quick else 100_000, "aloha": 300 if quick else 10_000}
    reports = {name: fuzz_gate(load_embodiment(name), count) for name, count in counts.items()}
    violations = [fault for report in reports.values() for fault in report.violations]
    accepted = sum(report.accepted for report in reports.values())
    told = ", ".join(f"{report.chunks:,} for {name}" for name, report in reports.items())
    return Finding(
        "non-finite and wild chunks",
        f"{accepted:,} sound ones accepted, the others refused with {len({code for report in reports.values() for code in report.codes})} codes",
        f"{len(violations)} violations behind the gate; chunks: {told}",
        "0 violations",
        not violations and accepted > 0,
        {
            "violations": violations[:20],
            **{name: {"chunks": one.chunks, "accepted": one.accepted, "codes": one.codes} for name, one in reports.items()},
        },
    )


def late_chunks(quick: bool) -> Finding:
    """Delayed by up to seconds, doubled, out of order."""
    count = 1000 if quick else 10_000
    report = inject_delays(load_embodiment("widowx"), count)
    return Finding(
        "late, doubled and overtaken chunks",
        f"{report.executed:,} executed, the others refused ({', '.join(f'{name} {number:,}' for name, number in report.codes.items())})",
        f"{len(report.stale)} stale executions in {report.chunks:,} injected delays ({report.delivered:,} arrivals)",
        "0 stale executions",
        not report.stale and report.executed > 0,
        {
            "chunks": report.chunks,
            "delivered": report.delivered,
            "executed": report.executed,
            "codes": report.codes,
            "stale": report.stale[:20],
        },
    )


def wild_messages(rig, quick: bool) -> Finding:
    """To the running controller over ROS; what reaches the driver is held against the contract."""
    random, count = np.random.default_rng(0), 100 if quick else 1000
    joints = [joint for arm in rig.embodiment.arms for joint in arm.joints]
    low, high = np.array([joint.lower for joint in joints]), np.array([joint.upper for joint in joints])
    unanswered, accepted, codes, wrong = 0, 0, set(), []
    for _ in range(count):
        message = rig.chunk(float(random.normal(0, 0.01)))
        _spoil(message, random)
        rig.wire.send(message)
        verdict = rig.wire.verdict(message.sequence, 2.0)
        unanswered += verdict is None
        if verdict is not None:
            accepted += verdict.accepted
            codes |= {verdict.code} - {0}
    time.sleep(1.2)
    for command in rig.wire.commands:
        places = command.positions[:, : rig.joints]
        if not (
            np.isfinite(places).all() and np.isfinite(command.due).all() and (places >= low - 1e-9).all() and (places <= high + 1e-9).all()
        ):
            wrong.append(f"command at {command.sent:.3f}")
    rig.stack.check()
    again = rig.move(0.0).accepted
    return Finding(
        "wild and malformed messages to the controller",
        f"every one answered, {accepted} of {count} moved the arm, {len(codes)} codes; the controller goes on",
        f"{unanswered} without a verdict, {len(wrong)} commands outside the contract of {len(rig.wire.commands)}",
        "0 and 0",
        unanswered == 0 and not wrong and again and accepted > 0 and len(codes) > 3,
        {"messages": count, "accepted": int(accepted), "codes": sorted(codes), "unanswered": unanswered, "wrong": wrong[:20]},
    )


def _spoil(message, random: np.random.Generator) -> None:
    """In one of nine ways; the ninth leaves it as it is."""
    match int(random.integers(9)):
        case 0:
            message.data[int(random.integers(len(message.data)))] = float(random.choice(WILD))
        case 1:
            message.data = random.normal(0, 10.0 ** float(random.integers(-2, 4)), len(message.data)).tolist()
        case 2:
            message.data = message.data[: int(random.integers(len(message.data)))]
        case 3:
            message.dt = float(random.choice([np.nan, 0.0, -1.0, 1e-9, 1e9]))
        case 4:
            message.header.stamp.sec = max(0, message.header.stamp.sec + int(random.choice([-10, -1, 1, 10, -(2**30)])))
        case 5:
            message.executed_steps = int(random.choice([0, 5, 2**31]))
        case 6:
            message.names = list(reversed(message.names))
        case 7:
            message.embodiment = "another"
