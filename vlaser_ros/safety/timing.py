"""When the steps of a chunk are due, and which of them still make sense. No ROS.

A chunk is stamped with its observation, and step i is due at stamp + (i + 1) · dt: where chunks overlap, the arm moves
while the model thinks, and the steps of that time have been replaced by the running chunk's. But while the arm rests
nothing is replaced: dropping a late chunk's first steps, or squeezing them into what is left of their time, would make
it jerk. So **a chunk's clock stands still while the arm does**: its times count from stamp + rested, where `rested` is how
long, since the observation, nothing was commanded to move. An arm that rested all the while starts the chunk on arrival
at its own speed, however slow the model; one that moved all the while splices it at the stamped times.

From rest, the way to the first step takes the time its joints need at nine tenths of their limits: absolute joint
positions at 50 Hz mostly start further away than one period reaches.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from vlaser_ros.safety.bounds import Bounds
from vlaser_ros.safety.verdict import GateCode, Rejection

SHORTEST = 1e-3  # s; less time than this is no time to move in
CATCH_UP = 0.1  # s within which a splice in motion may pass over steps to reach the path again


@dataclass(frozen=True)
class Schedule:
    """origin: s, the steps' times count from it; due: s, of every step; first: index of the first step to be sent;
    expected: (n,) rad, where the arm would be now if it followed the chunk."""

    origin: float
    due: list[float]
    first: int
    expected: Sequence[float]


def plan(
    path: Sequence[Sequence[float]],
    dt: float,
    stamp: float,
    now: float,
    *,
    rested: float,
    observed: Sequence[float],
    start: Sequence[float],
    bounds: Bounds,
    retime: bool = False,
) -> Schedule:
    """The schedule of steps `path` (h rows, rad) that arrive at `now` and were computed from `observed` at `stamp`.

    rested: s since then in which nothing was commanded to move; start: where the arm is commanded now. retime: count
    from `now` whatever the arm does. Raises Rejection (AGE) when every step is past.
    """
    count, age = len(path), max(0.0, now - stamp)
    rested = age if retime else min(max(rested, 0.0), age)
    origin = now if retime else stamp + rested
    due = [origin + dt * (step + 1) for step in range(count)]
    if due[-1] <= now + SHORTEST:
        raise Rejection(GateCode.AGE, f"every step is past: the last was due {now - due[-1]:.3f} s ago")
    progress = max(0.0, (now - origin) / dt)
    whole = min(int(progress), count - 1)
    before, share = observed if whole == 0 else path[whole - 1], progress - whole
    expected = [a + (b - a) * share for a, b in zip(before, path[whole], strict=True)] if progress else observed
    # A trajectory controller drops what is past. A step due in a moment goes with it: meeting it would take a jerk,
    # and the way through the next one ends at the same place.
    first = min(bisect_right(due, now + dt / 2), count - 1)
    if rested > 0.0:
        late = bounds.time_for(start, path[first]) - (due[first] - now)
        if late > 0.0:
            origin, due = origin + late, [time + late for time in due]
    else:
        while first + 1 < count and due[first] - now < min(CATCH_UP, bounds.time_for(start, path[first])):
            first += 1
    return Schedule(origin, due, first, expected)
