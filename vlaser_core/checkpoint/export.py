"""The backbone of any checkpoint, written in the published chat layout, weights bit by bit as they are stored.

    export_chat(Path("checkpoints/vlaser-2b"), Path("Vlaser-2B-again"))

The action expert has no place in that layout and is left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from vlaser_core.checkpoint.detect import open_source
from vlaser_core.checkpoint.folder import tokenizer_of
from vlaser_core.checkpoint.internvl_chat import PREFIXES, config_json
from vlaser_core.checkpoint.names import published_name
from vlaser_core.checkpoint.published_tokenizer import save_published_tokenizer
from vlaser_core.checkpoint.source import EXPERT_PARTS, Source, check, check_twins
from vlaser_core.checkpoint.writing import check_destination, complete_folder
from vlaser_core.errors import CheckpointError

SHARD_BYTES = 4 * 10**9


@dataclass(frozen=True)
class Exported:
    """What was written: tensors, bytes of weights, files; and how many tensors of the action expert were left out."""

    tensors: int
    bytes: int
    files: tuple[str, ...]
    left_out: int


def export_chat(
    path: Path, folder: Path, *, tokenizer: Path | None = None, shard_bytes: int = SHARD_BYTES, overwrite: bool = False
) -> Exported:
    """Write `folder` in the chat layout, shard by shard. Raises CheckpointError; a failure leaves nothing behind."""
    check_destination(folder, path, overwrite=overwrite)
    source = open_source(path)
    check(source)
    check_twins(source)
    loaded = tokenizer_of(source, tokenizer)
    with complete_folder(folder) as partial:
        done = _write(source, partial, shard_bytes)
        content = config_json(source.config, source.tensors.main_dtype())
        (partial / "config.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        save_published_tokenizer(loaded, partial)
    return done


def _jobs(source: Source) -> tuple[dict[str, list[str]], int]:
    """Chat name → stored tensors it is made of in order (three where q, k and v stand apart), and how many have no place."""
    jobs: dict[str, list[str]] = {}
    left_out = 0
    for stored, names in source.places.items():
        if all(name.startswith(EXPERT_PARTS) for name in names):
            left_out += 1
            continue
        published = {published_name(name, PREFIXES) for name in names}
        if len(published) != 1 or None in published:
            raise CheckpointError(f"{source.path}: {stored} has no name in the chat layout")
        jobs.setdefault(published.pop(), []).append(stored)
    for parts in jobs.values():
        parts.sort(key=lambda stored: source.places[stored][0])  # k, q, v by name
        if len(parts) == 3:
            parts[0], parts[1] = parts[1], parts[0]
    return jobs, left_out


def _write(source: Source, folder: Path, shard_bytes: int) -> Exported:
    jobs, left_out = _jobs(source)
    shards: list[list[str]] = [[]]
    filled = total = 0
    for name, parts in jobs.items():
        size = sum(source.tensors[part].bytes for part in parts)
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled, total = filled + size, total + size
    files, places = [], {}
    for number, names in enumerate(shards, 1):
        file = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file({name: _join(source, jobs[name]) for name in names}, folder / file, metadata={"format": "pt"})
        files.append(file)
        places |= dict.fromkeys(names, file)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return Exported(len(jobs), total, tuple(files), left_out)


def _join(source: Source, parts: list[str]) -> torch.Tensor:
    tensors = [source.tensors.read(part) for part in parts]
    return tensors[0].clone() if len(tensors) == 1 else torch.cat(tensors)
