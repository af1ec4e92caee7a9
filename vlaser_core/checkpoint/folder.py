"""Our checkpoint: a folder that holds everything a robot needs to run it, and is refused if anything is missing.

    model.safetensors   weights            config.json       sizes and constants (model.config.VlaserConfig)
    embodiment.yaml     the robot          statistics.json   percentiles its data was normalised with
    tokenizer.json …    the tokenizer
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerBase

from vlaser_core.embodiment import Embodiment, dump_embodiment, load_embodiment
from vlaser_core.errors import CheckpointError, ConfigError
from vlaser_core.model.config import VlaserConfig
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.normalization import Statistics, load_statistics, save_statistics
from vlaser_core.processing.tokenizer import IMAGE, load_tokenizer

REQUIRED = ("model.safetensors", "config.json", "embodiment.yaml", "statistics.json")
TIED = "backbone.lm_head.weight"


@dataclass(frozen=True)
class Checkpoint:
    """A model with the robot and data it belongs to."""

    model: Vlaser
    tokenizer: PreTrainedTokenizerBase
    embodiment: Embodiment
    statistics: Statistics


def shipped_checkpoint() -> Path:
    """The small trained policy that comes with the package."""
    return Path(__file__).resolve().parent.parent / "checkpoints" / "nano"


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the folder; a folder of that name is replaced only when the new one is complete."""
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".part")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    config = checkpoint.model.config
    weights = {name: tensor.contiguous() for name, tensor in checkpoint.model.state_dict().items()}
    if config.text.tie_embeddings:
        del weights[TIED]
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    (partial / "config.json").write_text(json.dumps(config.to_dict(), indent=1) + "\n", encoding="utf-8")
    dump_embodiment(checkpoint.embodiment, partial / "embodiment.yaml")
    save_statistics(checkpoint.statistics, partial / "statistics.json")
    checkpoint.tokenizer.save_pretrained(str(partial))
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(partial, folder)


def read_config(folder: Path) -> VlaserConfig:
    """The sizes a checkpoint states. Raises CheckpointError."""
    path = folder / "config.json"
    try:
        return VlaserConfig.from_dict(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, json.JSONDecodeError, ConfigError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error


def load_checkpoint(folder: Path | str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Checkpoint:
    """The checkpoint in `folder`, ready to run.

    Raises CheckpointError naming what is missing, damaged, of another shape, or another robot's.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint folder at {folder}")
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(f"checkpoint {folder} lacks {', '.join(missing)}; a checkpoint holds {', '.join(REQUIRED)} and a tokenizer")
    config = read_config(folder)
    try:
        embodiment = load_embodiment(folder / "embodiment.yaml")
    except ConfigError as error:
        raise CheckpointError(f"checkpoint {folder}: {error}") from error
    statistics = load_statistics(folder / "statistics.json")
    statistics.check(embodiment, str(folder / "statistics.json"))
    for name, has, needs in (
        ("horizon", config.horizon, embodiment.action.horizon),
        ("action_dim", config.action_dim, embodiment.action_dim),
        ("proprio_dim", config.proprio_dim, embodiment.proprio_dim),
    ):
        if has != needs:
            raise CheckpointError(f"checkpoint {folder}: the model's {name} is {has}, embodiment {embodiment.name!r} needs {needs}")
    tokenizer = load_tokenizer(folder)
    if len(tokenizer) > config.text.vocab_size:
        raise CheckpointError(f"checkpoint {folder}: the tokenizer has {len(tokenizer)} tokens, the model {config.text.vocab_size}")
    model = Vlaser(config, tokenizer.convert_tokens_to_ids(IMAGE))
    load_weights(model, folder / "model.safetensors")
    return Checkpoint(model.to(device=device, dtype=dtype).eval(), tokenizer, embodiment, statistics)


def load_weights(model: Vlaser, path: Path) -> None:
    """Fill `model` from a safetensors file, tensor by tensor. Raises CheckpointError naming keys and shapes that differ."""
    targets = model.state_dict(keep_vars=True)
    if model.config.text.tie_embeddings:
        targets.pop(TIED)
    try:
        with safe_open(path, framework="pt") as weights, torch.no_grad():
            names = set(weights.keys())
            absent, extra = sorted(targets.keys() - names), sorted(names - targets.keys())
            if absent or extra:
                raise CheckpointError(f"{path}: {len(absent)} tensors missing {absent[:3]}, {len(extra)} unknown {extra[:3]}")
            for name, target in targets.items():
                value = weights.get_tensor(name)
                if value.shape != target.shape:
                    raise CheckpointError(f"{path}: {name} has shape {tuple(value.shape)}, the model needs {tuple(target.shape)}")
                target.copy_(value)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"cannot read {path} (truncated or not safetensors): {error}") from error
