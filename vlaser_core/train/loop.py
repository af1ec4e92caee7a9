"""One training loop for both stages: optimiser, schedule, weight averaging, checkpoints, resume, progress.

Batches are a function of the step alone, so a run that was killed and resumed sees the data it would have seen.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from vlaser_core.errors import ConfigError, VlaserError


@dataclass(frozen=True)
class LoopConfig:
    """steps: optimiser updates. ema: decay of the weight average that is kept as the result, 0 for none.

    frozen_backbone and the like are the caller's: the loop trains whatever requires a gradient.
    """

    steps: int
    learning_rate: float
    warmup: int = 200
    final_ratio: float = 0.05
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    clip_norm: float = 1.0
    ema: float = 0.999
    save_every: int = 500
    log_every: int = 50

    def __post_init__(self) -> None:
        if self.steps < 1 or self.learning_rate <= 0 or not 0 <= self.ema < 1:
            raise ConfigError(f"a loop needs steps >= 1, learning_rate > 0 and 0 <= ema < 1; got {self}")


def learning_rate(config: LoopConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to `final_ratio` of the peak at the last step."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (config.final_ratio + (1 - config.final_ratio) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def _share_gradients(parameters: list[nn.Parameter]) -> None:
    """Average gradients over the processes of a distributed run, in one message."""
    flat = torch.cat([parameter.grad.flatten() for parameter in parameters])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    offset = 0
    for parameter in parameters:
        count = parameter.numel()
        parameter.grad.copy_(flat[offset : offset + count].view_as(parameter))
        offset += count


class _Average:
    """Exponential moving average of the trained parameters; young averages decay faster, so early ones are of use."""

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self.decay, self.parameters = decay, parameters
        self.values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [parameter.detach() for parameter in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        for parameter, value in zip(self.parameters, self.values, strict=True):
            held = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(held)


def save_atomically(content: dict, path: Path) -> None:
    """torch.save that never leaves a half-written file under the final name."""
    partial = path.with_suffix(path.suffix + ".part")
    torch.save(content, partial)
    os.replace(partial, path)


def train(
    model: nn.Module,
    loss_at: Callable[[int], torch.Tensor],
    config: LoopConfig,
    out: Path,
    label: str,
    evaluate: Callable[[], dict[str, float]] | None = None,
    evaluate_every: int = 0,
) -> None:
    """Train whatever in `model` requires a gradient; on return it holds the averaged weights.

    loss_at(step) builds that step's batch and returns its loss. State goes to `out`/<label>.state.pt every `save_every`
    steps and is resumed from there; a finished run returns at once. Where torch.distributed is initialised, gradients are
    averaged over its processes (each brings its own batches) and the first one writes. The log is `out`/<label>.jsonl.
    Raises VlaserError when the loss stops being finite (the last good state stays on disk).
    """
    out.mkdir(parents=True, exist_ok=True)
    state_path, log_path = out / f"{label}.state.pt", out / f"{label}.jsonl"
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay)
    average = _Average(parameters, config.ema) if config.ema else None
    parallel = dist.is_initialized() and dist.get_world_size() > 1
    leader = not parallel or dist.get_rank() == 0
    step = 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        with torch.no_grad():
            for parameter, value in zip(parameters, state["parameters"], strict=True):
                parameter.copy_(value)
        optimizer.load_state_dict(state["optimizer"])
        if average:
            average.values = [value.clone() for value in state["average"]]
        step = state["step"]

    def save() -> None:
        save_atomically(
            {
                "step": step,
                "parameters": [parameter.detach() for parameter in parameters],
                "optimizer": optimizer.state_dict(),
                "average": average.values if average else [],
            },
            state_path,
        )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    model.train()
    with Progress(*columns, refresh_per_second=1, disable=not leader) as progress, log_path.open("a", encoding="utf-8") as log:
        bar = progress.add_task(label, total=config.steps, completed=step, note="")
        running, started, since = 0.0, time.monotonic(), step
        while step < config.steps:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config, step)
            loss = loss_at(step)
            if not torch.isfinite(loss):
                raise VlaserError(f"{label}: the loss is {loss.item()} at step {step}; the state of an earlier step is in {state_path}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if parallel:
                _share_gradients(parameters)
            torch.nn.utils.clip_grad_norm_(parameters, config.clip_norm)
            optimizer.step()
            if average:
                average.update(step)
            step += 1
            running += loss.item()
            if leader and (step % config.log_every == 0 or step == config.steps):
                count = step - since
                entry = {"step": step, "loss": running / count, "steps_per_s": count / (time.monotonic() - started)}
                if evaluate and evaluate_every and (step % evaluate_every == 0 or step == config.steps):
                    if average:
                        average.swap()
                    model.eval()
                    entry |= evaluate()
                    model.train()
                    if average:
                        average.swap()
                log.write(json.dumps(entry) + "\n")
                log.flush()
                progress.update(bar, note=f"loss {entry['loss']:.4f}")
                running, started, since = 0.0, time.monotonic(), step
            progress.update(bar, completed=step)
            if leader and (step % config.save_every == 0 or step == config.steps):
                save()
    if average:
        average.swap()
    model.eval()
