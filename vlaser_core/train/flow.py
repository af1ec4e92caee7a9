"""Stage 2's loss: flow matching on action chunks (paper section 3.3), at several random times for one reading of a view.

Noise and times of a batch are drawn for all of it, whoever computes which part: they are a function of the seed and the
update alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vlaser_core.model.flow import flow_loss, interpolate, sample_beta_times, target_velocity
from vlaser_core.model.vlaser import Prefix, Vlaser
from vlaser_core.train.loop import Weighted


@dataclass(frozen=True)
class Draws:
    """Of a batch: noise (B, K, H, A) and times (B, K) of K flow times a sample, and what jitters its proprioception (B, P)."""

    noise: torch.Tensor
    times: torch.Tensor
    jitter: torch.Tensor

    def of(self, rows: slice) -> Draws:
        return Draws(self.noise[rows], self.times[rows], self.jitter[rows])


def draw(model: Vlaser, batch: int, times_per_prefix: int, generator: torch.Generator) -> Draws:
    """Everything random about a batch's loss; float32 on the CPU."""
    config = model.config
    noise = torch.randn(batch, times_per_prefix, config.horizon, config.action_dim, generator=generator)
    times = sample_beta_times(batch * times_per_prefix, generator).view(batch, times_per_prefix)
    return Draws(noise, times, torch.randn(batch, config.proprio_dim, generator=generator))


def flow_matching_loss(
    model: Vlaser, prefix: Prefix, proprio_BP: torch.Tensor, actions_BHA: torch.Tensor, valid_BH: torch.Tensor | None, draws: Draws
) -> Weighted:
    """The squared errors of a batch of normalised chunks at each of its flow times, and how many values they are of: steps
    where `valid` is False (padding) do not count. Inputs as they come; the model says where and in which type it computes.
    """
    device, dtype, times = prefix.mask_BT.device, model.action_decoder.weight.dtype, draws.times.shape[1]
    if times > 1:
        prefix = prefix.repeat(times)
        proprio_BP, actions_BHA = proprio_BP.repeat_interleave(times, 0), actions_BHA.repeat_interleave(times, 0)
        valid_BH = None if valid_BH is None else valid_BH.repeat_interleave(times, 0)
    sigma = model.config.flow_sigma
    proprio, actions = proprio_BP.to(device, dtype), actions_BHA.to(device, dtype)
    noise, t_B = draws.noise.flatten(0, 1).to(device, dtype), draws.times.flatten().to(device, dtype)
    velocity = model.velocity(prefix, proprio, interpolate(noise, actions, t_B, sigma), t_B)
    valid = torch.ones(actions.shape[:2], dtype=torch.bool, device=device) if valid_BH is None else valid_BH.to(device)
    count = valid.sum().float() * actions.shape[-1]
    return Weighted(flow_loss(velocity, target_velocity(noise, actions, sigma), valid) * count, count)
