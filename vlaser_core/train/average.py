"""The exponential moving average of trained weights, which is what a run leaves as its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """Float32 whatever the weights are. Young averages decay faster, so that early ones are of use; without a decay there
    is none and the weights themselves are the result."""

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self.decay, self.parameters = decay, parameters
        self.values = [parameter.detach().clone().float() for parameter in parameters] if decay else []

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after update `step`."""
        if self.decay:
            decay = min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.values, [parameter.detach().float() for parameter in self.parameters], 1 - decay)

    @torch.no_grad()
    def put(self) -> None:
        """Make the average the model's weights."""
        for parameter, value in zip(self.parameters, self.values, strict=bool(self.values)):
            parameter.copy_(value)

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """The model with the average for its weights, for as long as the block lasts."""
        held = [parameter.detach().clone() for parameter in self.parameters] if self.decay else []
        self.put()
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(self.parameters, held, strict=bool(held)):
                    parameter.copy_(value)
