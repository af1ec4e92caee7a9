"""The policy's observations from a bag, built by the server's own code from the same messages in the same order.

`Views` and `JointHistory` are fed as the node's subscriptions feed them, on the clock of the recording; what a live
server would have refused (too old, no joint states, cameras apart) is refused here.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vlaser_ros.bags.clock import clock_shift, header_stamp
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.sources import Sources
from vlaser_ros.faults import Fault
from vlaser_ros.joint_history import JointHistory
from vlaser_ros.server.views import Interrupted, View, Views

SYNC_TOLERANCE, JOINTS_TOLERANCE = 0.05, 0.06  # s, the server's defaults
PATIENCE = 2.0  # s of recording after a picture's arrival that its view is waited for


@dataclass(frozen=True)
class Seen:
    """A view; the joints (n,) rad and openness (G,) at its stamp; its age (s) and the recording's time (ns) when it was complete."""

    view: View
    joints: np.ndarray
    openness: np.ndarray
    age: float
    time: int


class BagViews:
    """Iterates over the views of a bag. wanted: of a first camera's stamp (s), whether its view is of interest.

    max_age: s, None for the contract's. missed: why wanted views did not come about, counted.
    """

    def __init__(
        self,
        bag: Bag,
        sources: Sources,
        *,
        max_age: float | None = None,
        sync_tolerance: float = SYNC_TOLERANCE,
        joints_tolerance: float = JOINTS_TOLERANCE,
        wanted: Callable[[float], bool] = lambda stamp: True,
    ) -> None:
        self.bag, self.sources, self.wanted = bag, sources, wanted
        robot = sources.embodiment
        self.missed: Counter[str] = Counter()
        self.frames = 0
        self.history = JointHistory(robot, tolerance=joints_tolerance)
        self._first = next(iter(sources.images.values()))
        self.shift = clock_shift(bag, self._first)
        self._now = 0.0
        self.views = Views(
            robot,
            list(sources.images.values()),
            self.history,
            lambda: self._now,
            max_age=robot.safety.max_observation_age if max_age is None else max_age,
            sync_tolerance=sync_tolerance,
            joints_topic=sources.joints,
        )

    def __iter__(self) -> Iterator[Seen]:
        cameras = {topic: name for name, topic in self.sources.images.items()}
        pending: deque[float] = deque()
        chosen: set[float] = set()
        last = float("-inf")
        for record in self.bag.read(self.sources.topics):
            self._now = (record.time - self.shift) * 1e-9
            message = self.bag.decode(record)
            if record.topic == self.sources.joints:
                self.views.on_joints(message)
            else:
                self.views.on_image(cameras[record.topic], message)
                if record.topic == self._first:
                    self.frames += 1
                    if self.wanted(stamp := header_stamp(record.data)):
                        pending.append(stamp)
                        chosen.add(stamp)
            if not pending or not self.history.covers(pending[0]):
                self._give_up(pending)
                continue
            view = self._look(pending, last)
            if view is not None:
                last = view.stamp
                while pending and pending[0] <= last:
                    # An older picture that was still waiting: a live server takes the newest, too.
                    if pending.popleft() < last:
                        self.missed["a newer picture was complete first"] += 1
                if last in chosen:
                    yield Seen(view, *self.history.at(last), self._now - last, record.time)
                chosen.clear()
                chosen.update(pending)
            self._give_up(pending)
        for stamp in pending:
            self.missed[f"no joint states around it on {self.sources.joints}" if not self.history.covers(stamp) else "its cameras never came together"] += 1

    def _look(self, pending: deque[float], last: float) -> View | None:
        """The newest complete view, if it is later than `last`."""
        after = max(last, pending[0] - self.views.sync_tolerance - 1e-6)
        try:
            # Messages come one by one here: there is nothing to wait for.
            view = self.views.wait(after, 0.0, interrupted=lambda: True)
        except Interrupted:
            return None
        except Fault as fault:
            self.missed[str(fault)] += 1
            pending.popleft()
            return None
        return view if view.stamp >= pending[0] else None

    def _give_up(self, pending: deque[float]) -> None:
        while pending and self._now - pending[0] > max(PATIENCE, self.views.max_age):
            covered = self.history.covers(pending[0])
            reason = f"older than {self.views.max_age:.2f} s when complete" if covered else f"no joint states around it on {self.sources.joints}"
            self.missed[reason] += 1
            pending.popleft()
