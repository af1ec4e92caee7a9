"""What was on the wire, and when: trajectories, chunks and verdicts with the instant at which each was published.

The instants are the middleware's own source stamps, so that this process's delays do not count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from trajectory_msgs.msg import JointTrajectory
from vlaser_msgs.msg import ActionChunk, ChunkVerdict

from vlaser_ros.listeners import VERDICTS, is_answered
from vlaser_ros.messages import to_seconds
from vlaser_ros.trajectory import TrajectoryPlayer

STILL = 0.002  # rad; closer than this to where the command ends it has stopped changing


@dataclass(frozen=True)
class Sent:
    """A message with the instant (s since 1970) at which its publisher sent it."""

    at: float
    message: object


@dataclass(frozen=True)
class Command:
    """A trajectory on the wire. sent, due (k,): s since 1970; positions (k, n + G)."""

    sent: float
    due: np.ndarray
    positions: np.ndarray

    @property
    def is_hold(self) -> bool:
        return len(self.due) == 1 and self.due[0] - self.sent < 0.15


def last_change(commands: Sequence[Command], start: np.ndarray, joints: int) -> float:
    """The last instant (s) at which a driver that plays these commands still changed what it tells the first `joints` joints.

    start (n + G,): where they were told to be before. -inf when nothing ever moved.
    """
    ends, places, player, place = [], [], TrajectoryPlayer(), np.array(start, dtype=float)
    for index, command in enumerate(commands):
        until = commands[index + 1].sent if index + 1 < len(commands) else np.inf
        if player.active:
            place = player.sample(command.sent)
        if not player.splice(command.due, command.positions, command.sent, place):
            continue
        for end in np.minimum([command.sent, *command.due], until):
            ends.append(float(end))
            places.append(player.sample(end)[:joints])
    away = [k for k, where in enumerate(places) if np.abs(where - places[-1]).max() > STILL]
    # It goes on changing until the first instant from which on it is where it ends.
    return ends[away[-1] + 1] if away else -np.inf


class Wire:
    """Listens to one robot's controller and server. clock_offset: s that the robot's clock is ahead of this computer's."""

    def __init__(self, node: Node, trajectory_topic: str, *, clock_offset: Callable[[], float] = lambda: 0.0) -> None:
        self._node, self._clock_offset = node, clock_offset
        self._changed = threading.Condition()
        self.commands: list[Command] = []
        self.chunks: list[Sent] = []
        self.verdicts: dict[int, Sent] = {}
        deep = QoSProfile(depth=1000)
        node.create_subscription(JointTrajectory, trajectory_topic, self._on_trajectory, deep)
        node.create_subscription(ActionChunk, "vlaser/action_chunk", lambda message, info: self._keep(self.chunks, message, info), deep)
        node.create_subscription(ChunkVerdict, "vlaser/chunk_verdict", self._on_verdict, VERDICTS)
        self._out = node.create_publisher(ActionChunk, "vlaser/action_chunk", 10)

    def forget(self) -> None:
        """Empty the record."""
        with self._changed:
            self.commands, self.chunks, self.verdicts = [], [], {}

    def send(self, chunk: ActionChunk) -> None:
        """Publish a chunk as a server would."""
        self._out.publish(chunk)

    def listened(self) -> bool:
        """Whether a controller takes what `send` publishes."""
        return is_answered(self._node, self._out, "vlaser/chunk_verdict")

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Whether `condition` came true within `timeout` s; asked after every message."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def verdict(self, sequence: int, timeout: float = 2.0) -> ChunkVerdict | None:
        """The controller's verdict on a chunk; None when none came."""
        self.wait(lambda: sequence in self.verdicts, timeout)
        sent = self.verdicts.get(sequence)
        return None if sent is None else sent.message

    def moving(self) -> bool:
        """Whether the newest command is a motion that has not ended."""
        with self._changed:
            newest = self.commands[-1] if self.commands else None
        return newest is not None and not newest.is_hold and newest.due[-1] > time.time()

    def motions(self, since: float) -> list[Command]:
        """Commands after `since` (s) that were no holds."""
        with self._changed:
            return [command for command in self.commands if command.sent > since and not command.is_hold]

    def last_change(self, start: np.ndarray, joints: int) -> float:
        """`last_change` of everything on record."""
        with self._changed:
            return last_change(self.commands, start, joints)

    def _keep(self, record: list, message, info) -> None:
        with self._changed:
            record.append(Sent(info["source_timestamp"] * 1e-9, message))
            self._changed.notify_all()

    def _on_verdict(self, message: ChunkVerdict, info) -> None:
        with self._changed:
            self.verdicts[message.sequence] = Sent(info["source_timestamp"] * 1e-9, message)
            self._changed.notify_all()

    def _on_trajectory(self, message: JointTrajectory, info) -> None:
        begin = to_seconds(message.header.stamp) - self._clock_offset()
        due = np.array([begin + to_seconds(point.time_from_start) for point in message.points])
        positions = np.array([point.positions for point in message.points])
        with self._changed:
            self.commands.append(Command(info["source_timestamp"] * 1e-9, due, positions))
            self._changed.notify_all()
