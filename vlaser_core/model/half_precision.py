"""Layers in half precision on processors without half-precision arithmetic.

A CPU with AVX2 alone multiplies bfloat16 and float16 matrices about six times slower than float32 ones, although a few
rows are faster in half precision, where reading the weights is what takes the time. So many rows are multiplied in
float32: one layer's weights are widened while it computes, the model stays as small as it was.

Measured on two AVX2 cores, 1536 × 8960 weights, in ms (float32 / bfloat16 / bfloat16 widened):
1 row 4 / 2 / 33, 5 rows 13 / 7 / 49, 384 rows 93 / 537 / 145, 1025 rows 236 / 1693 / 285.
"""

from __future__ import annotations

import torch
from torch import nn

WIDE_ROWS = 32  # where the time to widen the weights is won back
_HALF = (torch.bfloat16, torch.float16)


class WideningLinear(nn.Linear):
    """nn.Linear, but on a CPU many rows (…, in) of half precision are multiplied in float32 and rounded once."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.device.type != "cpu" or self.weight.dtype not in _HALF or input.numel() < WIDE_ROWS * self.in_features:
            return super().forward(input)
        bias = None if self.bias is None else self.bias.float()
        return nn.functional.linear(input.float(), self.weight.float(), bias).to(input.dtype)


class WideningConv2d(nn.Conv2d):
    """nn.Conv2d, but half precision on a CPU is computed in float32 and rounded once: one patch embedding takes seconds otherwise."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.device.type != "cpu" or self.weight.dtype not in _HALF:
            return super().forward(input)
        bias = None if self.bias is None else self.bias.float()
        return self._conv_forward(input.float(), self.weight.float(), bias).to(input.dtype)


_WIDENING = {nn.Linear: WideningLinear, nn.Conv2d: WideningConv2d}


def lacks_half_precision() -> bool:
    """Whether this CPU computes half precision by emulation: x86 before AVX-512."""
    return torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "NO AVX", "AVX", "AVX2")


def widen(model: nn.Module) -> None:
    """Let every plain linear and convolution layer of `model` choose; parameters, names and memory stay as they are."""
    for module in model.modules():
        if type(module) in _WIDENING:
            module.__class__ = _WIDENING[type(module)]
