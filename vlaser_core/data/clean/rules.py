"""The stage of rules about one record: what its texts, places and pictures must be for it to teach anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vlaser_core.data.clean.rules_of_pictures import PictureRules
from vlaser_core.data.clean.rules_of_places import PlaceRules
from vlaser_core.data.clean.rules_of_words import WordRules
from vlaser_core.data.source import Damage, Sample, Unit, qualified_id


@dataclass
class Rules:
    """A record that breaks a rule is left out and counted under the first it breaks; nothing is repaired."""

    words: WordRules = field(default_factory=WordRules)
    places: PlaceRules = field(default_factory=PlaceRules)
    pictures: PictureRules = field(default_factory=PictureRules)
    name: str = "rules"

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        return {**vars(self.words), **vars(self.places), **self.pictures.settings}

    def apply(self, unit: Unit, samples: Iterator[Sample], dropped: Damage, seed: int) -> Iterator[Sample]:
        checks: tuple[Callable[[Sample], str], ...] = (self.words.fault, self.places.fault, self.pictures.fault)
        for sample in samples:
            fault = next((fault for check in checks if (fault := check(sample))), "")
            if fault:
                dropped.skip(qualified_id(unit, sample.record.id), fault)
            else:
                yield sample
