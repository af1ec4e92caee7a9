"""Stage 1 from a recipe to a checkpoint: `vlaser train sft`.

    result = sft(read_recipe(SftRecipe, "sft_nano"), say=print)

Everything lands below the recipe's `out`: the log, the state it goes on from, samples that were left out, and `checkpoint/`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vlaser_core.checkpoint.detect import open_checkpoint
from vlaser_core.checkpoint.folder import Checkpoint, save_checkpoint, shipped_checkpoint
from vlaser_core.engine import check_device
from vlaser_core.errors import ConfigError, InputError
from vlaser_core.evaluate.held_out import held_out_loss
from vlaser_core.evaluate.reasoning_score import held_out, score
from vlaser_core.model.config import VlaserConfig
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.train.drop_path import drop_paths
from vlaser_core.train.language import LanguageLoss, SequenceEncoder
from vlaser_core.train.lengths import BROKEN, Lengths, count_lengths
from vlaser_core.train.loop import Weighted, train
from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.pieces import in_one_piece
from vlaser_core.train.processes import Share, cast, join
from vlaser_core.train.recipe import keep_recipe
from vlaser_core.train.records import Part, open_parts
from vlaser_core.train.sft_batches import Ahead, Left, SftBatches, tiles_of, to_device
from vlaser_core.train.sft_recipe import SftRecipe

LABEL = "sft"
Say = Callable[[str], None]

# What a run may go on with another value of: nothing that decides a batch or the weights, but how long it is.
_MAY_CHANGE = {
    "threads", "workers", "device", "size", "evaluate", "evaluate_every", "evaluate_records", "epochs",
    "loop.steps", "loop.save_every", "loop.log_every", "loop.accumulation", "loop.checkpoint_activations", "loop.shard",
}  # fmt: skip


@dataclass(frozen=True)
class SftResult:
    """updates: of the whole run. samples, tokens: learned from in this call. left_out: samples, by reason. evaluation: the last."""

    checkpoint: str
    updates: int
    samples: int
    tokens: int
    left_out: dict[str, int]
    loss: float
    evaluation: dict[str, float]


def sft(recipe: SftRecipe, say: Say) -> SftResult:
    """Train, or go on where a run of the same recipe was stopped. say: told what a person should know on the way.

    Raises ConfigError, InputError or CheckpointError for what the recipe asks and is not there, and what `train` raises.
    """
    check_device(recipe.device)
    if recipe.evaluate_every and recipe.loop.shard:
        raise ConfigError("a sharded model is not evaluated on the way: leave evaluate_every 0 and evaluate the checkpoint")
    torch.set_num_threads(recipe.threads)
    processes = join(recipe.device)
    say = say if processes.leader else _silent
    checkpoint = begin(recipe, str(processes.device))
    model, tokenizer = checkpoint.model, checkpoint.tokenizer
    parts = open_parts(recipe.records.data, recipe.records.weights, recipe.records.plan, recipe.records.categories, recipe.records.families)
    encoder = SequenceEncoder(tokenizer, model.config)
    left_out = LeftOut(recipe.out / "left_out.jsonl", say, writes=processes.leader)
    processes.first(lambda: keep_recipe(recipe, recipe.out, _MAY_CHANGE))
    lengths = processes.first(lambda: [count_lengths(encoder, part, tiles_of(part, model.config), recipe.out) for part in parts])
    tell_lengths(parts, lengths, recipe, model.config, left_out)
    share = Share(recipe.packs, recipe.loop.accumulation, processes)
    batches = SftBatches(recipe, parts, lengths, tokenizer, model.config, share)
    loop = planned(recipe, batches)
    loss = LanguageLoss(tokenizer, recipe.number_width)
    ahead = Ahead(batches, recipe.workers, loop.steps * loop.accumulation)
    counts = {"samples": 0, "tokens": 0}

    def loss_at(micro_step: int) -> Weighted:
        loaded = ahead[micro_step]
        left_out.add(loaded.left_out)
        counts["samples"] += loaded.samples
        counts["tokens"] += int(loaded.batch.mask_BL.sum())
        if recipe.drop_path:
            # Else a run that was stopped would skip other layers than one that was not.
            torch.manual_seed(np.random.SeedSequence([recipe.seed, micro_step, processes.rank]).generate_state(1)[0].item())
        return loss(model, to_device(loaded, processes.device))

    evaluation: dict[str, float] = {}

    def evaluate() -> dict[str, float]:
        evaluation.clear()
        evaluation.update(measured(model, checkpoint, recipe, encoder, loss))
        return evaluation

    train(model, loss_at, loop, recipe.out, LABEL, evaluate if recipe.evaluate_every else None, recipe.evaluate_every)
    if processes.count > 1:
        together = torch.tensor([counts["samples"], counts["tokens"]], device=processes.device)
        torch.distributed.all_reduce(together)
        counts["samples"], counts["tokens"] = together.tolist()
    folder = recipe.out / "checkpoint"
    finished = dataclasses.replace(checkpoint, model=in_one_piece(model, loop))
    if processes.leader:
        save_checkpoint(finished, folder)
    last = json.loads((recipe.out / f"{LABEL}.jsonl").read_text(encoding="utf-8").splitlines()[-1]) if processes.leader else {"loss": math.nan}
    return SftResult(str(folder), loop.steps, counts["samples"], counts["tokens"], left_out.counts, last["loss"], evaluation)


def begin(recipe: SftRecipe, device: str) -> Checkpoint:
    """The checkpoint to begin from, its configuration as the recipe wants it, what is trained marked and in its precision."""
    checkpoint = open_checkpoint(recipe.checkpoint or shipped_checkpoint(), device=device, dtype=torch.float32)
    model = checkpoint.model
    wanted = {name: getattr(recipe, name) for name in ("attention", "chat_system", "max_tiles") if getattr(recipe, name) is not None}
    model.config = dataclasses.replace(model.config, **wanted)
    mark_trained(model, recipe)
    cast(model, recipe.loop.precision)
    if recipe.drop_path:
        drop_paths(model, recipe.drop_path)
    return checkpoint


def mark_trained(model: Vlaser, recipe: SftRecipe) -> None:
    """Parameters of the recipe's parts take gradients, all others do not."""
    model.requires_grad_(False)
    parts = {
        "language": (model.backbone.model.language_model, model.backbone.lm_head),
        "projector": (model.backbone.model.multi_modal_projector,),
        "vision": (model.backbone.model.vision_tower,),
    }
    for name in recipe.train:
        for module in parts[name]:
            module.requires_grad_(True)


