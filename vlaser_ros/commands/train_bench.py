"""`vlaser train bench`: samples a second of stage 2 both ways, a table and a JSON line last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Table

from vlaser_core.errors import InputError


class Options(Protocol):
    """What to measure; see `vlaser_ros.commands.training.TrainBench`."""

    checkpoint: Path | None
    size: str | None
    batch: int
    steps: int
    times_per_prefix: int
    precision: str
    device: str
    threads: int
    json: bool


def bench_training(options: Options) -> int:
    """Measure a checkpoint's model, or one of random weights."""
    if min(options.batch, options.steps, options.times_per_prefix) < 1:
        raise InputError("batch, steps and times_per_prefix are at least 1")
    if options.size and options.checkpoint:
        raise InputError("give a checkpoint or a size of random weights, not both")
    import torch

    from vlaser_core.checkpoint.folder import load_checkpoint, shipped_checkpoint
    from vlaser_core.checkpoint.source import random_model
    from vlaser_core.engine import check_device
    from vlaser_core.model.config import size
    from vlaser_core.train.flow_bench import bench

    check_device(options.device)
    torch.set_num_threads(options.threads)
    if options.size:
        low = torch.float32 if options.precision == "float32" else torch.bfloat16
        arguments = {"vocab_size": 2048} if options.size == "nano" else {}
        model = random_model(size(options.size, **arguments), 5, device=options.device, dtype=low)
    else:
        model = load_checkpoint(options.checkpoint or shipped_checkpoint(), options.device).model
    report = bench(model, batch=options.batch, updates=options.steps, times=options.times_per_prefix, precision=options.precision)
    if not options.json:
        where = f"{report.model}, {report.device}, {report.threads} threads, {report.precision}"
        table = Table("prefixes", "samples/s", "updates/s", "TFLOP/s", "loss", title=f"stage 2 of {where}, batches of {report.batch}")
        for name, way in (("computed for each batch", report.recomputed), ("computed once, read", report.stored)):
            table.add_row(name, f"{way.samples_per_s:.1f}", f"{way.updates_per_s:.2f}", f"{way.tflops_per_s:.3f}", f"{way.loss:.4f}")
        table.add_row("ratio", f"{report.ratio:.1f}", "", "", "")
        table.caption = (
            f"{report.prefix_bytes / 1e6:.2f} MB a prefix of {report.prefix_tokens} tokens; {report.samples} of them took {report.fill_s:.1f} s; "
            f"peak memory {report.peak_memory_bytes / 1e9:.2f} GB"
        )
        Console().print(table)
    print(json.dumps(report.to_json()))
    return 0
