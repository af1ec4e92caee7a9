"""Censuses of what is there twice: pictures that look alike, and the same words about the same picture."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vlaser_core.data.clean.fingerprint import Fingerprint, content_of, fingerprint
from vlaser_core.data.clean.near import COARSE, FINE, Near
from vlaser_core.data.clean.words import normalised
from vlaser_core.data.source import Sample

REMEMBERED = 64  # fingerprints of a worker: records of a picture follow each other


@dataclass
class NearPictures:
    """Of pictures that look alike the first is kept, with all of its records; records of the others are left out.

    The first picture of a record counts. exact: look at records with a known truth too; a simulator's pictures are alike on
    purpose, and differ in what is asked about. coarse, fine: bits that may differ, see `Near`.
    """

    coarse: int = COARSE
    fine: int = FINE
    exact: bool = False
    name: str = "near_pictures"
    _recent: OrderedDict[int, bytes] = field(default_factory=OrderedDict, repr=False)

    def __post_init__(self) -> None:
        Near(self.coarse, self.fine)  # tells a wrong radius before anything is read

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        return {"coarse": self.coarse, "fine": self.fine, "exact": self.exact}

    def key(self, sample: Sample) -> bytes:
        if not sample.pictures or (sample.truth is not None and not self.exact):
            return b""
        content = content_of(sample.pictures[0].data)
        if content not in self._recent:
            self._recent[content] = fingerprint(sample.pictures[0]).pack()
            if len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        return self._recent[content]

    def drop(self, keys: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
        kept = Near(self.coarse, self.fine)
        for identity, key in keys:
            given = Fingerprint.unpack(key)
            found = kept.find(given)
            if not len(found):
                kept.add(given)
            elif not kept.same(found, given):
                yield identity, "a picture like one before"


@dataclass
class SameText:
    """The first of records with the same pictures and the same words; letters' case, spaces and punctuation aside.

    anywhere: the same words about other pictures count too. About 100 bytes a record while it is decided.
    """

    anywhere: bool = False
    name: str = "same_text"

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        return {"anywhere": self.anywhere}

    def key(self, sample: Sample) -> bytes:
        whole = hashlib.sha256()
        for message in sample.record.conversations:
            whole.update(f"{message.sender}:{normalised(message.value)}\n".encode())
        if not self.anywhere:
            for picture in sample.pictures:
                whole.update(hashlib.sha256(picture.data).digest())
        return whole.digest()[:10]

    def drop(self, keys: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
        seen: set[bytes] = set()
        for identity, key in keys:
            if key in seen:
                yield identity, "said before"
            seen.add(key)
