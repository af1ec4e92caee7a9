"""Does it fit, and how fast is it: a model of random weights at full size, measured on this machine.

Random weights take the memory and time of trained ones. The prompt is what the policy reads: one picture and up to 128
tokens of text, 384 tokens at 448 pixels.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch

from vlaser_core.checkpoint.source import EXPERT_PARTS, random_model
from vlaser_core.evaluate.memory import peak_memory
from vlaser_core.model.config import VlaserConfig
from vlaser_core.model.flow import noise_of
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.reasoning.generate import Prompt, continuations

TEXT_TOKENS = 128
_IMAGE_TOKEN = 5  # any id will do where weights are random


@dataclass(frozen=True)
class SizeReport:
    """Times in the units of their names; medians over the timed chunks. peak_memory_bytes: of the process on a CPU, of the
    device's allocator on CUDA; baseline_bytes is the process before the model was made."""

    size: str
    dtype: str
    device: str
    threads: int
    parameters: int
    expert_parameters: int
    weight_bytes: int
    instantiate_s: float
    baseline_bytes: int
    peak_memory_bytes: int
    prefix_tokens: int
    flow_steps: int
    prefix_ms: float
    flow_ms: float
    chunk_ms: float
    text_tokens: int
    first_token_ms: float
    token_ms: float

    @property
    def peak_over_weights(self) -> float:
        """Peak memory beyond the empty process, as a multiple of the weights."""
        return (self.peak_memory_bytes - self.baseline_bytes) / self.weight_bytes

    def to_json(self) -> dict:
        return {**asdict(self), "peak_over_weights": round(self.peak_over_weights, 3), "torch": torch.__version__}


def measure(config: VlaserConfig, dtype: torch.dtype, device: str = "cpu", chunks: int = 3, tokens: int = 16) -> SizeReport:
    """Make the model, predict `chunks` timed chunks after one that warms up, and continue the prompt by `tokens` tokens."""
    baseline = _peak(device)
    started = time.perf_counter()
    model = random_model(config, _IMAGE_TOKEN, device=device, dtype=dtype)
    _finish(device)
    instantiate = time.perf_counter() - started
    ids_1T, pixels, proprio = _inputs(model)
    mask = torch.ones_like(ids_1T, dtype=torch.bool)
    noise = noise_of([0], config.horizon, config.action_dim).to(model.device, model.dtype)
    prefix_ms, flow_ms = [], []
    with torch.inference_mode():
        for _ in range(chunks + 1):
            prefix, spent = _timed(lambda: model.prefix(ids_1T, mask, pixels), device)
            prefix_ms.append(spent)
            _, spent = _timed(lambda prefix=prefix: model.sample(prefix, proprio, noise), device)
            flow_ms.append(spent)
    both = [a + b for a, b in zip(prefix_ms, flow_ms, strict=True)][1:]
    passes: list[float] = []
    continuations(model, [Prompt(ids_1T[0], pixels)], tokens, frozenset(), lambda: _timing(passes, device))
    reading, writing = passes[: len(passes) - tokens + 1], passes[len(passes) - tokens + 1 :]
    return SizeReport(
        size=config.name,
        dtype=str(dtype).removeprefix("torch."),
        device=device if not device.startswith("cuda") else torch.cuda.get_device_name(device),
        threads=torch.get_num_threads(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        expert_parameters=sum(parameter.numel() for name, parameter in model.named_parameters() if name.startswith(EXPERT_PARTS)),
        weight_bytes=sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()),
        instantiate_s=round(instantiate, 2),
        baseline_bytes=baseline,
        peak_memory_bytes=_peak(device),
        prefix_tokens=ids_1T.shape[1],
        flow_steps=config.flow_steps,
        prefix_ms=round(statistics.median(prefix_ms[1:]), 2),
        flow_ms=round(statistics.median(flow_ms[1:]), 2),
        chunk_ms=round(statistics.median(both), 2),
        text_tokens=tokens,
        first_token_ms=round(sum(reading), 2),
        token_ms=round(statistics.median(writing or reading), 2),
    )


def _inputs(model: Vlaser) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    config = model.config
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(_IMAGE_TOKEN + 1, config.text.vocab_size, (TEXT_TOKENS,), generator=generator)
    ids = torch.cat([torch.full((config.image_tokens,), _IMAGE_TOKEN), text])[None, : config.max_prompt_tokens]
    side = config.vision.image_size
    pixels = torch.randn(1, 3, side, side, generator=generator).to(model.device, model.dtype)
    return ids.to(model.device), pixels, torch.zeros(1, config.proprio_dim, device=model.device, dtype=model.dtype)


def _timed(work: Callable[[], object], device: str) -> tuple[object, float]:
    """What `work` returns and the milliseconds it took, the device's own work included."""
    _finish(device)
    started = time.perf_counter()
    result = work()
    _finish(device)
    return result, (time.perf_counter() - started) * 1e3


@contextmanager
def _timing(passes: list[float], device: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    _finish(device)
    passes.append((time.perf_counter() - started) * 1e3)


def _finish(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _peak(device: str) -> int:
    """The most memory used so far, in bytes."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    return peak_memory()
