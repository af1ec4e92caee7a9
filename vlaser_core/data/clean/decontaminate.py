"""The stage that leaves out what a benchmark holds: its pictures, and questions worded as its own are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vlaser_core.data.clean.blocklist import Blocklist, load_blocklist
from vlaser_core.data.clean.fingerprint import content_of, fingerprint
from vlaser_core.data.clean.near import COARSE, FINE, Near
from vlaser_core.data.clean.words import ngrams
from vlaser_core.data.source import Damage, Picture, Sample, Unit, qualified_id
from vlaser_core.errors import InputError

OVERLAP = 0.5  # of a question's n-grams that are a benchmark's
REMEMBERED = 64


@dataclass
class _Loaded:
    """All lists together. owners: whose each picture is, by its number in `near`."""

    near: Near
    owners: list[str] = field(default_factory=list)
    grams: dict[int, dict[str, str]] = field(default_factory=dict)  # benchmark by n-gram, by words in it


@dataclass
class Decontaminate:
    """lists: files that `vlaser data blocklist` made. Questions shorter than a list's n-grams are too general to be anyone's own, and
    are left out by their picture alone. coarse, fine: bits in which pictures may differ and be the same, see `Near`.

    Raises InputError for a list that is not there or damaged, when it is made.
    """

    lists: tuple[Path, ...]
    overlap: float = OVERLAP
    coarse: int = COARSE
    fine: int = FINE
    name: str = "decontaminate"
    _loaded: _Loaded | None = field(default=None, repr=False)
    _recent: dict[int, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= 1:
            raise InputError(f"the overlap of questions is above 0 and at most 1, got {self.overlap}")
        self.lists = tuple(Path(path).resolve() for path in self.lists)
        for path in self.lists:
            load_blocklist(path)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_loaded": None, "_recent": {}}

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        contents = {f"list {path.name}": hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in self.lists}
        return {**contents, "overlap": self.overlap, "coarse": self.coarse, "fine": self.fine}

    def apply(self, unit: Unit, samples: Iterator[Sample], dropped: Damage, seed: int) -> Iterator[Sample]:
        if self._loaded is None:
            self._loaded = _load([load_blocklist(path) for path in self.lists], Near(self.coarse, self.fine))
        for sample in samples:
            owner = next((owner for picture in sample.pictures if (owner := self._owner(picture))), "")
            if owner:
                dropped.skip(qualified_id(unit, sample.record.id), f"a picture of {owner}")
                continue
            owner = next((owner for question, _ in sample.record.turns() if (owner := self._asker(question))), "")
            if owner:
                dropped.skip(qualified_id(unit, sample.record.id), f"a question of {owner}")
            else:
                yield sample

    def _owner(self, picture: Picture) -> str:
        """The benchmark that has a picture, empty for none. Raises InputError for one that cannot be decoded."""
        content = content_of(picture.data)
        if content not in self._recent:
            if len(self._recent) >= REMEMBERED:
                self._recent.clear()
            found = self._loaded.near.find(fingerprint(picture))
            self._recent[content] = self._loaded.owners[found[0]] if len(found) else ""
        return self._recent[content]

    def _asker(self, question: str) -> str:
        for words, owners in self._loaded.grams.items():
            grams = ngrams(question, words)
            hits = [owners[gram] for gram in grams if gram in owners]
            if grams and len(hits) >= self.overlap * len(grams):
                return hits[0]
        return ""


def _load(lists: list[Blocklist], near: Near) -> _Loaded:
    loaded = _Loaded(near)
    for entry in lists:
        for given in entry.fingerprints():
            near.add(given)
            loaded.owners.append(entry.name)
        loaded.grams.setdefault(entry.words, {}).update(dict.fromkeys(entry.ngrams, entry.name))
    return loaded
