"""One training loop for both stages: optimiser, schedule, weight averaging, checkpoints, resume, progress.

Batches are a function of the step alone, so a run that was killed and resumed sees the data it would have seen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from vlaser_core.errors import VlaserError
from vlaser_core.train.average import Average
from vlaser_core.train.loop_config import LoopConfig
from vlaser_core.train.log import RunLog
from vlaser_core.train.optimizer import Optimizer
from vlaser_core.train.processes import forget, spread
from vlaser_core.train.schedule import learning_rate
from vlaser_core.train.state import RunState, save_atomically

__all__ = ["LoopConfig", "Weighted", "learning_rate", "save_atomically", "train"]


@dataclass(frozen=True)
class Weighted:
    """A sum of losses and how many there are. Over the parts of an update and over processes, sums and counts are added up
    before they are divided, so that the mean does not depend on how a batch was cut. Two scalars.
    """

    total: torch.Tensor
    count: torch.Tensor


def train(
    model: nn.Module,
    loss_at: Callable[[int], torch.Tensor | Weighted],
    config: LoopConfig,
    out: Path,
    label: str,
    evaluate: Callable[[], Mapping[str, float]] | None = None,
    evaluate_every: int = 0,
    rates: Mapping[str, float] | None = None,
) -> None:
    """Train whatever in `model` requires a gradient, where it is; on return it holds the averaged weights.

    loss_at(step) builds that step's batch and returns its loss. With `accumulation` an update takes that many losses and the
    steps are micro-steps, update · accumulation + part; where torch.distributed is initialised each process brings its own
    part of the batch (`processes.Share` says which). A plain loss counts as the mean of an equal part.
    evaluate(): numbers for the log, with the averaged weights in the model, every `evaluate_every` updates and at the end; on
    the first process alone, or on all where the model is sharded. rates: beginning of a parameter's name → factor on its
    learning rate.

    State goes to `out`/<label>.state.pt every `save_every` updates and is resumed from there, bit by bit; a finished run
    returns at once. The log is `out`/<label>.jsonl and TensorBoard's. Raises VlaserError when a loss or gradient stops being
    finite, the disk is full, or another process is gone; the last good state stays on disk.
    """
    run = _Run(model, loss_at, config, out, label, rates or {})
    step, progress = run.state.load()
    losses, counted = progress.get("losses", 0.0), progress.get("counted", 0)
    model.train()
    with RunLog(out, label, step, config.steps, run.leads) as log:
        started, since = time.monotonic(), step
        while step < config.steps:
            loss, norm = run.update(step)
            step, losses, counted = step + 1, losses + loss, counted + 1
            last = step == config.steps
            evaluated = bool(evaluate) and bool(evaluate_every) and (last or step % evaluate_every == 0)
            if evaluated or last or step % config.log_every == 0:
                pace = (step - since) / max(time.monotonic() - started, 1e-9)
                values = {"loss": losses / counted, "gradient_norm": norm, "learning_rate": learning_rate(config, step - 1), "updates_per_s": pace}
                log.entry({"step": step, **values, **(run.evaluate(evaluate) if evaluated else {})})
                losses, counted, started, since = 0.0, 0, time.monotonic(), step
            log.progress(step)
            if last or step % config.save_every == 0:
                run.state.save(step, {"losses": losses, "counted": counted}, run.leads)
    run.average.put()
    model.eval()


class _Run:
    """One call of `train`: the model as it is spread, its optimiser, and where its state lies."""

    def __init__(
        self, model: nn.Module, loss_at: Callable, config: LoopConfig, out: Path, label: str, rates: Mapping[str, float]
    ) -> None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VlaserError(f"cannot write to {out}: {error.strerror}") from error
        self.model, self.loss_at, self.config, self.label = model, loss_at, config, label
        self.accelerator, self.job = spread(model, config)
        # Named after spreading: sharding replaces a model's parameters.
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self.parameters = [parameter for _, parameter in named]
        if not named:
            raise VlaserError(f"{label}: nothing is trained, every parameter is frozen")
        self.optimizer = Optimizer(named, config, rates)
        self.average = Average(self.parameters, config.ema)
        self.state = RunState(out / f"{label}.state.pt", [name for name, _ in named], self.parameters, self.optimizer, self.average)
        self.leads = self.accelerator.is_main_process
        # On a CPU the fused kernel differentiates half precision several times slower than plain products do.
        plain = self.accelerator.device.type == "cpu" and config.precision != "float32"
        self.attention = (lambda: sdpa_kernel(SDPBackend.MATH)) if plain else nullcontext

    def update(self, step: int) -> tuple[float, float]:
        """One optimiser update: (loss, norm of the gradient before clipping)."""
        self.optimizer.zero_grad()
        try:
            loss, norm = self._gradients(step)
        except RuntimeError as error:
            if self.accelerator.num_processes > 1 and _is_lost_connection(error):
                raise VlaserError(f"{self.label}: another process of this run is gone at step {step}; {self._kept()}") from error
            raise
        if not math.isfinite(loss) or not math.isfinite(norm):
            what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient's norm is {norm}"
            raise VlaserError(f"{self.label}: {what} at step {step}; {self._kept()}. Look at the data, or try a lower learning rate")
        self.optimizer.step(step)
        self.average.update(step)
        return loss, norm

    def _gradients(self, step: int) -> tuple[float, float]:
        parts, processes = self.config.accumulation, self.accelerator.num_processes
        sums = torch.zeros(2, dtype=torch.float64, device=self.accelerator.device)
        for part in range(parts):
            hold = part < parts - 1 and processes > 1 and not self.config.shard
            with self.accelerator.no_sync(self.job) if hold else nullcontext(), self.attention():
                with self.accelerator.autocast():
                    loss = self.job(lambda: _weighted(self.loss_at(step * parts + part)))
                self.accelerator.backward(loss.total)
            sums += torch.stack([loss.total.detach().double(), loss.count.detach().double()])
        if processes > 1:
            dist.all_reduce(sums)
        total, count = sums.tolist()
        if count <= 0:
            raise VlaserError(f"{self.label}: the batch of step {step} has nothing to learn from; {self._kept()}")
        # Spreading has averaged the gradients of sums over the processes; what is wanted is the gradient of the mean.
        if count != processes:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(processes / count)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        return total / count, float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def evaluate(self, evaluate: Callable[[], Mapping[str, float]]) -> dict[str, float]:
        """Numbers of the averaged weights; none from a process that did not evaluate."""
        numbers: dict[str, float] = {}
        with self.average.borrowed(), torch.no_grad():
            self.model.eval()
            if self.config.shard and self.accelerator.num_processes > 1:
                numbers = dict(self.job(evaluate))
                forget(self.job)
            elif self.leads:
                numbers = dict(evaluate())
            self.model.train()
        self.accelerator.wait_for_everyone()
        return numbers

    def _kept(self) -> str:
        return f"the last good state is in {self.state.path}" if self.state.path.exists() else "nothing had been saved yet"


def _weighted(loss: torch.Tensor | Weighted) -> Weighted:
    return loss if isinstance(loss, Weighted) else Weighted(loss, torch.ones((), device=loss.device))


def _is_lost_connection(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in ("gloo", "nccl", "connection", "peer"))
