"""Activation checkpointing: a layer keeps its input alone and is computed again in the backward pass. Memory for time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache

LAYERS = ("Qwen2DecoderLayer", "InternVLVisionLayer")


def checkpoint_layers(model: nn.Module) -> None:
    """Have every transformer layer of `model` computed again in the backward pass; without gradients nothing changes.

    transformers' own switch would take the cache away from the backbone, and with it the prefix that the expert reads.
    """
    for module in model.modules():
        if type(module).__name__ in LAYERS and not hasattr(module.forward, "computed_again"):
            module.forward = _computed_again(module.forward, getattr(getattr(module, "self_attn", None), "layer_idx", 0))


def _computed_again(forward: Callable, layer: int) -> Callable:
    def run(hidden: torch.Tensor, *arguments, **named):
        if not torch.is_grad_enabled():
            return forward(hidden, *arguments, **named)
        # transformers has called it past_key_values and cache.
        name = next((name for name, value in named.items() if isinstance(value, DynamicCache)), None)
        if name is None:
            return checkpoint(forward, hidden, *arguments, use_reentrant=False, **named)

        def compute(hidden: torch.Tensor):
            # Keys and values leave as results: a cache that is written would be written twice.
            written = _Written()
            return forward(hidden, *arguments, **{**named, name: written}), written.keys, written.values

        result, keys, values = checkpoint(compute, hidden, use_reentrant=False)
        named[name].update(keys, values, layer)
        return result

    run.computed_again = True
    return run


class _Written:
    """A cache for one layer of a prefix that begins empty."""

    keys: torch.Tensor
    values: torch.Tensor

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_, **__) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys, self.values = keys, values
        return keys, values
