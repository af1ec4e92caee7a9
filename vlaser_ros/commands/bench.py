"""`vlaser bench`: numbers of this machine, a JSON line last. No ROS."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.table import Table

from vlaser_core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from vlaser_core.checkpoint.source import Layout


class SizeOptions(Protocol):
    """What to measure; see `vlaser_ros.commands.checkpoints.BenchSize`."""

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

    from vlaser_core.engine import check_device, dtype_of
    from vlaser_core.evaluate.size import measure
    from vlaser_core.model.config import size

    check_device(options.device)
    dtype = dtype_of(options.dtype)
    if options.threads:
        torch.set_num_threads(options.threads)
    arguments: dict = {"vocab_size": 2048} if options.size == "nano" else {}
    if options.expert_mlp is not None:
        if options.size != "2b":
            raise ConfigError("--expert-mlp chooses between upstream's two 2B variants; other sizes have one")
        arguments["expert_mlp"] = options.expert_mlp
    report = measure(size(options.size, **arguments), dtype, options.device, options.chunks, options.tokens)
    if not options.json:
        table = Table("measure", "value", title=f"{report.size}, {report.dtype}, {report.device}, {report.threads} threads")
        table.add_row("parameters (of them expert)", f"{report.parameters:,} ({report.expert_parameters:,})")
        table.add_row("weights", f"{report.weight_bytes / 1e9:.2f} GB")
        table.add_row(
            "peak memory", f"{report.peak_memory_bytes / 1e9:.2f} GB ({report.peak_over_weights:.2f} × weights beyond the empty process)"
        )
        table.add_row("time to make it", f"{report.instantiate_s:.1f} s")
        table.add_row(
            "chunk",
            f"{report.chunk_ms:.1f} ms ({report.prefix_tokens} tokens {report.prefix_ms:.1f}, "
            f"{report.flow_steps} steps {report.flow_ms:.1f})",
        )
        table.add_row("text", f"{report.first_token_ms:.1f} ms to the first token, then {report.token_ms:.1f} ms each")
        Console().print(table)
    print(json.dumps(report.to_json()))
    return 0


class ConvertOptions(Protocol):
    """What to convert; see `vlaser_ros.commands.checkpoints.BenchConvert`."""

    size: str
    layout: Layout
    dtype: str
    folder: Path | None
    json: bool


def bench_convert(options: ConvertOptions) -> int:
    """Convert, load and export a random checkpoint, each in a process of its own, and say what memory it took."""
    from vlaser_core.engine import dtype_of
    from vlaser_core.evaluate.conversion import VOCABULARY, measure_conversion
    from vlaser_core.model.config import size

    dtype = dtype_of(options.dtype)
    if options.folder is not None and not options.folder.is_dir():
        raise InputError(f"there is no folder {options.folder} to write in")
    with TemporaryDirectory(prefix="vlaser-", dir=options.folder) as scratch:
        report = measure_conversion(options.layout, size(options.size, vocab_size=VOCABULARY), Path(scratch), dtype)
    if not options.json:
        weights = report.weight_bytes
        table = Table(
            "step",
            "time",
            "peak memory",
            "beyond the empty process",
            title=f"{report.size}, {report.layout}, {report.dtype}, {weights / 1e9:.2f} GB",
        )
        for step in ("convert", "load", "export"):
            spent = getattr(report, step)
            table.add_row(step, f"{spent.seconds:.1f} s", f"{spent.peak_bytes / 1e9:.2f} GB", f"{spent.over(weights):.2f} × weights")
        Console().print(table)
    print(json.dumps(report.to_json()))
    return 0
