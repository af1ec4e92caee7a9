"""A folder of pictures as a source: nothing is known of them, and every record is written by a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.labels.draft import NOTHING_KNOWN
from vlaser_core.data.labels.write import WriteLabels
from vlaser_core.data.record import Message, Record
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.sources.base import placeholders
from vlaser_core.data.sources.pictures import read_picture
from vlaser_core.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
PICTURES_A_UNIT = 100


@dataclass
class WrittenPictures:
    """root: pictures, in folders as they may be. write: asks for the records. licence, domain: of the pictures, for every record.

    A hundred pictures, in the order of their files' names, are a unit.
    """

    root: Path
    write: WriteLabels
    licence: str
    domain: str = "photographs"
    name: str = "pictures"
    get: str = "give a folder of JPEG or PNG files"

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        return {"licence": self.licence, "domain": self.domain}

    def units(self) -> Sequence[Unit]:
        files = self._files()
        if not files:
            raise InputError(f"no pictures ({', '.join(SUFFIXES)}) below {self.root}: {self.get}")
        parts = [files[first : first + PICTURES_A_UNIT] for first in range(0, len(files), PICTURES_A_UNIT)]
        return [Unit(self.name, f"{number:06d}-{_digest(part)}", len(part)) for number, part in enumerate(parts)]

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        first = int(unit.key.partition("-")[0]) * PICTURES_A_UNIT
        part = self._files()[first : first + PICTURES_A_UNIT]
        if unit.key != f"{first // PICTURES_A_UNIT:06d}-{_digest(part)}":
            raise InputError(f"the pictures below {self.root} changed while they were read; run the same command again")
        return self.write.apply(unit, self._shown(part, damage), damage, seed)

    def _files(self) -> list[str]:
        return sorted(
            path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
        )

    def _shown(self, files: Sequence[str], damage: Damage) -> Iterator[Sample]:
        """Pictures as samples that say nothing; `write` passes on what is written about them and not these."""
        for relative in files:
            try:
                found = read_picture(self.root, relative, self.name)
            except Damaged as error:
                damage.skip(f"{relative} ({error})", error.reason)
                continue
            said = Message("human", placeholders(1) + "?"), Message("gpt", "-")
            identity = hashlib.sha256(relative.encode()).hexdigest()[:16]
            shown = (found.picture.name,), found.width, found.height, said, "qa", NOTHING_KNOWN, self.name, self.domain
            record = Record(identity, *shown, "train", self.licence, "not labelled")
            yield Sample(record, (found.picture,))


def _digest(files: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(files).encode()).hexdigest()[:12]
