"""What converting, loading and exporting a checkpoint takes: random weights at full size in each published layout, measured.

    report = measure_conversion("internvl_chat", vlaser_2b(VOCABULARY), Path("scratch"))
    report.load.over(report.weight_bytes)                     # peak memory as a multiple of the weights

Each step runs in a process of its own, and everything written is removed afterwards.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from vlaser_core.checkpoint import upstream
from vlaser_core.checkpoint.detect import open_checkpoint
from vlaser_core.checkpoint.export import export_chat
from vlaser_core.checkpoint.folder import load_checkpoint, save_checkpoint, shipped_checkpoint
from vlaser_core.checkpoint.internvl_chat import PREFIXES, config_json
from vlaser_core.checkpoint.names import published_name
from vlaser_core.checkpoint.source import Layout, expected_shapes, skeleton
from vlaser_core.embodiment import load_embodiment
from vlaser_core.evaluate.memory import Spent, apart
from vlaser_core.model.config import VlaserConfig
from vlaser_core.processing.normalization import load_statistics
from vlaser_core.processing.tokenizer import IMAGE, load_tokenizer

# As many rows as the published vocabulary has, less a few: nothing is known of its special ids, so that the tokenizer
# which ships with the package may stand in for the published one.
VOCABULARY = 151_640
SHARD_BYTES = 10**9


@dataclass(frozen=True)
class ConversionReport:
    """weight_bytes: of the model that the layout holds. load: our folder, as it is stored. export is back to InternVL-chat."""

    layout: Layout
    size: str
    dtype: str
    weight_bytes: int
    convert: Spent
    load: Spent
    export: Spent

    def to_json(self) -> dict:
        over = {
            f"{step}_peak_over_weights": round(getattr(self, step).over(self.weight_bytes), 3) for step in ("convert", "load", "export")
        }
        return {**asdict(self), **over, "torch": torch.__version__}


def measure_conversion(layout: Layout, config: VlaserConfig, folder: Path, dtype: torch.dtype = torch.bfloat16) -> ConversionReport:
    """Write a random checkpoint under `folder` (twice the model's size on disk, for a while), convert it, load it, export it."""
    tokenizer = shipped_checkpoint()
    if layout != "upstream":
        config = dataclasses.replace(config, expert=None, horizon=0, action_dim=0, proprio_dim=0)
    source, ours, back = folder / "source", folder / "ours", folder / "back"
    try:
        # Written apart as well: what it needs must not stay with the caller.
        apart(write_random, layout, config, source, dtype)
        if layout == "upstream":
            source /= "policy.pt"
        convert = apart(_convert, source, ours, tokenizer, layout == "upstream")
        shutil.rmtree(folder / "source")
        load = apart(_load, ours)
        export = apart(export_chat, ours, back)
    finally:
        for made in (folder / "source", ours, back):
            shutil.rmtree(made, ignore_errors=True)
    weights = sum(torch.Size(shape).numel() for shape in expected_shapes(skeleton(config, 0)).values()) * dtype.itemsize
    return ConversionReport(layout, config.name, str(dtype).removeprefix("torch."), weights, convert, load, export)


def _convert(source: Path, destination: Path, tokenizer: Path, policy: bool) -> None:
    shipped = shipped_checkpoint()
    robot = (
        {"embodiment": load_embodiment(shipped / "embodiment.yaml"), "statistics": load_statistics(shipped / "statistics.json")}
        if policy
        else {}
    )
    save_checkpoint(open_checkpoint(source, tokenizer=tokenizer, **robot), destination)


def _load(folder: Path) -> None:
    load_checkpoint(folder, dtype=None)


def write_random(layout: Layout, config: VlaserConfig, folder: Path, dtype: torch.dtype) -> None:
    """A checkpoint of random weights in a published layout, without a tokenizer; upstream's is `policy.pt`, copies included."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    # Drawing billions of values takes minutes; one block over and over is as large.
    block = torch.empty(1_000_003, dtype=dtype).normal_(0.0, 0.02, generator=generator)

    def drawn(shape: tuple[int, ...]) -> torch.Tensor:
        count = torch.Size(shape).numel()
        return block.repeat(-(-count // len(block)))[:count].clone().reshape(shape)

    shapes = dict(_published(layout, config))
    if layout == "upstream":
        state = {name: drawn(shape) for name, shape in shapes.items()}
        state |= {copy: state[name] for name in list(state) for copy in _copies(name)}
        torch.save({"cnt_update": 1, "model": {f"_orig_mod.{name}": tensor for name, tensor in state.items()}}, folder / "policy.pt")
        return
    index = {}
    for number, names in enumerate(_shards(shapes, dtype)):
        index |= dict.fromkeys(names, f"model-{number + 1:05d}.safetensors")
        save_file({name: drawn(shapes[name]) for name in names}, folder / index[names[0]], metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}), encoding="utf-8")
    tokenizer = load_tokenizer(shipped_checkpoint())
    if layout == "internvl_chat":
        (folder / "config.json").write_text(json.dumps(config_json(config, dtype)), encoding="utf-8")
    else:
        config.backbone_config(tokenizer.convert_tokens_to_ids(IMAGE)).save_pretrained(str(folder))


def _published(layout: Layout, config: VlaserConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes as the layout has them; q, k and v of the vision tower are one tensor but in Hugging Face's."""
    for name, shape in expected_shapes(skeleton(config, 0)).items():
        if layout == "internvl_hf":
            yield name.removeprefix("backbone."), shape
            continue
        published = published_name(name, PREFIXES if layout == "internvl_chat" else upstream.PREFIXES)
        if published is None:
            raise ValueError(f"{name} has no name in layout {layout}")
        yield published, (3 * shape[0], *shape[1:]) if ".qkv." in published else shape


def _copies(name: str) -> Iterator[str]:
    """Where upstream's file names a weight once more."""
    tower, mixtures, inner = "vision_tower.vision_model.", "joint_model.mixtures.", "internvl_model."
    if name.startswith(f"{mixtures}action."):
        yield name.replace("action.", "proprio.", 1)
    elif name.startswith(tower):
        yield f"{inner}vision_model.{name.removeprefix(tower)}"
    elif name == "embed_tokens.weight":
        yield f"{inner}language_model.model.embed_tokens.weight"


def _shards(shapes: dict[str, tuple[int, ...]], dtype: torch.dtype) -> list[list[str]]:
    shards, filled = [[]], 0
    for name, shape in shapes.items():
        size = torch.Size(shape).numel() * dtype.itemsize
        if shards[-1] and filled + size > SHARD_BYTES:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards
