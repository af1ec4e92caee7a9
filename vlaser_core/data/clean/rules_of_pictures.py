"""What pictures must be: large enough, of a usable shape, and showing something."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import cv2
import numpy as np

from vlaser_core.data.clean.fingerprint import content_of
from vlaser_core.data.source import Picture, Sample

REMEMBERED = 64


@dataclass
class PictureRules:
    """smallest_side: pixels. stretch: times that one side may be longer than the other. flat: standard deviation of brightness
    (of 255) below which a picture shows nothing.
    """

    smallest_side: int = 16
    stretch: float = 20.0
    flat: float = 1.5
    _recent: OrderedDict[int, str] = field(default_factory=OrderedDict, repr=False)

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        return {"smallest_side": self.smallest_side, "stretch": self.stretch, "flat": self.flat}

    def fault(self, sample: Sample) -> str:
        """The first rule that a record's pictures break, empty for none."""
        return next((fault for picture in sample.pictures if (fault := self._remembered(picture))), "")

    def _remembered(self, picture: Picture) -> str:
        content = content_of(picture.data)
        if content not in self._recent:
            self._recent[content] = self._fault(picture)
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        return self._recent[content]

    def _fault(self, picture: Picture) -> str:
        # Half the size: a quarter of the time, and no picture that shows something becomes flat by it.
        grey = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_2) if picture.data else None
        if grey is None:
            return "a picture cannot be decoded"
        short, long = sorted(2 * side for side in grey.shape)
        if short < self.smallest_side:
            return "a picture is too small"
        if long > self.stretch * short:
            return "a picture is too long for its width"
        return "a picture shows nothing" if float(cv2.meanStdDev(grey)[1][0, 0]) < self.flat else ""
