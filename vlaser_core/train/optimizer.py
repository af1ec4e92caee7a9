"""What moves the weights: AdamW for all of them, or Muon for the matrices inside of layers and AdamW for the rest.

Muon (Jordan et al., 2024) moves a matrix by its momentum made orthogonal, so that directions with small gradients learn as
fast as those with large ones. A nano that begins at random learns to see with a fraction of AdamW's pictures
(docs/nano.md); weights tuned with AdamW for long are best tuned on with it, so upstream's recipes keep it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.schedule import learning_rate

# Rows of these are looked up or read out one by one; they have no directions in common that could be made orthogonal.
_NOT_INSIDE = ("embed_tokens", "lm_head", "action_encoder", "action_decoder", "proprio_encoder")
Named = tuple[str, nn.Parameter]


class Optimizer:
    """One or two of torch's optimisers as one. Their rates are set at every step, from the schedule.

    rates: beginning of a parameter's name → factor on its learning rate.
    """

    def __init__(self, named: Iterable[Named], config: LoopConfig, rates: Mapping[str, float]) -> None:
        named = list(named)
        inside = [(name, one) for name, one in named if config.optimizer == "muon" and _is_inside(name, one)]
        rest = [(name, one) for name, one in named if config.optimizer == "adamw" or not _is_inside(name, one)]
        self.config = config
        self.parts: list[torch.optim.Optimizer] = []
        if rest:
            self.parts.append(torch.optim.AdamW(_groups(rest, config, rates), lr=config.learning_rate, betas=config.betas, fused=True))
        if inside:
            faster = config.matrix_rate / config.learning_rate
            self.parts.append(torch.optim.Muon(_groups(inside, config, rates, faster), lr=config.matrix_rate))

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self, step: int) -> None:
        """Update number `step` of the schedule."""
        rate = learning_rate(self.config, step)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate * group["rate"]
            part.step()


def _is_inside(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim == 2 and not any(part in name for part in _NOT_INSIDE)


def _groups(named: list[Named], config: LoopConfig, rates: Mapping[str, float], faster: float = 1.0) -> list[dict]:
    """Parameters by weight decay and by factor on the rate."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        rate = faster * next((factor for start, factor in rates.items() if name.startswith(start)), 1.0)
        groups.setdefault((decay, rate), []).append(parameter)
    return [{"params": parameters, "weight_decay": decay, "rate": rate} for (decay, rate), parameters in groups.items()]