def planned(recipe: SftRecipe, batches: SftBatches) -> LoopConfig:
    """The loop with its number of updates, where the recipe states epochs, and the warm-up that is a part of them."""
    steps = recipe.loop.steps if recipe.epochs is None else max(1, math.ceil(recipe.epochs * batches.updates_an_epoch()))
    warmup = recipe.loop.warmup if recipe.warmup_ratio is None else math.ceil(recipe.warmup_ratio * steps)
    return dataclasses.replace(recipe.loop, steps=steps, warmup=warmup)


def tell_lengths(parts: Sequence[Part], lengths: Sequence[Lengths], recipe: SftRecipe, config: VlaserConfig, left_out: LeftOut) -> None:
    """Say which samples are left out before training begins. Raises InputError when none is left."""
    longest, usable = min(recipe.max_length or recipe.pack_tokens, config.text.max_positions), 0
    for part, found in zip(parts, lengths, strict=True):
        broken, long = found.tokens == BROKEN, found.tokens > longest
        usable += int((~broken & ~long).sum())
        if broken.any():
            left_out.known(part.name, "broken", int(broken.sum()), f"for example {found.examples[0]}")
        if long.any():
            most = int(found.tokens.argmax())
            left_out.known(part.name, f"longer than {longest} tokens", int(long.sum()), f"record {most} has {found.tokens[most]}")
    if not usable:
        raise InputError(f"no sample is left to train on: {left_out.counts}")


def measured(model: Vlaser, checkpoint: Checkpoint, recipe: SftRecipe, encoder: SequenceEncoder, loss: LanguageLoss) -> dict[str, float]:
    """Held-out loss and reasoning score, all together and by category."""
    records = held_out(recipe.evaluate)
    losses = held_out_loss(model, encoder, loss, records, recipe.evaluate_records, recipe.seed)
    asked = score(model, checkpoint.tokenizer, records, recipe.evaluate_records, recipe.seed)
    numbers = {"held_out_loss": losses.overall, "score": asked.overall.score}
    numbers |= {f"held_out_loss_{name}": value for name, value in losses.categories.items()}
    return numbers | {f"score_{name}": tally.score for name, tally in asked.categories.items()}


class LeftOut:
    """Samples that were not learned from: told to a person, written down, counted by reason."""

    def __init__(self, path: Path, say: Say, writes: bool, told: int = 5) -> None:
        self._path, self._say, self._writes, self._told = path, say, writes, told
        self._seen: set[str] = set()
        self.counts: dict[str, int] = {}

    def known(self, part: str, reason: str, count: int, example: str) -> None:
        """Samples that packing leaves out."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        self._say(f"{part}: {count} samples left out: {reason}; {example}")

    def add(self, found: Sequence[Left]) -> None:
        """Samples whose place in a pack stays empty, each counted once however often it comes."""
        new = list({left.where: left for left in found if left.where not in self._seen}.values())
        if not new:
            return
        self._seen |= {left.where for left in new}
        self.counts["broken"] = self.counts.get("broken", 0) + len(new)
        for left in new[: max(0, self._told)]:
            self._say(f"left out: {left.where}: {left.reason}")
        self._told -= len(new)
        if self._writes:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(dataclasses.asdict(left)) + "\n" for left in new)


def _silent(text: str) -> None:
    """What other processes than the first have to say."""
