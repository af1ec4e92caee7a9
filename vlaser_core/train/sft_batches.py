"""The batches of stage 1: for each micro-step its packs, read, decoded, tiled, encoded. A function of the step alone.

A sample that turns out broken here is reported and counted; its place in the pack stays empty, no other takes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedTokenizerBase

from vlaser_core.data.mix import Mixture
from vlaser_core.data.shards.reader import decode
from vlaser_core.errors import InputError, VlaserError
from vlaser_core.model.config import VlaserConfig
from vlaser_core.processing.augment import photometric
from vlaser_core.processing.tiling import chat_tiles
from vlaser_core.train.language import LanguageBatch, Sequence_, SequenceEncoder
from vlaser_core.train.lengths import BROKEN, Lengths
from vlaser_core.train.packing import PackPlan
from vlaser_core.train.processes import Share
from vlaser_core.train.records import Part
from vlaser_core.train.sft_recipe import SftRecipe

QUALITY = (75, 100)  # of JPEG, from and to, as InternVL's trainer draws it


@dataclass(frozen=True)
class Left:
    """A sample left out, and why."""

    where: str
    reason: str


@dataclass(frozen=True)
class Loaded:
    """A micro-step's batch, and what of it had to be left out. samples: that are in it."""

    step: int
    batch: LanguageBatch
    samples: int
    left_out: tuple[Left, ...]


class SftBatches(Dataset):
    """Batches by micro-step. lengths: of each part's records; see `count_lengths`."""

    def __init__(
        self, recipe: SftRecipe, parts: Sequence[Part], lengths: Sequence[Lengths], tokenizer: PreTrainedTokenizerBase, config: VlaserConfig, share: Share
    ) -> None:
        self._recipe, self._parts, self._share = recipe, list(parts), share
        self._encoder = SequenceEncoder(tokenizer, config)
        self._longest = min(recipe.max_length or recipe.pack_tokens, config.text.max_positions)
        self._lengths = [np.where((found.tokens <= self._longest) & (found.tokens != BROKEN), found.tokens, 0) for found in lengths]
        self._number_of = {id(part.records): number for number, part in enumerate(self._parts)}
        self._mixture = Mixture([(part.records, part.weight) for part in self._parts], recipe.seed)
        self.plan = PackPlan(self._draw_lengths, recipe.pack_tokens, recipe.pack_samples, recipe.seed)

    @property
    def draws_an_epoch(self) -> int:
        return round(sum(len(part.records) * part.weight for part in self._parts))

    def updates_an_epoch(self) -> float:
        """Updates until every record was seen as often as its weight says."""
        return self.plan.count(self.draws_an_epoch) / self._recipe.packs

    def tokens_an_update(self, updates: int = 8) -> float:
        """Mean over the first updates."""
        packs = [self.plan[number] for number in range(updates * self._recipe.packs)]
        return float(sum(int(self._length(draw)) for draws in packs for draw in draws)) / updates

    def _draw(self, draw: int) -> tuple[int, int]:
        records, number = self._mixture[draw]
        return self._number_of[id(records)], number

    def _length(self, draw: int) -> int:
        part, number = self._draw(draw)
        return int(self._lengths[part][number])

    def _draw_lengths(self, first: int, last: int) -> np.ndarray:
        return np.array([self._length(draw) for draw in range(first, last)], np.int64)

    def __getitem__(self, micro_step: int) -> Loaded:
        update, pieces = self._share.of(micro_step)
        rows: list[list[Sequence_]] = []
        pictures: list[np.ndarray] = []
        left_out: list[Left] = []
        for place in range(pieces.start, pieces.stop):
            row: list[Sequence_] = []
            for draw in self.plan[update * self._recipe.packs + place].tolist():
                try:
                    sequence, tiles = self.sample(draw)
                except InputError as error:
                    part, number = self._draw(draw)
                    left_out.append(Left(f"{self._parts[part].name}, record {number}", str(error)))
                    continue
                row.append(sequence)
                pictures += tiles
            rows.append(row)
        batch = self._encoder.pack(rows, np.concatenate(pictures) if pictures else None, self._recipe.loss)
        return Loaded(micro_step, batch, sum(map(len, rows)), tuple(left_out))

    def sample(self, draw: int) -> tuple[Sequence_, list[np.ndarray]]:
        """A draw's sequence, and the tiles of each of its pictures. Raises InputError for one that cannot be used."""
        number, record_number = self._draw(draw)
        part, config = self._parts[number], self._encoder.config
        sample = part.records.sample(record_number)
        rng = np.random.default_rng([self._recipe.seed, 3, draw])
        recompress = self._recipe.recompress == "always" or (self._recipe.recompress == "marked" and part.recompress)
        pictures = [self._changed(decode(picture), rng, recompress) for picture in sample.pictures]
        tiles = [
            chat_tiles(picture, len(pictures), tiles_of(part, config), config.vision.image_size, config.resample) for picture in pictures
        ]
        sequence = self._encoder.record(sample.record, [len(cut) for cut in tiles])
        if len(sequence.ids) > self._longest:  # a picture of another size than the record states
            raise InputError(f"record {sample.record.id}: {len(sequence.ids)} tokens with its picture's real size, at most {self._longest} are taken")
        return sequence, tiles

    def _changed(self, picture: np.ndarray, rng: np.random.Generator, recompress: bool) -> np.ndarray:
        if self._recipe.photometric:
            picture = photometric(picture[None], rng, self._recipe.photometric)[0]
        if recompress:
            quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
            encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            picture = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        return picture


def tiles_of(part: Part, config: VlaserConfig) -> int:
    """Into how many squares a part's pictures may be cut; a model of one square a picture has them whole."""
    return config.max_tiles if part.max_tiles is None or config.max_tiles == 1 else part.max_tiles


class Ahead:
    """Batches in order from any step on, read ahead by worker processes where there are some."""

    def __init__(self, batches: SftBatches, workers: int, last: int) -> None:
        self._batches, self._workers, self._last = batches, workers, last
        self._loader: Iterator[Loaded] | None = None

    def __getitem__(self, micro_step: int) -> Loaded:
        if not self._workers:
            return self._batches[micro_step]
        if self._loader is None:
            # One batch at a time is in the making in each worker: batches are large.
            self._loader = iter(DataLoader(self._batches, batch_size=None, sampler=range(micro_step, self._last), num_workers=self._workers))
        try:
            loaded = next(self._loader)
        except RuntimeError as error:
            if "worker" not in str(error).lower():
                raise
            raise VlaserError(
                f"a process that reads samples died at step {micro_step} ({error}); the last good state is kept, and the same command goes on "
                "from it. Fewer --workers need less memory"
            ) from error
        if loaded.step != micro_step:
            raise VlaserError(f"batches are read in order: step {micro_step} was asked for, step {loaded.step} is next")
        return loaded


def to_device(loaded: Loaded, device: torch.device) -> LanguageBatch:
    return loaded.batch if device.type == "cpu" else loaded.batch.to(device)
