"""How long and how fast: what both stages' recipes say about the loop. No torch, so that `--help` stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict

from vlaser_core.errors import ConfigError


@dataclass(frozen=True)
class LoopConfig:
    """What is trained is the caller's choice: the loop trains whatever requires a gradient."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    steps: int  # optimiser updates
    learning_rate: float  # its peak
    schedule: Literal["cosine", "constant", "upstream"] = "cosine"  # after the warm-up; upstream: see `schedule.py`
    warmup: int = 200  # updates
    final_ratio: float = 0.05  # of the peak, where a cosine ends
    cycle: int = 10_000_000  # updates of one of upstream's cosine cycles
    weight_decay: float = 0.0  # of matrices; biases, norms and scales have none
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: for the matrices inside of layers, AdamW for the rest (`optimizer.py`)
    matrix_rate: float = 0.012  # the peak of Muon's learning rate
    betas: tuple[float, float] = (0.9, 0.99)  # of AdamW
    clip_norm: float = 1.0  # of all gradients together
    ema: float = 0.999  # decay of the weight average that is kept as the result; 0: none
    accumulation: int = 1  # parts an update's batch is computed in
    precision: Literal["float32", "autocast", "bfloat16"] = "float32"  # autocast: bfloat16 arithmetic on float32 weights; bfloat16: weights too
    checkpoint_activations: bool = False  # compute layers again in the backward pass instead of keeping what they saw
    shard: bool = False  # spread weights, gradients and optimiser over the processes (FSDP2) instead of a copy on each
    save_every: int = 500  # updates
    log_every: int = 50  # updates

    def __post_init__(self) -> None:
        if self.steps < 1 or self.learning_rate <= 0 or not 0 <= self.ema < 1:
            raise ConfigError(f"a loop needs steps >= 1, learning_rate > 0 and 0 <= ema < 1; got {self}")
        for name in ("accumulation", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is at least 1, got {getattr(self, name)}")
        if self.optimizer == "muon" and self.shard:
            raise ConfigError("muon needs every matrix in one piece; with shard: true the optimizer is adamw")
        if self.matrix_rate <= 0:
            raise ConfigError(f"matrix_rate is above 0, got {self.matrix_rate}")
        if self.warmup < 0 or (self.schedule == "upstream" and self.warmup >= self.cycle):
            raise ConfigError(f"warmup is at least 0 and shorter than a cycle, got {self.warmup}")
