"""Every fault of `vlaser bench faults`: one function each, which provokes it, waits, and tells what it measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from vlaser_core.errors import ConfigError, VlaserError
from vlaser_ros.bench.faults import gate, inputs, model, processes, recording, stops
from vlaser_ros.bench.findings import Finding


@dataclass(frozen=True)
class Check:
    """run: (rig, quick) → finding, or (quick) without a rig. rig: which one it needs; checks with the same one share its processes."""

    name: str
    rig: str  # "", "puppet" (no server), "robot", "clock" or "tabletop"
    run: Callable[..., Finding]


CHECKS = (
    Check("wild_chunks", "", gate.wild_chunks),
    Check("late_chunks", "", gate.late_chunks),
    Check("stop", "puppet", stops.stop_request),
    Check("wild_messages", "puppet", gate.wild_messages),
    Check("camera_stops", "robot", inputs.camera_stops),
    Check("joint_states_stop", "puppet", inputs.joint_states_stop),
    Check("lag", "robot", inputs.lag),
    Check("arm_blocked", "puppet", stops.arm_blocked),
    Check("driver_refuses", "puppet", stops.driver_refuses),
    Check("malformed_text", "robot", model.malformed_text),
    Check("model_hangs", "robot", model.model_hangs),
    Check("disk_full", "robot", recording.disk_full),
    Check("latched_stop_restart", "puppet", processes.latched_stop_restart),
    Check("server_killed", "tabletop", processes.server_killed),
    Check("server_frozen", "tabletop", processes.server_frozen),
    Check("server_restarts", "tabletop", processes.server_restarts),
    Check("controller_killed", "tabletop", processes.controller_killed),
    Check("interrupted", "tabletop", processes.interrupted),
    Check("clock_jumps", "clock", inputs.clock_jumps),
)
NAMES = tuple(check.name for check in CHECKS)


def measure(
    only: Sequence[str] = (), *, quick: bool = False, tell: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[str, Finding]]:
    """Provoke the faults one after the other; (name, finding) as each is done. only: names, all by default.

    What a check could not do is a finding too, and not ok. Raises ConfigError for unknown names.
    """
    if unknown := sorted(set(only) - set(NAMES)):
        raise ConfigError(f"unknown faults {', '.join(unknown)}; known: {', '.join(NAMES)}")
    chosen = [check for check in CHECKS if not only or check.name in only]
    for kind in dict.fromkeys(check.rig for check in chosen):
        with ExitStack() as held:
            rig = _rig(kind, held)
            for check in chosen:
                if check.rig != kind:
                    continue
                tell(check.name)
                try:
                    if rig is None:
                        yield check.name, check.run(quick)
                        continue
                    rig.settle()
                    yield check.name, check.run(rig, quick)
                except VlaserError as error:
                    yield check.name, Finding(check.name.replace("_", " "), f"could not be measured: {error}", "nothing", "", False)


def _rig(kind: str, held: ExitStack):
    if not kind:
        return None
    from vlaser_ros.bench.rig import Rig

    options = {"puppet": {"server": False}, "robot": {}, "clock": {"simulated_clock": True}, "tabletop": {"world": "tabletop"}}[kind]
    return held.enter_context(Rig(**options))
