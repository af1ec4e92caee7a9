"""A dry run of either stage: what a recipe would train, on how much data, for how long, in how much memory. No weights are read."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from vlaser_core.checkpoint.detect import open_source
from vlaser_core.checkpoint.folder import shipped_checkpoint
from vlaser_core.errors import CheckpointError, ConfigError
from vlaser_core.model.config import ExpertSize, VlaserConfig, size
from vlaser_core.processing.tokenizer import load_tokenizer
from vlaser_core.train.estimate import Pass, estimate, part_parameters, prefix_bytes
from vlaser_core.train.flow_recipe import FlowRecipe
from vlaser_core.train.flow_start import robot_of
from vlaser_core.train.language import SequenceEncoder
from vlaser_core.train.lengths import count_lengths
from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.processes import Processes, Share
from vlaser_core.train.records import open_parts
from vlaser_core.train.sft import LeftOut, planned, tell_lengths
from vlaser_core.train.sft_batches import SftBatches, tiles_of
from vlaser_core.train.sft_recipe import SftRecipe

PROMPT = 40  # tokens of a policy's prompt beside its pictures: the template's and a long instruction
LEARNED = 0.1  # share of tokens that are answers, where nothing better is known: pictures take most of a sequence


@dataclass(frozen=True)
class SftReckoning:
    """samples is 0 where the data is not there; tokens an update are then the most there can be, and updates 0 where they
    depend on the data."""

    model: str
    parameters: dict[str, int]
    trained: tuple[str, ...]
    trained_parameters: int
    processes: int
    memory_gb: float
    state_gb: float
    packs: int
    packs_a_forward: int
    pack_tokens: int
    tokens_an_update: int
    samples: int
    left_out: dict[str, int]
    updates_an_epoch: float
    updates: int
    warmup: int


def reckon_sft(recipe: SftRecipe, processes: int = 1) -> SftReckoning:
    """Raises ConfigError where neither the checkpoint nor a size says what model it would be."""
    config, tokenizer = _model(recipe)
    share = Share(recipe.packs, recipe.loop.accumulation, Processes(0, processes))
    updates, warmup, tokens, samples, per_epoch = 0, 0, recipe.packs * recipe.pack_tokens, 0, 0.0
    left_out: dict[str, int] = {}
    if recipe.epochs is None:
        loop = recipe.loop
        updates, warmup = loop.steps, loop.warmup if recipe.warmup_ratio is None else round(recipe.warmup_ratio * loop.steps)
    if recipe.records.data and tokenizer is not None:
        parts = open_parts(recipe.records.data, recipe.records.weights, recipe.records.plan, recipe.records.categories, recipe.records.families)
        lengths = [count_lengths(SequenceEncoder(tokenizer, config), part, tiles_of(part, config), recipe.out) for part in parts]
        told = LeftOut(recipe.out / "left_out.jsonl", lambda text: None, writes=False)
        tell_lengths(parts, lengths, recipe, config, told)
        batches = SftBatches(recipe, parts, lengths, tokenizer, config, share)
        loop = planned(recipe, batches)
        updates, warmup, per_epoch = loop.steps, loop.warmup, batches.updates_an_epoch()
        tokens, samples, left_out = round(batches.tokens_an_update()), sum(len(found.tokens) for found in lengths), told.counts
    trained = tuple(part for name in recipe.train for part in (("language", "embeddings") if name == "language" else (name,)))
    forward = share.size * recipe.pack_tokens
    once = Pass(forward, forward // config.image_tokens, round(LEARNED * forward))
    return SftReckoning(
        **_common(config, trained, recipe.loop, once, processes), packs=recipe.packs, packs_a_forward=share.size, pack_tokens=recipe.pack_tokens,
        tokens_an_update=tokens, samples=samples, left_out=left_out, updates_an_epoch=round(per_epoch, 2), updates=updates, warmup=warmup,
    )  # fmt: skip


@dataclass(frozen=True)
class FlowReckoning:
    """samples_a_forward: of a process. prefix_tokens: longest prompt, of each sample; prefix_mb: what keeping its keys and values
    on disk takes, 0 where they are computed anew."""

    model: str
    parameters: dict[str, int]
    trained: tuple[str, ...]
    trained_parameters: int
    processes: int
    memory_gb: float
    state_gb: float
    batch: int
    samples_a_forward: int
    prefix_tokens: int
    prefix_mb: float
    updates: int
    warmup: int


def reckon_flow(recipe: FlowRecipe, processes: int = 1) -> FlowReckoning:
    """Raises ConfigError or CheckpointError where neither the checkpoint nor a size says what model it would be."""
    config = _policy(recipe)
    share = Share(recipe.batch, recipe.loop.accumulation, Processes(0, processes))
    trained = {"expert": ("expert",), "expert+vision": ("expert", "vision", "projector"), "all": ("expert", "vision", "projector", "language")}
    stored = recipe.train == "expert" and recipe.prefixes == "store"
    prefix = config.views * config.image_tokens + PROMPT
    seen, times = share.size * prefix, recipe.times_per_prefix
    expert_tokens = share.size * times * (1 + config.horizon)
    once = Pass(0 if stored else seen, 0 if stored else share.size * config.views, 0, expert_tokens, seen * times)
    return FlowReckoning(
        **_common(config, trained[recipe.train], recipe.loop, once, processes), batch=recipe.batch, samples_a_forward=share.size,
        prefix_tokens=prefix, prefix_mb=round(prefix * prefix_bytes(config) / 1e6, 2) if stored else 0.0, updates=recipe.loop.steps,
        warmup=recipe.loop.warmup,
    )  # fmt: skip


def _common(config: VlaserConfig, trained: tuple[str, ...], loop: LoopConfig, once: Pass, processes: int) -> dict:
    counts, memory = part_parameters(config), estimate(config, trained, loop, once, processes)
    return {
        "model": config.name,
        "parameters": {part: count for part, count in counts.items() if count},
        "trained": tuple(part for part in trained if counts[part]),  # tied embeddings count as one
        "trained_parameters": sum(counts[part] for part in trained),
        "processes": processes,
        "memory_gb": round(memory.total / 1e9, 2),
        "state_gb": round(memory.state / 1e9, 2),
    }


def _policy(recipe: FlowRecipe) -> VlaserConfig:
    folder = recipe.checkpoint or (shipped_checkpoint() if recipe.size is None else None)
    if folder is None or not folder.exists():
        if recipe.size is None:
            raise CheckpointError(f"there is no checkpoint at {folder}; get it, or say its --size (nano, 2b or 8b) for a dry run without it")
        return size(recipe.size, **({"vocab_size": 2048} if recipe.size == "nano" else {}))
    config = open_source(folder).config
    if config.expert is not None and recipe.expert == "keep":
        return config
    robot = robot_of(recipe)
    given = ExpertSize(recipe.expert_width, recipe.expert_mlp) if recipe.expert_width and recipe.expert_mlp else None
    sizes = given or config.expert
    if sizes is None:
        raise ConfigError(f"{folder} has no action expert to take sizes from; give expert_width and expert_mlp")
    shape = {"horizon": robot.action.horizon, "action_dim": robot.action_dim, "proprio_dim": robot.proprio_dim}
    return dataclasses.replace(config, expert=sizes, views=recipe.views or len(robot.cameras), **shape)


def _model(recipe: SftRecipe) -> tuple[VlaserConfig, PreTrainedTokenizerBase | None]:
    """Sizes of the model, and its tokenizer where the checkpoint is there."""
    folder = recipe.checkpoint or (shipped_checkpoint() if recipe.size is None else None)
    if folder is not None and folder.exists():
        config, tokenizer = open_source(folder).config, load_tokenizer(folder)
    elif recipe.size is None:
        raise CheckpointError(f"there is no checkpoint at {folder}; get it, or say its --size (nano, 2b or 8b) for a dry run without it")
    else:
        # Stage 1 begins from a model that only reasons.
        config = size(recipe.size, vocab_size=151_674) if recipe.size != "nano" else size("nano", vocab_size=2048)
        config = dataclasses.replace(config, expert=None, horizon=0, action_dim=0, proprio_dim=0)
        tokenizer = None
        if recipe.records.data:
            raise ConfigError(f"counting tokens of {', '.join(recipe.records.data)} needs the checkpoint's tokenizer; leave --data out, or get {folder}")
    wanted = {name: getattr(recipe, name) for name in ("attention", "chat_system", "max_tiles") if getattr(recipe, name) is not None}
    return dataclasses.replace(config, **wanted), tokenizer
