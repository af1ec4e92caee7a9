"""Stage 1 as a recipe: what `vlaser train sft` reads from a YAML file and its options. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from vlaser_core.errors import ConfigError
from vlaser_core.train.loop_config import LoopConfig

Part = Literal["language", "projector", "vision"]


@dataclass(frozen=True)
class RecordsRecipe:
    """Which records, and how often each is seen."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    data: tuple[str, ...] = ()  # sets: folders of `vlaser data build`, or upstream's lists (*.json)
    weights: tuple[float, ...] = ()  # of each set: how often one of its records is seen; 1 by default
    plan: str | None = None  # a plan (as for `vlaser data build`) whose weights its sources have
    categories: tuple[str, ...] = ()  # only records of these: grounding, qa, spatial, planning; all by default
    families: tuple[str, ...] = ()  # only records of these question families; all by default


@dataclass(frozen=True)
class SftRecipe:
    """Stage 1: next-token loss on answers. An update learns from `packs` packs, over all processes."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    records: RecordsRecipe = RecordsRecipe()
    out: Path = Path("runs/sft")  # log, state and, at the end, checkpoint/
    checkpoint: Path | None = None  # to begin from (ours, InternVL-chat or -hf); the one that ships by default
    size: Literal["nano", "2b", "8b"] | None = None  # what a dry run reckons with where the checkpoint is not there
    train: tuple[Part, ...] = ("language", "projector")  # the rest is frozen
    attention: Literal["causal", "prefix"] | None = None  # how a question is read: as InternVL's, or both ways as stage 2's; the checkpoint's own by default
    chat_system: Literal["internvl", "none"] | None = None  # system text where a record has none of its own; the checkpoint's by default
    max_tiles: int | None = None  # squares a picture may be cut into, its thumbnail not counted; the checkpoint's by default
    epochs: float | None = None  # over the data; instead of `loop.steps`
    warmup_ratio: float | None = None  # of all updates; instead of `loop.warmup`
    packs: int = 32  # packs an update
    pack_tokens: int = 16384  # tokens a pack holds at most
    pack_samples: int = 0  # samples a pack holds at most; 0: as many as fit
    max_length: int | None = None  # tokens of a sample above which it is left out, and reported; a whole pack by default
    loss: Literal["token", "sample", "square_root", "upstream"] = "token"  # what weighs the same: every token, every sample, between the two, or every pack
    number_width: float = 0.0  # thousandths: coordinates are learned as bells so wide; 0: as any other token
    drop_path: float = 0.0  # chance that the last vision layer is skipped; earlier ones less; only while vision is trained
    recompress: Literal["never", "marked", "always"] = "marked"  # pictures saved as JPEG once more at random: in sets that ask for it (data_augment), or in all
    photometric: float = 0.0  # strength of random light, colour and noise on pictures; 0: none
    workers: int = 0  # processes that read pictures ahead
    seed: int = 0  # of everything random
    device: str = "cpu"  # cpu or cuda
    threads: int = 1  # CPU threads a process
    evaluate: Path | None = None  # a set whose held-out records are asked while training
    evaluate_every: int = 0  # updates between two evaluations; 0: none
    evaluate_records: int = 256  # records asked each time
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(steps=1000, learning_rate=2e-5, warmup=30, final_ratio=0.0, weight_decay=0.05, betas=(0.9, 0.999), ema=0.0)
    )

    def __post_init__(self) -> None:
        if min(self.packs, self.pack_tokens, self.evaluate_records, self.threads) < 1 or min(self.pack_samples, self.workers, self.evaluate_every) < 0:
            raise ConfigError("packs, pack_tokens, evaluate_records and threads are at least 1; pack_samples, workers and evaluate_every at least 0")
        if not self.train or len(set(self.train)) != len(self.train):
            raise ConfigError(f"train names each of language, projector, vision at most once, and at least one; got {self.train}")
        for name, value in (("epochs", self.epochs), ("max_tiles", self.max_tiles), ("max_length", self.max_length)):
            if value is not None and value <= 0:
                raise ConfigError(f"{name} is above 0, got {value}")
        if self.max_length is not None and self.max_length > self.pack_tokens:
            raise ConfigError(f"max_length {self.max_length} is more than pack_tokens {self.pack_tokens}; no pack would hold such a sample")
        if self.warmup_ratio is not None and not 0 <= self.warmup_ratio < 1:
            raise ConfigError(f"warmup_ratio is at least 0 and below 1, got {self.warmup_ratio}")
        if not 0 <= self.drop_path < 1 or min(self.number_width, self.photometric) < 0:
            raise ConfigError("drop_path is at least 0 and below 1, number_width and photometric are at least 0")
        if self.drop_path and "vision" not in self.train:
            raise ConfigError("drop_path skips layers of a vision tower that is trained; add vision to train, or leave it 0")
        if bool(self.evaluate_every) and self.evaluate is None:
            raise ConfigError("evaluate_every needs evaluate, the set whose held-out records are asked")
