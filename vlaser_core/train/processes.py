"""One process or many: who takes part in a run, what each one computes, and how the model is spread over them.

    processes = join("cpu")                         # rank and count of a torchrun; alone otherwise
    share = Share(batch=64, accumulation=2, processes=processes)
    update, rows = share.of(micro_step)             # which rows of that update's batch are this process's in this part
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from vlaser_core.errors import ConfigError
from vlaser_core.train.checkpointing import LAYERS, checkpoint_layers
from vlaser_core.train.loop_config import LoopConfig

# The others wait at the next exchange while the first process evaluates in closed loop.
_PATIENCE = timedelta(hours=3)
T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """rank: this one's number of `count`. device: where its model and batches belong."""

    rank: int = 0
    count: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def leader(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        """For all the others."""
        if self.count > 1:
            dist.barrier()

    def first(self, compute: Callable[[], T]) -> T:
        """The first process computes, and leaves on disk what the others then find when they do the same."""
        result = compute() if self.leader else None
        self.wait()
        return result if self.leader else compute()


def join(device: str = "cpu") -> Processes:
    """Take part in a run of several processes, which torchrun tells each by RANK, WORLD_SIZE and LOCAL_RANK (gloo on a CPU,
    NCCL on GPUs, one each); alone where nobody does."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 and not dist.is_initialized():
        return Processes(device=torch.device(device))
    local = int(os.environ.get("LOCAL_RANK", 0))
    own = torch.device(f"cuda:{local}") if device.startswith("cuda") else torch.device(device)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=_PATIENCE)
        # Left to the interpreter's end, its threads now and then abort a run that had done all its work.
        atexit.register(_leave)
    return Processes(dist.get_rank(), dist.get_world_size(), own)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@dataclass(frozen=True)
class Share:
    """A batch cut into equal pieces: for each part of an update, one a process. Raises ConfigError where it does not come out even."""

    batch: int
    accumulation: int = 1
    processes: Processes = Processes()

    def __post_init__(self) -> None:
        if self.batch % (self.accumulation * self.processes.count):
            raise ConfigError(
                f"a batch of {self.batch} cannot be cut evenly into {self.accumulation} parts for {self.processes.count} processes; "
                f"choose a multiple of {self.accumulation * self.processes.count}"
            )

    @property
    def size(self) -> int:
        """Rows of a piece."""
        return self.batch // (self.accumulation * self.processes.count)

    def of(self, micro_step: int) -> tuple[int, slice]:
        """(update, this process's rows of its batch) of a micro-step, which is update · accumulation + part."""
        update, part = divmod(micro_step, self.accumulation)
        first = (part * self.processes.count + self.processes.rank) * self.size
        return update, slice(first, first + self.size)


def cast(model: nn.Module, precision: str) -> None:
    """Give parameters the type that a LoopConfig's `precision` wants: what is trained is float32 unless all is bfloat16, and
    what is frozen is bfloat16 unless all is float32. Buffers (rotary frequencies) stay exact."""
    for parameter in model.parameters():
        low = precision == "bfloat16" or (precision == "autocast" and not parameter.requires_grad)
        parameter.data = parameter.data.to(torch.bfloat16 if low else torch.float32)


def quickest_precision() -> Literal["float32", "autocast"]:
    """Of training on this machine's CPU: bfloat16 arithmetic where the processor has it, about twice as fast; elsewhere it would
    be emulated, and slower."""
    able = getattr(torch.cpu, "get_capabilities", dict)()  # older ones of torch cannot tell
    return "autocast" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"


class Job(nn.Module):
    """A model whose forward is whatever is to be computed with it, so that what spreads it over processes sees all use."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, compute):
        return compute()


def spread(model: nn.Module, config: LoopConfig) -> tuple[Accelerator, nn.Module]:
    """The accelerator of a run, and the model as this process is to call it (with a function to compute)."""
    # accelerate keeps its settings for the whole process and refuses others later; every run begins afresh.
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    device = next(model.parameters()).device
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no" if config.precision == "float32" else "bf16")
    if config.checkpoint_activations:
        checkpoint_layers(model)
    job = Job(model)
    if accelerator.num_processes == 1:
        return accelerator, job
    if not config.shard:
        return accelerator, accelerator.prepare(job)
    # Done here and not by accelerate, which shards on accelerators alone: this way two CPU processes can test it.
    low = config.precision != "float32"
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32) if low else MixedPrecisionPolicy()
    for name, module in model.named_modules():
        if type(module).__name__ in LAYERS:
            # A text layer's keys and values leave it through the cache, so that nothing gathers its weights again before they
            # are differentiated: they stay gathered from the forward pass to the backward one.
            fully_shard(module, mp_policy=policy, reshard_after_forward="language_model" not in name)
    return accelerator, fully_shard(job, mp_policy=policy)


def forget(job: nn.Module) -> None:
    """Let go of what a sharded model has gathered: the next use sees weights that were changed since."""
    for module in job.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor in one piece on the CPU, whatever it is spread over. All processes of the run must ask."""
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().cpu()


def like(value: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """`value`, spread over devices and processes as `reference` is, in its own type."""
    if isinstance(reference, DTensor):
        return distribute_tensor(value.to(reference.device_mesh.device_type), reference.device_mesh, reference.placements)
    return value.to(reference.device)
