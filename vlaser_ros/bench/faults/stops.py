"""The stop, asked for and by itself."""

from __future__ import annotations

import time

import numpy as np
from vlaser_msgs.msg import ResultCode

from vlaser_ros.bench.findings import Finding, ms, percentiles
from vlaser_ros.client_link import NotReady

BOUND = 0.02  # s from the request to the last command, p99


def stop_request(rig, quick: bool) -> Finding:
    """vlaser/estop while the arm moves, again and again."""
    repeats, taken, after, moved = 20 if quick else 300, [], 0, 0
    for number in range(repeats):
        # To and fro, so that the arm stays where it is over hundreds of stops.
        rig.await_true(lambda number=number: rig.move(0.01 if number % 2 else -0.01).accepted, 3.0, "the arm moves before it is stopped")
        time.sleep(0.1)
        moved += rig.wire.moving()
        asked = time.time()
        rig.client.estop()
        # As long as the chunk would have gone on, and the watchdog would have spoken.
        time.sleep(0.3)
        commands = [command for command in rig.wire.commands if command.sent >= asked]
        if not commands or not commands[-1].is_hold:
            after += 1
            continue
        taken.append(commands[-1].sent - asked)
        after += len(commands) - 1
        rig.client.reset()
        rig.wire.forget()
    told = percentiles(taken)
    return Finding(
        "stop request while the arm moves",
        f"the hold is the last command, {repeats} of {repeats}" if after == 0 else f"{after} commands beside the hold",
        f"to the last command: median {ms(told['p50'])}, p99 {ms(told['p99'])}, longest {ms(told['max'])}",
        f"p99 at most {ms(BOUND)}",
        after == 0 and moved == repeats and told["p99"] <= BOUND,
        {"stop": told, "commands_after": after, "moving": int(moved)},
    )


def arm_blocked(rig, quick: bool) -> Finding:
    """One joint does not move although it is told to."""
    safety, taken, codes = rig.embodiment.safety, [], set()
    for _ in rig.rounds(range(1 if quick else 5)):
        rig.robot.obeys = False
        # Turning takes one joint past the bound early enough for the patience to end within the motion.
        rig.move(0.0, turn=0.3)
        begin = time.time()
        rig.await_true(lambda: any(command.is_hold for command in rig.wire.commands), 5.0, "the controller holds a blocked arm")
        first, hold = rig.wire.commands[0], next(command for command in rig.wire.commands if command.is_hold)
        places = np.vstack([rig.start_place(), first.positions])[:, : rig.joints]
        beyond = np.abs(places - places[0]).max(axis=1) > safety.max_following_error
        if not beyond.any():
            raise NotReady("the motion is too small to tell a blocked arm")
        index = int(beyond.argmax())
        # Between two waypoints the command passes the bound on a straight line.
        sizes, dues = np.abs(places - places[0]).max(axis=1), np.concatenate([[max(first.sent, begin - 1.0)], first.due])
        crossed = np.interp(safety.max_following_error, sizes[index - 1 : index + 1], dues[index - 1 : index + 1])
        taken.append(hold.sent - crossed)
        codes.add(rig.move(0.0).code)
    bound = safety.following_error_time + 0.05
    return Finding(
        "blocked arm",
        "held where the arm is, stop latched, later chunks refused",
        f"{ms(max(taken))} from {safety.max_following_error:.2f} rad of error to the hold, longest of {len(taken)}",
        f"{ms(bound)}: the contract's patience and one joint state",
        max(taken) <= bound and codes == {ResultCode.GATE_ESTOP},
        {"taken": percentiles(taken), "codes": sorted(codes)},
    )


def driver_refuses(rig, quick: bool) -> Finding:
    """Nobody obeys, and the motions are too small for the bound on the following error."""
    rig.robot.obeys = False
    motions, verdict = 0, None
    for _ in range(8):
        verdict = rig.move(0.005 if motions % 2 else -0.005)
        if not verdict.accepted:
            break
        motions += 1
        time.sleep(1.1)
    return Finding(
        "driver that refuses every trajectory",
        "stop latched, later chunks refused",
        f"{motions} motions until the latch",
        "3 motions",
        motions == 3 and verdict is not None and verdict.code == ResultCode.GATE_ESTOP,
        {"motions": motions, "code": int(verdict.code) if verdict is not None else None},
    )
