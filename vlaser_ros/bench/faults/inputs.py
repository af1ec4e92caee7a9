"""What the robot tells stops, lags, or is stamped by a clock that jumps."""

from __future__ import annotations

import time

from vlaser_msgs.msg import ResultCode

from vlaser_ros.bench.findings import Finding, ms, percentiles
from vlaser_ros.messages import to_seconds

SERVO = 0.02  # s, a driver's period
WATCH = 0.05  # s, the controller's watchdog's


def chunk_length(rig) -> float:
    """s that a whole chunk moves the arm."""
    return rig.embodiment.action.horizon * rig.embodiment.action.dt


def camera_stops(rig, quick: bool) -> Finding:
    """The camera falls silent while a goal runs."""
    taken, ends, codes = [], [], set()
    for _ in rig.rounds(range(1 if quick else 5)):
        rig.goal()
        rig.robot.camera = False
        at = time.time()
        result = rig.client.result(20.0)
        ends.append(time.time() - at)
        codes.add(result.error_code)
        taken.append(max(0.0, rig.wire.last_change(rig.start_place(), rig.joints) - at))
    # A chunk may just have been made from the last picture, after the one that still runs.
    bound = 2 * chunk_length(rig) + 0.1 + SERVO
    return Finding(
        "camera stops while a goal runs",
        "the arm ends what was accepted and holds; the goal ends with STALE_OBSERVATION",
        f"last commanded change after {max(taken):.2f} s, goal ended after {max(ends):.2f} s, longest of {len(taken)}",
        f"{bound:.2f} s: the chunk that runs and one from the last picture",
        max(taken) <= bound and codes == {ResultCode.STALE_OBSERVATION},
        {"last_change": percentiles(taken), "goal_end": percentiles(ends), "codes": sorted(codes)},
    )


def joint_states_stop(rig, quick: bool) -> Finding:
    """Joint states stop while the arm moves."""
    taken, refused = [], set()
    for _ in rig.rounds(range(2 if quick else 10)):
        rig.move(0.01)
        rig.wire.wait(rig.wire.moving, 2.0)
        time.sleep(0.1)
        rig.robot.joints = False
        at = time.time()
        rig.await_true(lambda: rig.wire.commands[-1].is_hold, 3.0, "the controller holds an arm it does not hear of")
        taken.append(rig.wire.commands[-1].sent - at)
        refused.add(rig.move(0.01).code)
    bound = 0.3 + WATCH + SERVO
    return Finding(
        "joint states stop while the arm moves",
        "the controller holds; chunks are refused with NO_JOINT_STATES",
        f"hold after {max(taken):.3f} s, longest of {len(taken)}",
        f"{bound:.2f} s: joint_states_timeout, the watchdog's period, a servo period",
        max(taken) <= bound and refused == {ResultCode.NO_JOINT_STATES},
        {"hold": percentiles(taken), "codes": sorted(refused)},
    )


def lag(rig, quick: bool) -> Finding:
    """Camera and joint states come late, their stamps true."""
    limit = rig.embodiment.safety.max_observation_age
    outcomes, oldest = {}, 0.0
    for lagging in rig.rounds((0.0, 0.2, 1.0) if quick else (0.0, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0)):
        rig.robot.lag = lagging
        time.sleep(lagging + 0.3)
        rig.wire.forget()
        rig.client.send("reach the middle", max_chunks=2, timeout=15.0)
        result = rig.client.result(20.0)
        sent = [one.message for one in rig.wire.chunks if one.message.horizon]
        accepted = [rig.wire.verdicts[chunk.sequence].message for chunk in sent if chunk.sequence in rig.wire.verdicts]
        ages = [verdict.age for verdict in accepted if verdict.accepted]
        oldest = max([oldest, *ages])
        outcomes[f"{lagging:g}"] = {"code": result.error_code, "accepted": len(ages), "oldest": max(ages, default=None)}
    works = max(float(name) for name, one in outcomes.items() if one["code"] == 0)
    fails = min((float(name) for name, one in outcomes.items() if one["code"] != 0), default=float("inf"))
    # The controller takes no joint state older than its timeout of 0.3 s for the present.
    moved_blind = [name for name, one in outcomes.items() if float(name) > 0.3 + SERVO and one["accepted"]]
    return Finding(
        "camera and joint states both lag by 0 … 2 s",
        f"moves up to {works:g} s of lag; from {fails:g} s on nothing moves and the goal ends with its reason",
        f"oldest view that moved the arm: {oldest:.2f} s; moved with joint states older than 0.3 s: {len(moved_blind)} times",
        f"{limit:.1f} s and 0 times",
        oldest <= limit and not moved_blind and outcomes["0"]["code"] == 0,
        {"outcomes": outcomes, "oldest": oldest},
    )


def clock_jumps(rig, quick: bool) -> Finding:
    """/clock jumps by ten seconds, back and forth, while a goal runs."""
    taken, goals, after, late, again = [], [], 0, [], 0
    jumps = (10.0, -10.0) if quick else (10.0, -10.0) * 5
    for jump in rig.rounds(jumps):
        rig.goal()
        time.sleep(0.15)
        at = time.time()
        rig.robot.set_clock(jump)
        # What the controller answers to the jump comes within a watch period; the goal's own end follows.
        rig.wire.wait(lambda at=at: any(command.sent >= at and len(command.due) == 1 for command in rig.wire.commands), 2.0)
        holds = [command.sent for command in rig.wire.commands if command.sent >= at and len(command.due) == 1]
        taken.append(holds[0] - at if holds else float("inf"))
        if jump < 0:
            result = rig.client.result(20.0)
            goals.append(result.error_code)
            time.sleep(0.5)
            after += len([command for command in rig.wire.commands if holds and command.sent > holds[0] and len(command.due) > 1])
        else:
            rig.client.cancel()
            rig.client.result(20.0)
            # Forward, a simulation may leap: the goal goes on with views from after the jump, and only with those.
            new = at + rig.robot.clock_offset
            late += [
                one.message.sequence
                for one in rig.wire.chunks
                if one.at > at + 0.1 and one.message.horizon and to_seconds(one.message.header.stamp) < new - 0.1
            ]
        rig.client.send("reach the middle", max_chunks=1, timeout=15.0)
        again += rig.client.result(20.0).error_code == 0
    bound = 2 * WATCH
    return Finding(
        "the clock jumps by ± 10 s while a goal runs",
        f"the arm holds where it was; back: the goal ends; the next goal works, {again} of {len(jumps)}",
        f"hold after {ms(max(taken))}, longest of {len(taken)}; {after + len(late)} motions by the old time afterwards",
        f"{ms(bound)}, two periods of the watchdog; and none",
        max(taken) <= bound and after == 0 and not late and again == len(jumps) and set(goals) == {ResultCode.STALE_OBSERVATION},
        {"hold": percentiles(taken), "codes": sorted(set(goals)), "motions_after": after, "stale_chunks": late, "next_goal_works": again},
    )
