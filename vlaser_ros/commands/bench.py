"""`vlaser bench`: numbers of this machine, a JSON line last. No ROS."""

from __future__ import annotations

import json
from typing import Protocol

from rich.console import Console
from rich.table import Table

from vlaser_core.errors import ConfigError, InputError


class SizeOptions(Protocol):
    """What to measure; see `vlaser_ros.commands.checkpoints.Bench`."""

    size: str
    dtype: str
    device: str
    threads: int | None
    expert_mlp: int | None
    chunks: int
    tokens: int
    json: bool


def bench_size(options: SizeOptions) -> int:
    """Make a model of random weights, time it, and say what memory it took."""
    if min(options.chunks, options.tokens) < 1:
        raise InputError(f"at least one chunk and one token are measured, got {options.chunks} and {options.tokens}")
    import torch

    from vlaser_core.engine import DTYPES
    from vlaser_core.evaluate.size import measure
    from vlaser_core.model.config import size

    if options.dtype not in DTYPES:
        raise ConfigError(f"unknown dtype {options.dtype!r}; known: {', '.join(DTYPES)}")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device {options.device!r} was asked for, but this machine has no CUDA device that torch can use")
    if options.threads:
        torch.set_num_threads(options.threads)
    arguments: dict = {"vocab_size": 2048} if options.size == "nano" else {}
    if options.expert_mlp is not None:
        if options.size != "2b":
            raise ConfigError("--expert-mlp chooses between upstream's two 2B variants; other sizes have one")
        arguments["expert_mlp"] = options.expert_mlp
    report = measure(size(options.size, **arguments), DTYPES[options.dtype], options.device, options.chunks, options.tokens)
    if not options.json:
        table = Table("measure", "value", title=f"{report.size}, {report.dtype}, {report.device}, {report.threads} threads")
        table.add_row("parameters (of them expert)", f"{report.parameters:,} ({report.expert_parameters:,})")
        table.add_row("weights", f"{report.weight_bytes / 1e9:.2f} GB")
        table.add_row("peak memory", f"{report.peak_memory_bytes / 1e9:.2f} GB ({report.peak_over_weights:.2f} × weights beyond the empty process)")
        table.add_row("time to make it", f"{report.instantiate_s:.1f} s")
        table.add_row("chunk", f"{report.chunk_ms:.1f} ms ({report.prefix_tokens} tokens {report.prefix_ms:.1f}, {report.flow_steps} steps {report.flow_ms:.1f})")
        table.add_row("text", f"{report.first_token_ms:.1f} ms to the first token, then {report.token_ms:.1f} ms each")
        Console().print(table)
    print(json.dumps(report.to_json()))
    return 0
