"""Records about one picture whose truth is known: a question of each category, in the order of `FAMILIES_OF`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vlaser_core.data.families.conversation import CATEGORY, conversation
from vlaser_core.data.record import Message, Record
from vlaser_core.data.source import Damage, Picture, Sample
from vlaser_core.data.truth import SceneTruth
from vlaser_core.reasoning.prompts import IMAGE_PLACEHOLDER

FAMILIES_OF = {category: tuple(name for name in CATEGORY if CATEGORY[name] == category) for category in dict.fromkeys(CATEGORY.values())}
"""The families of each category."""
HELD_OUT: dict[Literal["validation", "test"], float] = {"validation": 0.02, "test": 0.02}
PROVENANCE = "simulator state"

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Shown:
    """A picture, its size in pixels, what is known of it, and what its records carry besides. key: of the picture within its unit."""

    key: str
    picture: Picture
    width: int
    height: int
    truth: SceneTruth
    source: str
    domain: str
    licence: str
    split: Split


def split_of(rng: np.random.Generator) -> Split:
    """The split a picture (or an episode) belongs to."""
    drawn = rng.random()
    for split, share in HELD_OUT.items():
        if drawn < share:
            return split
        drawn -= share
    return "train"


def records_about(shown: Shown, rng: np.random.Generator, damage: Damage, where: str) -> Iterator[Sample]:
    """One record a category; where none of a category's questions has an exact answer, that is reported of `where`."""
    for category, families in FAMILIES_OF.items():
        turn = next(iter(conversation(shown.truth, rng, 1, families)), None)
        if turn is None:
            damage.skip(where, f"no {category} question has an exact answer")
            continue
        record = Record(
            id=f"{shown.key}-{category}",
            images=(shown.picture.name,),
            width=shown.width,
            height=shown.height,
            conversations=(Message("human", f"{IMAGE_PLACEHOLDER}\n{turn.question}"), Message("gpt", turn.answer)),
            category=category,
            family=turn.family,
            source=shown.source,
            domain=shown.domain,
            split=shown.split,
            licence=shown.licence,
            provenance=PROVENANCE,
        )
        yield Sample(record, (shown.picture,), shown.truth)
