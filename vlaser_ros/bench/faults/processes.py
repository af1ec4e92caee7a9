"""Processes that die, freeze, end and come back, on the tabletop's physics."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

from vlaser_msgs.msg import ResultCode

from vlaser_ros.bench.faults.inputs import SERVO, chunk_length
from vlaser_ros.bench.findings import Finding, ms, percentiles
from vlaser_ros.bench.rig import CONTROLLER, DRIVER, SERVER
from vlaser_ros.client_link import NotReady


def server_killed(rig, quick: bool) -> Finding:
    """kill -9 in the middle of a chunk."""
    taken = []
    for number in rig.rounds(range(1 if quick else 10)):
        rig.goal()
        time.sleep(0.07 * number)  # now early, now late in the chunk
        at, _ = rig.end(SERVER, signal.SIGKILL)
        taken.append(_stillness(rig, at))
        rig.start(SERVER)
    return _held(
        "server killed (kill -9) in the middle of a chunk",
        "the chunk that runs is played to its end, then the controller holds",
        taken,
        rig,
    )


def server_frozen(rig, quick: bool) -> Finding:
    """SIGSTOP in the middle of a chunk, and SIGCONT later."""
    taken, stale = [], 0
    for number in rig.rounds(range(1 if quick else 5)):
        rig.goal()
        time.sleep(0.1 * number)
        at = rig.freeze(SERVER)
        try:
            taken.append(_stillness(rig, at))
            time.sleep(1.0)
        finally:
            thawed = time.time()
            rig.thaw(SERVER)
        time.sleep(1.0)
        limit = rig.embodiment.safety.max_observation_age + 0.02
        stale += sum(one.message.accepted and one.message.age > limit for one in rig.wire.verdicts.values() if one.at > thawed)
        rig.client.cancel()
        rig.client.result(10.0)
    finding = _held("server frozen (SIGSTOP) and thawed again", f"as when it dies; thawed, {stale} stale chunks are executed", taken, rig)
    return replace(finding, bound=f"{finding.bound}, 0 stale", ok=finding.ok and stale == 0, numbers={**finding.numbers, "stale": stale})


def server_restarts(rig, quick: bool) -> Finding:
    """Killed during a goal and started again: is it obeyed?"""
    rig.goal()
    rig.end(SERVER, signal.SIGKILL)
    began, lost, told = time.time(), "", 0.0
    rig.start(SERVER)
    try:
        rig.client.result(30.0)
    except NotReady as error:
        lost, told = str(error), time.time() - began
    rig.ready()
    back = time.time() - began
    result = rig.client.execute("reach the middle", max_chunks=1, timeout=15.0)
    refused = sum(not one.message.accepted for one in rig.wire.verdicts.values() if one.at > began)
    return Finding(
        "server restarts during a goal",
        f"the client is told ({lost.split(';')[0] or 'nothing'}); the next goal is obeyed",
        f"client told after {told:.1f} s, serving again after {back:.1f} s, {refused} of its chunks refused",
        "0 refused",
        ("started again" in lost or "went away" in lost) and result.error_code == 0 and refused == 0,
        {"told": told, "back": back, "code": result.error_code, "refused": refused},
    )


def controller_killed(rig, quick: bool) -> Finding:
    """kill -9 of what guards the arm: the driver has the chunk and nothing more."""
    taken, codes = [], set()
    for number in rig.rounds(range(1 if quick else 5)):
        rig.goal()
        time.sleep(0.1 * number)
        at, _ = rig.end(CONTROLLER, signal.SIGKILL)
        taken.append(_stillness(rig, at, held=False))
        codes.add(rig.client.result(20.0).error_code)
        rig.start(CONTROLLER)
    happened = "the driver plays the chunk to its end and stays there; the goal ends with NO_CONTROLLER"
    finding = _held("controller killed (kill -9) in the middle of a chunk", happened, taken, rig)
    return replace(finding, ok=finding.ok and codes == {ResultCode.NO_CONTROLLER}, numbers={**finding.numbers, "codes": sorted(codes)})


def latched_stop_restart(rig, quick: bool) -> Finding:
    """A stop outlives the controller, whether it is asked to end or killed, and whoever else restarts."""
    codes, motions = [], 0
    for number in (signal.SIGKILL, signal.SIGTERM):
        rig.client.estop()
        rig.end(CONTROLLER, number)
        began = time.time()
        rig.start(CONTROLLER)
        rig.ready()
        # Right after its start it may not have heard of the joints yet, which is another refusal.
        rig.await_true(lambda: rig.move(0.01).code == ResultCode.GATE_ESTOP, 5.0, "a chunk is refused for the latched stop")
        codes.append(rig.move(0.01).code)
        motions += len(rig.wire.motions(began))
        rig.client.reset()
        rig.await_true(lambda: rig.move(0.0).accepted, 5.0, "chunks are accepted after the reset")
    return Finding(
        "controller restarts while a stop is latched",
        "the stop is still latched, after SIGKILL and after SIGTERM; chunks move the arm again after vlaser/reset alone",
        f"{motions} motions before the reset",
        "0 motions",
        motions == 0 and codes == [ResultCode.GATE_ESTOP] * 2,
        {"motions": motions, "codes": codes},
    )


def interrupted(rig, quick: bool) -> Finding:
    """SIGINT and SIGTERM to server, controller and driver while the arm moves."""
    wrong, exits, taken = [], [], []
    cases = [(name, number) for name in (SERVER, CONTROLLER, DRIVER) for number in (signal.SIGINT, signal.SIGTERM)]
    for name, number in rig.rounds(cases[:3] if quick else cases):
        rig.goal()
        at, code = rig.end(name, number)
        exits.append(code)
        what = f"{name} {signal.Signals(number).name}"
        if name != DRIVER:
            time.sleep(1.2)
            last = rig.wire.commands[-1]
            taken.append(max(0.0, last.sent - at))
            if not last.is_hold:
                wrong.append(f"{what}: the last command is a motion")
        if code != 0:
            wrong.append(f"{what}: exit code {code}")
        if name != SERVER and not rig.client.is_done():
            rig.client.cancel()  # a goal outlives a driver that is back before its next view is due
        rig.start(name)
    return Finding(
        "SIGINT and SIGTERM to server, controller and driver while the arm moves",
        "exit code 0; a hold at the commanded position is the last command on the wire, torque is not touched",
        f"{len(wrong)} of {len(exits)} otherwise; last command after {ms(max(taken))} at most",
        "0 otherwise",
        not wrong,
        {"wrong": wrong, "exit_codes": exits, "last_command": percentiles(taken)},
    )


def _stillness(rig, at: float, *, held: bool = True) -> float:
    """s from `at` to the last commanded change. held: a hold has to be the last command."""
    time.sleep(chunk_length(rig) + 0.6)
    if held and not rig.wire.commands[-1].is_hold:
        raise NotReady("no hold was sent after the last motion")
    return max(0.0, rig.wire.last_change(rig.start_place(), rig.joints) - at)


def _held(fault: str, happened: str, taken: list[float], rig) -> Finding:
    bound = chunk_length(rig) + SERVO
    words = f"last commanded change after {max(taken):.2f} s, longest of {len(taken)}"
    return Finding(
        fault, happened, words, f"{bound:.2f} s: a chunk and a control period", max(taken) <= bound, {"last_change": percentiles(taken)}
    )
