"""Which cleaning a set gets: what `vlaser data clean` does by default and a plan's `clean:` may change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict

from vlaser_core.data.stage import Census, Stage


@dataclass(frozen=True)
class CleanPlan:
    """rules: texts, places and pictures (rules.py). same_text: the same words about the same picture. near_pictures: bits of 64 in which
    pictures may differ and be near-duplicates, None to keep them; exact_pictures: those of simulators too. benchmarks:
    lists of what must not be trained on (`vlaser data blocklist`); in a plan's file, relative to it.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    rules: bool = True
    same_text: bool = True
    near_pictures: int | None = 4
    exact_pictures: bool = False
    benchmarks: tuple[str, ...] = ()

    def stages(self, folder: Path = Path()) -> list[Stage]:
        """The rules about single records. folder: what `benchmarks` are relative to. Raises InputError for a list that cannot be read."""
        from vlaser_core.data.clean.decontaminate import Decontaminate
        from vlaser_core.data.clean.rules import Rules

        found: list[Stage] = [Rules()] if self.rules else []
        if self.benchmarks:
            found.append(Decontaminate(tuple(folder / path for path in self.benchmarks)))
        return found

    def censuses(self) -> list[Census]:
        """The rules about all records together. Raises InputError for a number of bits that cannot be searched."""
        from vlaser_core.data.clean.duplicates import NearPictures, SameText

        found: list[Census] = [SameText()] if self.same_text else []
        if self.near_pictures is not None:
            found.append(NearPictures(coarse=self.near_pictures, exact=self.exact_pictures))
        return found
