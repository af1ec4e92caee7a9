"""`vlaser convert` and `vlaser export`: between the published layouts and this project's folder. No ROS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from rich.console import Console

from vlaser_core.errors import ConfigError


class Conversion(Protocol):
    """What to convert; see `vlaser_ros.commands.checkpoints.Convert`."""

    source: Path
    destination: Path
    embodiment: str | None
    statistics: Path | None
    tokenizer: Path | None
    dtype: str | None
    time_max_period: float | None
    flow_steps: int | None
    tables: str | None
    vision_heads: int | None
    new_expert: bool
    expert_width: int | None
    expert_mlp: int | None
    chat_system: str | None
    seed: int
    overwrite: bool


def convert(options: Conversion) -> int:
    """Write our folder; nothing is left at the destination when something is wrong. JSON on stdout, remarks on stderr."""
    import dataclasses

    import torch

    from vlaser_core.checkpoint.detect import layout_of, open_checkpoint
    from vlaser_core.checkpoint.folder import save_checkpoint
    from vlaser_core.checkpoint.inventory import assumptions
    from vlaser_core.checkpoint.writing import check_destination
    from vlaser_core.embodiment import load_embodiment
    from vlaser_core.engine import dtype_of
    from vlaser_core.model.config import ExpertSize
    from vlaser_core.processing.normalization import load_statistics

    check_destination(options.destination, options.source, overwrite=options.overwrite)
    dtype = dtype_of(options.dtype) if options.dtype else None
    if (options.expert_width is None) != (options.expert_mlp is None):
        raise ConfigError("give both --expert-width and --expert-mlp, or neither")
    if options.expert_width is not None and not options.new_expert:
        raise ConfigError("--expert-width and --expert-mlp are the sizes of a new expert: say --new-expert, or leave them out")
    layout = layout_of(options.source)
    given = {key: getattr(options, key) for key in ("time_max_period", "flow_steps", "tables", "vision_heads") if getattr(options, key) is not None}
    embodiment = load_embodiment(options.embodiment) if options.embodiment else None
    statistics = load_statistics(options.statistics) if options.statistics else None
    if embodiment and statistics:
        statistics.check(embodiment, str(options.statistics))
    checkpoint = open_checkpoint(
        options.source,
        dtype=dtype,
        tokenizer=options.tokenizer,
        embodiment=embodiment,
        statistics=statistics,
        new_expert=options.new_expert,
        expert=ExpertSize(options.expert_width, options.expert_mlp) if options.expert_width is not None else None,
        seed=options.seed,
        **given,
    )
    if options.chat_system is not None:
        checkpoint.model.config = dataclasses.replace(checkpoint.model.config, chat_system=options.chat_system)
    model = checkpoint.model
    if layout == "upstream":
        told = {key: value for key, value in assumptions(model.config).items() if key not in given and key != "horizon"}
        Console(stderr=True).print(
            "not stated by the file, assumed: " + ", ".join(f"{key} {value}" for key, value in told.items()), highlight=False
        )
    save_checkpoint(checkpoint, options.destination)
    facts = {
        "source": str(options.source),
        "layout": layout,
        "checkpoint": str(options.destination),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "dtype": str(model.dtype).removeprefix("torch."),
        "embodiment": embodiment.name if embodiment else None,
        "new_expert": options.new_expert,
        "bytes": sum(file.stat().st_size for file in options.destination.rglob("*") if file.is_file()),
        "torch": torch.__version__,
    }
    print(json.dumps(facts))
    return 0


def export(source: Path, destination: Path, tokenizer: Path | None, overwrite: bool) -> int:
    """Write the chat layout; JSON on stdout, a remark on stderr where an expert was left out."""
    from vlaser_core.checkpoint.export import export_chat

    done = export_chat(source, destination, tokenizer=tokenizer, overwrite=overwrite)
    if done.left_out:
        Console(stderr=True).print(f"the chat layout has no action expert: {done.left_out} tensors were left out", highlight=False)
    print(
        json.dumps(
            {"source": str(source), "exported": str(destination), "tensors": done.tensors, "bytes": done.bytes, "files": list(done.files)}
        )
    )
    return 0
