"""How a model speaks of places, and the picture it is sent so that those places mean what they say.

Qwen2.5-VL answers in pixels of the picture as its own preprocessing resized it: sides that are multiples of 28. A picture of
320 × 240 becomes 308 × 252, and its answers divided by 320 and 240 are wrong by up to 5 %. So a picture is sent in a size
that the model keeps, that size is stated in the question, and answers are divided by it.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Literal

from PIL import Image, UnidentifiedImageError
from pydantic import ConfigDict

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Picture

THOUSAND = 1000


@dataclass(frozen=True)
class Sent:
    """A picture as it is sent, and its size in pixels."""

    picture: Picture
    width: int
    height: int


@dataclass(frozen=True)
class Grid:
    """unit: pixels of the picture as sent, thousandths of its width and height, or fractions of them (0…1). multiple: of what
    sides are made before sending (28 for Qwen2-VL and Qwen2.5-VL), 1 for any. least, most: pixels of the whole picture.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    unit: Literal["pixels", "thousandths", "fractions"] = "thousandths"
    multiple: int = 1
    least: int = 3136
    most: int = 1_003_520

    def __post_init__(self) -> None:
        if self.multiple < 1 or not self.multiple**2 <= self.most or not self.least <= self.most:
            raise ValueError(f"expected multiple ≥ 1 and least ≤ most pixels with room for one multiple, got {self}")

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The size in which a picture is sent: nearest multiples, scaled as a whole where it has too many pixels or too few.
        Sizes that come out are kept when they go in. Qwen's rule (`smart_resize`), so that it has nothing left to change."""
        unit = self.multiple
        wide, high = (max(unit, round(side / unit) * unit) for side in (width, height))
        if wide * high > self.most:
            scale = math.sqrt(width * height / self.most)
            wide, high = (max(unit, math.floor(side / scale / unit) * unit) for side in (width, height))
        elif wide * high < self.least:
            scale = math.sqrt(self.least / (width * height))
            wide, high = (math.ceil(side * scale / unit) * unit for side in (width, height))
        return wide, high

    def prepare(self, picture: Picture) -> Sent:
        """The picture in the size that fits; as it is where it fits already. Raises Damaged for one that cannot be decoded."""
        try:
            with Image.open(io.BytesIO(picture.data)) as image:
                size = self.size(*image.size)
                if size == image.size and image.format in ("JPEG", "PNG"):
                    return Sent(picture, *size)
                data = io.BytesIO()
                image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(data, "JPEG", quality=95)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise Damaged("picture cannot be decoded", f"{picture.name}: {error}") from error
        return Sent(Picture(picture.name, data.getvalue()), *size)

    def told(self, sent: Sent) -> str:
        """The sentence that states how places are to be given."""
        if self.unit == "pixels":
            return (
                f"The image is {sent.width} pixels wide and {sent.height} pixels high. Give x from 0 to {sent.width} from its left edge "
                f"and y from 0 to {sent.height} from its top edge, in whole pixels of this size."
            )
        if self.unit == "thousandths":
            return "Give x and y as whole numbers from 0 to 1000: thousandths of the image's width from its left edge and of its height from its top edge."
        return "Give x and y as fractions from 0 to 1 of the image's width from its left edge and of its height from its top edge, with three decimals."

    def span(self, sent: Sent) -> tuple[float, float]:
        """The largest x and y there are."""
        return {"pixels": (float(sent.width), float(sent.height)), "thousandths": (1000.0, 1000.0), "fractions": (1.0, 1.0)}[self.unit]

    def say(self, x: int, y: int, sent: Sent) -> tuple[str, str]:
        """A place in thousandths (x, y) as this model says it."""
        wide, high = self.span(sent)
        values = x * wide / THOUSAND, y * high / THOUSAND
        return (f"{values[0]:.3f}", f"{values[1]:.3f}") if self.unit == "fractions" else (str(round(values[0])), str(round(values[1])))
