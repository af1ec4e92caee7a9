"""The robot's clock: what time it is, how much has passed, and when it jumped."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node

JUMP = 0.25  # s; slewing clocks and coarse simulated ones stay below


class RobotClock:
    """ROS time of a node. on_jump: called with the seconds of a jump, from whatever thread noticed it.

    Simulated time may go forward in leaps; only backward is a jump there. The computer's own clock never leaps by itself,
    so either direction is one; it is noticed by `watch`.
    """

    def __init__(self, node: Node, on_jump: Callable[[float], None]) -> None:
        self._clock, self._on_jump = node.get_clock(), on_jump
        self._offset = self.now() - time.monotonic()
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-JUMP), on_clock_change=False)
        self._handle = self._clock.create_jump_callback(threshold, post_callback=lambda jump: on_jump(jump.delta.nanoseconds * 1e-9))

    @property
    def simulated(self) -> bool:
        """Whether the parameter use_sim_time is set."""
        return self._clock.ros_time_is_active

    def now(self) -> float:
        """ROS time in s; 0 under use_sim_time until something was received on /clock."""
        return self._clock.now().nanoseconds * 1e-9

    def elapsed(self) -> float:
        """s to measure durations of the robot's world with: they stand still while a simulation pauses, and ignore a clock that is set."""
        return self.now() if self.simulated else time.monotonic()

    def missing(self) -> str | None:
        """Why there is no time at all, or None."""
        return "use_sim_time is true, but nothing was received on /clock" if self.simulated and self.now() == 0.0 else None

    def watch(self) -> None:
        """Notice that somebody set the computer's clock. Cheap; to be called often."""
        offset = self.now() - time.monotonic()
        delta, self._offset = offset - self._offset, offset
        if not self.simulated and abs(delta) > JUMP:
            self._on_jump(delta)
