"""What a training would take, reckoned from sizes alone: no weights, no data.

    needs = estimate(size("2b"), ("language", "embeddings", "projector"), loop, Pass(tokens=16384, tiles=64, learned=1600), processes=8)

Memory is an estimate of what one process holds at its fullest; `vlaser train bench` measures.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import torch

from vlaser_core.model.config import VlaserConfig
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.train.loop_config import LoopConfig

PARTS = {
    "vision": ("backbone.model.vision_tower.",),
    "projector": ("backbone.model.multi_modal_projector.",),
    "embeddings": ("backbone.model.language_model.embed_tokens.", "backbone.lm_head."),
    "language": ("backbone.model.language_model.",),
    "expert": ("expert.", "proprio_encoder.", "action_encoder.", "action_decoder."),
}


@lru_cache(maxsize=8)
def part_parameters(config: VlaserConfig) -> dict[str, int]:
    """Parameters of each part of the model; of weights that are tied, once."""
    with torch.device("meta"):
        model = Vlaser(config, 0)
    counts = dict.fromkeys(PARTS, 0)
    for name, parameter in model.named_parameters():
        part = next(part for part, starts in PARTS.items() if name.startswith(starts))
        counts[part] += parameter.numel()
    return counts


@dataclass(frozen=True)
class Memory:
    """Bytes on one process. state: weights, gradients, optimiser moments and average. activations: what a forward pass keeps for
    the backward one, and the largest thing made on the way. logits: of learned tokens over the vocabulary."""

    state: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        return self.state + self.activations + self.logits


@dataclass(frozen=True)
class Pass:
    """What goes through the model at once. tokens: through the backbone, 0 where prefixes are read; learned: of them, those with
    a label; tiles: pictures; expert_tokens: through the action expert, which looks at prefixes of `seen` tokens together."""

    tokens: int = 0
    tiles: int = 0
    learned: int = 0
    expert_tokens: int = 0
    seen: int = 0


def estimate(config: VlaserConfig, trained: Collection[str], loop: LoopConfig, once: Pass, processes: int = 1) -> Memory:
    """What one process holds in a micro-step."""
    counts = part_parameters(config)
    live = sum(count for part, count in counts.items() if part in trained)
    frozen = sum(counts.values()) - live
    low = loop.precision != "float32"
    weight = 2 if loop.precision == "bfloat16" else 4
    # Weight, gradient and AdamW's two moments in the weight's type (Muon keeps one, nothing is taken off for it); the average is float32 whatever they are.
    each = 4 * weight + (4 if loop.ema else 0)
    state = live * each + frozen * (2 if low else 4)
    if loop.shard:
        state //= processes
    cell = 2 if low else 4
    activations = _backbone(config, once.tokens, cell, "language" in trained, loop) + _vision(config, once.tiles, cell, "vision" in trained, loop)
    activations += _expert(config, once, cell, loop)
    if low and not loop.shard and loop.precision == "autocast":
        activations += 2 * live  # autocast's copies of the weights in half precision
    # Logits, their logarithm and their gradient, in float32.
    return Memory(int(state), int(activations), 3 * 4 * once.learned * config.text.vocab_size)


def _backbone(config: VlaserConfig, tokens: int, cell: int, trained: bool, loop: LoopConfig) -> int:
    text = config.text
    heads = (2 * text.heads + 2 * text.kv_heads) * text.head_dim
    # Input, two norms, q k v and what attention gives, and the MLP's three inner products with their product.
    layer = tokens * (4 * text.hidden_size + heads + 4 * text.intermediate_size) * cell
    between = tokens * text.hidden_size * cell
    if not trained:
        return layer
    return text.layers * between + layer if loop.checkpoint_activations else text.layers * layer


def _vision(config: VlaserConfig, tiles: int, cell: int, trained: bool, loop: LoopConfig) -> int:
    vision = config.vision
    tokens = tiles * ((vision.image_size // vision.patch_size) ** 2 + 1)
    layer = tokens * (9 * vision.hidden_size + 2 * vision.intermediate_size) * cell
    if not trained:
        return layer
    between = tokens * vision.hidden_size * cell
    return vision.layers * between + layer if loop.checkpoint_activations else vision.layers * layer


def _expert(config: VlaserConfig, once: Pass, cell: int, loop: LoopConfig) -> int:
    """The expert's own layers, and the prefixes that all of them look at."""
    if config.expert is None or not once.expert_tokens:
        return 0
    text, expert = config.text, config.expert
    heads = (2 * text.heads + 2 * text.kv_heads) * text.head_dim
    layer = once.expert_tokens * (4 * expert.hidden_size + heads + 4 * expert.intermediate_size) * cell
    kept = text.layers * once.expert_tokens * expert.hidden_size * cell + layer if loop.checkpoint_activations else text.layers * layer
    return kept + once.seen * prefix_bytes(config, cell)


def prefix_bytes(config: VlaserConfig, cell: int = 2) -> int:
    """Keys and values of one token of a prefix in all layers."""
    return 2 * config.text.layers * config.text.kv_heads * config.text.head_dim * cell
