"""Stage 1's loss on records that are not learned from, by category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from vlaser_core.data.shards.reader import decode
from vlaser_core.errors import InputError
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.tiling import chat_tiles
from vlaser_core.train.language import LanguageLoss, SequenceEncoder
from vlaser_core.train.records import Records


@dataclass(frozen=True)
class HeldOutLoss:
    """Nats a learned token, over all records that can be read and by category. records: how many those were."""

    overall: float
    categories: dict[str, float]
    records: int


def held_out_loss(
    model: Vlaser, encoder: SequenceEncoder, loss: LanguageLoss, records: Records, limit: int | None = None, seed: int = 0, batch: int = 16
) -> HeldOutLoss:
    """Of `limit` records (all by default) drawn with `seed`. Raises InputError when none can be read."""
    config = encoder.config
    found: dict[str, list] = {}
    for number in np.sort(np.random.default_rng(seed).permutation(len(records))[:limit]).tolist():
        try:
            sample = records.sample(number)
            tiles = [
                chat_tiles(decode(picture), len(sample.pictures), config.max_tiles, config.vision.image_size, config.resample)
                for picture in sample.pictures
            ]
            found.setdefault(sample.record.category, []).append((encoder.record(sample.record, [len(cut) for cut in tiles]), tiles))
        except InputError:
            continue  # the score counts and names these
    if not found:
        raise InputError(f"none of the records held out could be read ({len(records)} of them)")
    sums = {}
    for category, samples in sorted(found.items()):
        samples.sort(key=lambda pair: len(pair[0].ids))
        sums[category] = torch.zeros(2, dtype=torch.float64)
        for first in range(0, len(samples), batch):
            part = samples[first : first + batch]
            pictures = [cut for _, tiles in part for cut in tiles]
            packed = encoder.pack([[sequence] for sequence, _ in part], np.concatenate(pictures) if pictures else None)
            with torch.no_grad():
                value = loss(model, packed.to(model.device))
            sums[category] += torch.tensor([float(value.total), float(value.count)], dtype=torch.float64)
    total = sum(sums.values())
    categories = {category: float(value[0] / value[1]) for category, value in sums.items()}
    return HeldOutLoss(float(total[0] / total[1]), categories, sum(map(len, found.values())))
