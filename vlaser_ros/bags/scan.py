"""Pictures of a bag at given stamps, read forward through the file once as long as they are asked for in order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_ros.bags.reader import Bag
from vlaser_ros.bags.views import BagViews, Seen

_HELD = 512  # pictures of other cameras kept for when they are asked for


class Scan:
    """Shared by the episodes of a bag. views: of an open bag, those whose stamps are wanted. stamps: all that may be asked for;
    more can be added before the first is.
    """

    def __init__(self, where: str, bag: Callable[[], AbstractContextManager[Bag]], views: Callable[[Bag, Callable[[float], bool]], BagViews]) -> None:
        self._where, self._bag, self._views = where, bag, views
        self.stamps: set[float] = set()
        self._passing: Iterator[Seen] | None = None
        self._last = float("-inf")
        self._held: OrderedDict[tuple[float, str], np.ndarray] = OrderedDict()

    def pictures(self, camera: str, stamps: Sequence[float]) -> Iterator[np.ndarray]:
        """RGB uint8 (h, w, 3) at each of `stamps` (s), ascending. Raises Damaged where the bag has none any more."""
        if any(later < earlier for earlier, later in zip(stamps, stamps[1:], strict=False)):
            raise ValueError("steps must ascend")
        for stamp in stamps:
            picture = self._held.pop((stamp, camera), None)
            yield self._advance(stamp, camera) if picture is None else picture

    def _advance(self, stamp: float, camera: str) -> np.ndarray:
        if self._passing is None or stamp <= self._last:
            self._passing, self._last = self._pass(), float("-inf")
        for seen in self._passing:
            self._last = seen.view.stamp
            if self._last > stamp:
                break
            if self._last == stamp:
                images = dict(seen.view.observation.images)
                picture = images.pop(camera)
                self._held.update({(stamp, name): image for name, image in images.items()})
                while len(self._held) > _HELD:
                    self._held.popitem(last=False)
                return picture
        self._passing = None
        raise Damaged("picture is not in the bag any more", f"{self._where} at {stamp:.3f} s")

    def _pass(self) -> Iterator[Seen]:
        with self._bag() as bag:
            yield from self._views(bag, self.stamps.__contains__)
