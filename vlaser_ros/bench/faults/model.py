"""A model that says nonsense, and one that does not return."""

from __future__ import annotations

import signal
import time

from vlaser_msgs.msg import ResultCode

from vlaser_ros.bench.findings import Finding
from vlaser_ros.bench.rig import SERVER

VALID = "[[100, 200, 300, 400]]"
HOSTILE = (
    "[[900, 100, 100, 900]]",  # inside out
    "[[0, 0, 1001, 5]]",
    "[[1, 2, 3",  # cut off
    "[[1, 2, 3]]",
    "[[-1, 5, 7, 9]]",
    "[[1e3, nan, inf, 2]]",
    "[" * 500,
    "[[" + "9" * 400 + ", 1, 2, 3]]",
    "\u202e\uffff [[\u0661, \u0662, \u0663, \u0664]]",
    "1. 2. 3. [[5, 5, 5, 5]] step: :\n- \n* ",
)


def malformed_text(rig, quick: bool) -> Finding:
    """The stand-in repeats what it is asked, and the server reads its words as a model's."""
    regions, malformed, wrong = 0, 0, []
    rounds = 1 if quick else 20
    for _ in range(rounds):
        for text in HOSTILE:
            found = rig.client.ground(f"it {text}")
            malformed += len(found.malformed)
            if found.boxes or found.points:
                wrong.append(text)
            both = rig.client.ground(f"it {VALID} {text}"[:1024])
            regions += len(both.boxes)
            rig.client.plan(f"it {text}")
            rig.client.ask(f"it {text}")
    rig.stack.check()
    expected = rounds * len(HOSTILE)
    return Finding(
        "malformed model text, over ROS",
        f"{4 * expected} calls answered, {malformed} malformed places reported, the valid box beside them kept {regions} of {expected} times",
        f"{len(wrong)} places made of nonsense",
        "0, and every call answered",
        not wrong and regions == expected and malformed > 0,
        {"calls": 4 * expected, "malformed": malformed, "kept": regions, "wrong": wrong[:10]},
    )


def model_hangs(rig, quick: bool) -> Finding:
    """Inference does not return: the goal ends, others are refused, and the process can still be ended."""
    limit, hang = 0.5, 6.0
    rig.end(SERVER, signal.SIGTERM)
    rig.start(SERVER, stand_in_delay=hang, inference_timeout=limit)
    try:
        rig.ready()
        time.sleep(2.0)  # a goal also waits until the new server and the controller are connected, which is not what is measured
        began = time.time()
        result = rig.client.execute("reach the middle", timeout=20.0)
        ended = time.time() - began
        second = rig.client.execute("reach the middle", timeout=20.0).error_code
        _, code = rig.end(SERVER, signal.SIGTERM)
        left = time.time() - began - ended
    finally:
        if rig.stack.processes[SERVER].poll() is None:
            rig.end(SERVER, signal.SIGKILL)
        rig.start(SERVER)
    motions = len(rig.wire.motions(began))
    bound = limit + 0.5
    return Finding(
        "inference hangs",
        "the goal ends with MODEL_FAILED, the next with MODEL_NOT_READY; SIGTERM ends the process with code 0",
        f"goal ended after {ended:.2f} s (inference_timeout {limit:g} s), process gone {left:.1f} s later, {motions} motions",
        f"{bound:.1f} s and 0 motions",
        ended <= bound and motions == 0 and (result.error_code, second, code) == (ResultCode.MODEL_FAILED, ResultCode.MODEL_NOT_READY, 0),
        {"ended": ended, "left": left, "codes": [result.error_code, second], "exit_code": code, "motions": motions},
    )
