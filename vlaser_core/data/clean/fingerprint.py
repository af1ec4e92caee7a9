"""A picture in 64 and in 256 bits, such that pictures that look alike differ in few of them.

Each bit says whether brightness rises from one cell of a coarse grid to the next (dHash): it stays when a picture is scaled,
compressed anew or made a little brighter. The 64 bits find candidates, the 256 bits decide.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from vlaser_core.data.source import Picture
from vlaser_core.errors import InputError

SIZE = 48  # bytes of a packed print


@dataclass(frozen=True)
class Fingerprint:
    """coarse: 64 bits. fine: 256 bits. content: 64 bits of the SHA-256 of the encoded picture."""

    coarse: int
    fine: int
    content: int

    def pack(self) -> bytes:
        return self.coarse.to_bytes(8, "big") + self.fine.to_bytes(32, "big") + self.content.to_bytes(8, "big")

    @classmethod
    def unpack(cls, data: bytes) -> Fingerprint:
        """Raises InputError for bytes of another length."""
        if len(data) != SIZE:
            raise InputError(f"a packed fingerprint has {SIZE} bytes, got {len(data)}")
        return cls(int.from_bytes(data[:8], "big"), int.from_bytes(data[8:40], "big"), int.from_bytes(data[40:], "big"))


def content_of(data: bytes) -> int:
    """64 bits of what a picture's file holds."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


def fingerprint(picture: Picture) -> Fingerprint:
    """Raises InputError for data that is no picture."""
    encoded = np.frombuffer(picture.data, np.uint8)
    grey = cv2.imdecode(encoded, cv2.IMREAD_REDUCED_GRAYSCALE_2) if len(encoded) else None
    if grey is None:
        raise InputError(f"picture {picture.name!r} cannot be decoded: {len(encoded)} bytes")
    return Fingerprint(_rises(grey, 8), _rises(grey, 16), content_of(picture.data))


def _rises(grey: np.ndarray, side: int) -> int:
    cells = cv2.resize(grey, (side + 1, side), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")
