"""Stochastic depth in the vision tower: while it is trained, branches of a layer are left out at random for some pictures.

InternViT's rule: the chance grows evenly from 0 in the first layer to `rate` in the last, and a branch that stays counts for
more, so that its mean does not change. Nothing happens in evaluation.
"""

from __future__ import annotations

import torch
from torch import nn

from vlaser_core.model.vlaser import Vlaser


def drop_paths(model: Vlaser, rate: float) -> None:
    """Let the layers of the vision tower be skipped from now on. Random numbers are torch's own."""
    layers = model.backbone.model.vision_tower.encoder.layer
    for index, layer in enumerate(layers):
        chance = rate * index / max(1, len(layers) - 1)
        if chance:
            # Of the two branches: what they return is scaled and added to what came in.
            layer.attention.register_forward_hook(_dropping(chance))
            layer.mlp.register_forward_hook(_dropping(chance))


def _dropping(chance: float):
    def hook(module: nn.Module, inputs: tuple, output: torch.Tensor | tuple) -> torch.Tensor | tuple | None:
        if not module.training:
            return None
        hidden = output[0] if isinstance(output, tuple) else output
        kept = (torch.rand(len(hidden), 1, 1, device=hidden.device) >= chance).to(hidden.dtype) / (1 - chance)
        return (hidden * kept, *output[1:]) if isinstance(output, tuple) else hidden * kept

    return hook
