"""Notices that the clock was set. No ROS."""

from __future__ import annotations

JUMP = 0.5  # s by which the clock may run apart from the steady one between two looks
SIMULATED_JUMP = 5.0  # s forward; a simulated clock runs at any rate, and stands still at will


class ClockWatch:
    """Compares a clock that people and time servers set with one that only runs. simulated: the first one is a simulator's."""

    def __init__(self, *, simulated: bool = False) -> None:
        self._simulated = simulated
        self._last: tuple[float, float] | None = None
        self.jumps = 0

    def look(self, now: float, steady: float) -> tuple[float, float] | None:
        """Both clocks in s; (time before, jump in s) when the first was set since the last look."""
        last, self._last = self._last, (now, steady)
        if last is None or self._simulated and last[0] == 0.0:  # a simulated clock says 0 until it was heard
            return None
        jump = now - last[0] if self._simulated else (now - last[0]) - (steady - last[1])
        if not (jump < -JUMP or jump > (SIMULATED_JUMP if self._simulated else JUMP)):
            return None
        self.jumps += 1
        return last[0], jump
