"""How the expert reads its inputs: flow time, noisy actions."""

from __future__ import annotations

import math

import torch
from torch import nn


def time_embedding(t_B: torch.Tensor, width: int, max_period: float, rounded: bool = False) -> torch.Tensor:
    """Sinusoidal embedding (B, width) of flow times in [0, 1]: width/2 sines, then as many cosines.

    Frequencies fall geometrically from 1 to 1/max_period, both ends included. t is not scaled.
    rounded: times and frequencies to bfloat16, as training in that type has them.
    """
    half = width // 2
    frequencies = torch.exp(torch.arange(half, device=t_B.device, dtype=torch.float32) * (-math.log(max_period) / (half - 1)))
    if rounded:
        frequencies, t_B = frequencies.bfloat16().float(), t_B.bfloat16().to(t_B.dtype)
    angles = t_B.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1).to(t_B.dtype)


class ActionEncoder(nn.Module):
    """Noisy actions (B, H, A) and flow time (B,) → action tokens (B, H, D): W3 · SiLU(W2 · [emb(t), W1 · a])."""

    def __init__(self, action_dim: int, width: int, max_period: float, rounded: bool = False) -> None:
        super().__init__()
        self.width, self.max_period, self.rounded = width, max_period, rounded
        self.linear_1 = nn.Linear(action_dim, width)
        self.linear_2 = nn.Linear(2 * width, width)
        self.linear_3 = nn.Linear(width, width)

    def forward(self, actions_BHA: torch.Tensor, t_B: torch.Tensor) -> torch.Tensor:
        time_BD = time_embedding(t_B.to(actions_BHA.dtype), self.width, self.max_period, self.rounded)
        embedded = self.linear_1(actions_BHA)
        joined = torch.cat([time_BD[:, None].expand_as(embedded), embedded], dim=-1)
        return self.linear_3(nn.functional.silu(self.linear_2(joined)))
