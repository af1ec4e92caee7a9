"""Stage 0: eyes for the base. The paper's models come from the web and can see; a nano that has learned nothing cannot.

Words alone teach sight slowly: after three thousand updates of questions about other rooms a nano still could not tell one
colour from another. So its eyes first learn what lies where in those rooms, cell by cell, from the simulator's own map of
each picture. No robot and nothing of its table is seen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from training.ablation.settings import Ablation
from training.ablation.texts import Texts
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.augment import photometric
from vlaser_core.processing.pixels import normalise_pixels
from vlaser_core.train.loop import LoopConfig, Weighted, train

FINE = 4  # cells a side that each of the picture's tokens is asked about
THINGS_WEIGHT = 4.0  # of a cell with a thing in it, against an empty one: nine in ten are empty
HELD_OUT = 512  # pictures


@dataclass(frozen=True)
class Cells:
    """What lies in each cell: of which kind and which colour, as numbers; 0 where nothing does.

    kinds, colours: what numbers from 1 on mean. values: uint8 (pictures, tokens, cells of a token, 2).
    """

    kinds: tuple[str, ...]
    colours: tuple[str, ...]
    values: np.ndarray


def cells_of(truths: Sequence[SceneTruth], tokens: int) -> Cells:
    """The map of each picture at the centres of a grid of `tokens` · FINE² cells. Raises InputError where there is no map."""
    side = round(tokens**0.5)
    kinds = {kind: number for number, kind in enumerate(sorted({thing.kind or thing.name for truth in truths for thing in truth.objects}), 1)}
    colours = {colour: number for number, colour in enumerate(sorted({thing.colour for truth in truths for thing in truth.objects}), 1)}
    values = np.empty((len(truths), side * FINE, side * FINE, 2), np.uint8)
    centres = (np.arange(side * FINE) + 0.5) / (side * FINE)
    for number, truth in enumerate(truths):
        if truth.pixels is None:
            raise InputError(f"the truth of picture {number} has no map of its pixels; build the set from a simulator")
        things = {thing.name: (kinds[thing.kind or thing.name], colours[thing.colour]) for thing in truth.objects}
        meaning = np.array([things.get(name, (0, 0)) for name in truth.pixels.names], np.uint8)
        rows, columns = ((centres * extent).astype(int) for extent in (truth.pixels.height, truth.pixels.width))
        values[number] = meaning[truth.pixels.values()[np.ix_(rows, columns)]]
    grouped = values.reshape(-1, side, FINE, side, FINE, 2).transpose(0, 1, 3, 2, 4, 5)
    return Cells(tuple(kinds), tuple(colours), grouped.reshape(len(truths), tokens, FINE * FINE, 2))


class Eyes(nn.Module):
    """A model's picture tokens with a layer that reads each one's cells off it; that layer is thrown away afterwards."""

    def __init__(self, model: Vlaser, cells: Cells) -> None:
        super().__init__()
        self.model, self.classes = model, (len(cells.kinds) + 1, len(cells.colours) + 1)
        self.head = nn.Linear(model.config.text.hidden_size, FINE * FINE * sum(self.classes))

    def forward(self, pictures: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """RGB uint8 (B, S, S, 3) → logits (B, tokens, cells, kinds) and (B, tokens, cells, colours)."""
        tokens = self.model.image_features(normalise_pixels(pictures))
        kinds, colours = self.head(tokens).reshape(len(pictures), -1, FINE * FINE, sum(self.classes)).split(self.classes, -1)
        return kinds, colours

    def loss(self, pictures: np.ndarray, values: np.ndarray) -> Weighted:
        """Cross-entropy of kinds in all cells, and of colours where a thing is. values: as in `Cells`, of these pictures."""
        (kinds, colours), wanted = self(pictures), torch.from_numpy(values.astype(np.int64))
        thing = wanted[..., 0] > 0
        weights = torch.where(thing, THINGS_WEIGHT, 1.0)
        kind = (cross_entropy(kinds.flatten(0, 2), wanted[..., 0].flatten(), reduction="none") * weights.flatten()).sum()
        return Weighted(kind + THINGS_WEIGHT * cross_entropy(colours[thing], wanted[..., 1][thing], reduction="sum"), weights.sum())

    @torch.inference_mode()
    def judge(self, pictures: np.ndarray, values: np.ndarray) -> dict[str, float]:
        """Shares of cells that are told right: kinds and colours where a thing is, and emptiness where none is."""
        (kinds, colours), wanted = self(pictures), torch.from_numpy(values.astype(np.int64))
        thing = wanted[..., 0] > 0
        right = [(logits.argmax(-1) == wanted[..., number]).float() for number, logits in enumerate((kinds, colours))]
        found = {"kinds": right[0][thing], "colours": right[1][thing], "empty": right[0][~thing]}
        return {name: round(float(shares.mean()), 4) for name, shares in found.items()}


def train_eyes(settings: Ablation, model: Vlaser, texts: Texts, loop: LoopConfig, out: Path) -> dict:
    """Teach `model`'s eyes, in place, and say how well they tell cells of pictures that were not learned from."""
    cells = cells_of(texts.truths, model.config.image_tokens)
    eyes = Eyes(model, cells)
    model.requires_grad_(False)
    for module in (model.backbone.model.vision_tower, model.backbone.model.multi_modal_projector):
        module.requires_grad_(True)
    learned = len(texts) - min(HELD_OUT, len(texts) // 4)

    def loss_at(step: int) -> Weighted:
        rng = np.random.default_rng((0, step))
        rows = rng.integers(learned, size=settings.eyes_batch)
        return eyes.loss(photometric(texts.pictures[rows], rng), cells.values[rows])

    train(eyes, loss_at, loop, out, "eyes")
    model.requires_grad_(True)
    return {"pictures": learned, "updates": loop.steps} | eyes.judge(texts.pictures[learned:], cells.values[learned:])
