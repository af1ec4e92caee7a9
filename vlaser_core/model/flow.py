"""Flow matching: t = 0 is noise, t = 1 is the action (paper section 3.3, with the sign its own update implies).

    x_t    = (1 − (1 − σ)·t)·noise + t·action
    target = action − (1 − σ)·noise

A perfect field carries noise to action + σ·noise along a straight line, so Euler integrates it exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch

from vlaser_core.errors import InputError

Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Method = Literal["euler", "heun"]


def interpolate(noise_BHA: torch.Tensor, actions_BHA: torch.Tensor, t_B: torch.Tensor, sigma: float) -> torch.Tensor:
    """The point x_t (B, H, A) on the path from noise to action at times t (B,) in [0, 1]."""
    t = t_B[:, None, None]
    return (1.0 - (1.0 - sigma) * t) * noise_BHA + t * actions_BHA


def target_velocity(noise_BHA: torch.Tensor, actions_BHA: torch.Tensor, sigma: float) -> torch.Tensor:
    """The velocity (B, H, A) of that path; it does not depend on t."""
    return actions_BHA - (1.0 - sigma) * noise_BHA


def flow_loss(velocity_BHA: torch.Tensor, target_BHA: torch.Tensor, valid_BH: torch.Tensor | None = None) -> torch.Tensor:
    """Mean squared error over batch, horizon and action dims; steps where `valid` is False (padding) do not count."""
    squared = (velocity_BHA.float() - target_BHA.float()).square()
    if valid_BH is None:
        return squared.mean()
    weight = valid_BH[..., None].to(squared.dtype).expand_as(squared)
    return (squared * weight).sum() / weight.sum().clamp(min=1.0)


def time_of_beta(z: torch.Tensor) -> torch.Tensor:
    """The training time a Beta-distributed z in [0, 1] stands for: most of z lies near 1, and 1 is pure noise."""
    return 0.999 * (1.0 - z)


def sample_beta_times(count: int, generator: torch.Generator | None = None, alpha: float = 1.5) -> torch.Tensor:
    """Training times (count,): t = 0.999·(1 − z), z ~ Beta(alpha, 1), so most weight lies on noisy actions.

    Beta(alpha, 1) has the closed-form inverse u^(1/alpha), which makes the draw seedable.
    """
    return time_of_beta(torch.rand(count, generator=generator).pow(1.0 / alpha))


def noise_of(seeds: Sequence[int | None], horizon: int, action_dim: int) -> torch.Tensor:
    """The noise (B, H, A) that requests start from, float32 on the CPU: a generator for each seed, so that a request gets
    the same chunk alone or among others, on any device. None draws from torch's own generator."""
    generators = [None if seed is None else torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(horizon, action_dim, generator=generator) for generator in generators])


def integrate(velocity: Velocity, noise_BHA: torch.Tensor, steps: int, method: Method = "euler") -> torch.Tensor:
    """Carry noise (B, H, A) to actions in `steps` equal steps of t. `velocity(x_BHA, t_B)` is evaluated once a step
    by Euler and twice by Heun (at both ends of the step). Raises InputError for steps < 1 or an unknown method.
    """
    if steps < 1:
        raise InputError(f"integration takes at least one flow step, got {steps}")
    if method not in ("euler", "heun"):
        raise InputError(f"unknown integration method {method!r}; known: euler, heun")
    x_BHA, delta = noise_BHA, 1.0 / steps
    t_B = torch.zeros(len(noise_BHA), dtype=noise_BHA.dtype, device=noise_BHA.device)
    for _ in range(steps):
        v_BHA = velocity(x_BHA, t_B)
        if method == "heun":
            v_BHA = 0.5 * (v_BHA + velocity(x_BHA + delta * v_BHA, t_B + delta))
        x_BHA = x_BHA + delta * v_BHA
        t_B = t_B + delta
    return x_BHA
