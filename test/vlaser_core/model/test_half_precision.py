"""Half precision on a CPU without its arithmetic: the same numbers but for the rounding, in the same memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vlaser_core.model import half_precision
from vlaser_core.model.half_precision import WIDE_ROWS, WideningConv2d, WideningLinear, widen


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, WIDE_ROWS - 1, WIDE_ROWS, 3 * WIDE_ROWS])
def test_a_widened_layer_is_the_exact_product_rounded_once(dtype, bias, rows):
    torch.manual_seed(0)
    layer = nn.Linear(24, 16, bias=bias).to(dtype)
    widen(layer)
    assert (
        type(layer) is WideningLinear
        and layer.weight.dtype == dtype
        and set(layer.state_dict()) == set(nn.Linear(24, 16, bias=bias).state_dict())
    )
    x = torch.randn(rows, 24).to(dtype)
    exact = nn.functional.linear(x.double(), layer.weight.double(), layer.bias.double() if bias else None)
    result = layer(x)
    assert result.dtype == dtype
    # One rounding to the type's precision, and the float32 sum's own error.
    assert (result.double() - exact).abs().max() <= torch.finfo(dtype).eps * exact.abs().max()


def test_many_rows_are_widened_and_few_are_not(monkeypatch):
    seen = []
    linear = nn.functional.linear
    monkeypatch.setattr(half_precision.nn.functional, "linear", lambda x, *rest: seen.append(x.dtype) or linear(x, *rest))
    layer = WideningLinear(8, 8, dtype=torch.bfloat16)
    for rows in (1, WIDE_ROWS):
        layer(torch.zeros(1, rows, 8, dtype=torch.bfloat16))
    WideningLinear(8, 8)(torch.zeros(WIDE_ROWS, 8))
    assert seen == [torch.bfloat16, torch.float32, torch.float32]


def test_a_widened_convolution_agrees():
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 8, 14, stride=14).bfloat16()
    x = torch.randn(2, 3, 28, 28).bfloat16()
    exact = nn.functional.conv2d(x.double(), layer.weight.double(), layer.bias.double(), stride=14)
    widen(layer)
    assert type(layer) is WideningConv2d
    assert (layer(x).double() - exact).abs().max() <= torch.finfo(torch.bfloat16).eps * exact.abs().max()


def test_gradients_reach_half_precision_weights():
    layer = WideningLinear(8, 8, dtype=torch.bfloat16)
    layer(torch.ones(WIDE_ROWS, 8, dtype=torch.bfloat16)).sum().backward()
    assert layer.weight.grad.dtype == torch.bfloat16 and torch.equal(layer.weight.grad, torch.full_like(layer.weight, WIDE_ROWS))
