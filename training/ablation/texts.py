"""Pictures of a set of questions in memory with what is known of them, so that each can be asked something new every time it is seen.

A set holds one question of each category about a picture. That is enough to judge by and too little to learn from: a
model that meets ten thousand pictures ten times learns the answers by heart before it learns to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vlaser_core.data.families import conversation, task_answer
from vlaser_core.data.families.records import FAMILIES_OF
from vlaser_core.data.phrasing import Turn
from vlaser_core.data.shards import RecordSet
from vlaser_core.data.shards.reader import decode
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError
from vlaser_core.processing.pixels import square


class Texts:
    """The training pictures of a simulated set, and questions about them in some categories.

    categories: all of `FAMILIES_OF` where empty. share: of the set's pictures, the first ones in its order, so that a larger
    share holds the smaller one. size, resample: of the model's pictures. pictures: uint8 (M, size, size, 3); truths: M.
    Raises InputError where the set has no such question, or no truth to answer another with.
    """

    def __init__(self, folder: Path, categories: Sequence[str], share: float, size: int, resample: str) -> None:
        chosen = RecordSet(folder).where(split="train")
        # A picture's name is its unit's own: another unit may have another picture of that name.
        shown = [(chosen.unit(number).key, *record.images) for number, record in enumerate(chosen)]
        first = list(dict.fromkeys(shown))
        kept = set(first[: max(1, round(share * len(first)))])
        self.categories = tuple(categories) or tuple(FAMILIES_OF)
        self.truths: list[SceneTruth] = []
        pictures: list[np.ndarray] = []
        for key, sample in zip(shown, chosen.samples(), strict=True):
            record = sample.record
            if record.category not in self.categories or key not in kept:
                continue
            kept.remove(key)
            if sample.truth is None:
                raise InputError(f"{folder}: record {record.id} has no truth to derive questions from; build the set from a simulator")
            pictures.append(square(decode(sample.pictures[0]), size, resample))
            self.truths.append(sample.truth)
        if not pictures:
            raise InputError(f"{folder} has no training record of {', '.join(self.categories)}")
        self.pictures = np.stack(pictures)

    def __len__(self) -> int:
        return len(self.truths)

    def task(self, picture: int) -> str:
        """What the categories say of the picture's task, for the policy's own prompt; empty where there is nothing to say."""
        return task_answer(self.truths[picture], self.categories)

    def conversation(self, picture: int, turns: int, rng: np.random.Generator) -> list[Turn]:
        """Up to `turns` questions about a picture with their answers, in a random order, of as many categories as may be."""
        wanted = np.resize(rng.permutation(self.categories), turns).tolist()
        asked = [
            turn
            for category in dict.fromkeys(wanted)
            for turn in conversation(self.truths[picture], rng, wanted.count(category), FAMILIES_OF[category])
        ]
        return [asked[row] for row in rng.permutation(len(asked))]
