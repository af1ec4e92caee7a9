"""InternVL's published tensor names, renamed to those of transformers' InternVL and Qwen2 modules.

Two layouts hold the same modules under different prefixes (`internvl_chat`, `upstream`); below the prefix the names are
equal but for the vision tower, whose fused qkv is split here. Every tensor is either renamed or listed as unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from vlaser_core.errors import CheckpointError

VISION, PROJECTOR, LANGUAGE = "backbone.model.vision_tower.", "backbone.model.multi_modal_projector.", "backbone.model.language_model."
LM_HEAD = "backbone.lm_head.weight"

_VISION_RULES = (
    (r"^embeddings\.class_embedding$", "embeddings.cls_token"),
    (r"^embeddings\.position_embedding$", "embeddings.position_embeddings"),
    (r"^embeddings\.patch_embedding\.", "embeddings.patch_embeddings.projection."),
    (r"^encoder\.layers\.(\d+)\.ls([12])$", r"encoder.layer.\1.lambda_\2"),
    (r"^encoder\.layers\.(\d+)\.attn\.qkv\.", r"encoder.layer.\1.attention.qkv."),
    (r"^encoder\.layers\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.projection_layer."),
    (r"^encoder\.layers\.(\d+)\.mlp\.", r"encoder.layer.\1.mlp."),
    (r"^encoder\.layers\.(\d+)\.norm1\.", r"encoder.layer.\1.layernorm_before."),
    (r"^encoder\.layers\.(\d+)\.norm2\.", r"encoder.layer.\1.layernorm_after."),
)
_PROJECTOR_RULES = ((r"^0\.", "layer_norm."), (r"^1\.", "linear_1."), (r"^3\.", "linear_2."))


def _rename(name: str, rules: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, replacement in rules:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return None


def target_names(name: str, prefixes: Mapping[str, str]) -> list[str]:
    """What a published tensor is called here: one name, three for a fused qkv (in that order), none when it is unknown."""
    for prefix, home in prefixes.items():
        if not name.startswith(prefix):
            continue
        inner: str | None = name[len(prefix) :]
        if home == VISION:
            inner = _rename(inner, _VISION_RULES)
        elif home == PROJECTOR:
            inner = _rename(inner, _PROJECTOR_RULES)
        if inner is None:
            return []
        if ".qkv." in inner:
            return [home + inner.replace(".qkv.", f".{part}_proj.") for part in "qkv"]
        return [home + inner]
    return []


def renamed(state: Mapping[str, torch.Tensor], prefixes: Mapping[str, str], where: str) -> dict[str, torch.Tensor]:
    """`state` under this project's names. Raises CheckpointError listing tensors that no rule knows."""
    result, unknown = {}, []
    for name, tensor in state.items():
        names = target_names(name, prefixes)
        if not names:
            unknown.append(name)
        for target, part in zip(names, tensor.chunk(len(names)) if names else (), strict=True):
            result[target] = part
    if unknown:
        raise CheckpointError(f"{where}: {len(unknown)} tensors belong to no part of the model: {unknown[:3]}")
    return result


def fill(module: torch.nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Copy `state` into `module`, which must have exactly these tensors. Raises CheckpointError naming what differs."""
    targets = module.state_dict(keep_vars=True)
    absent, extra = sorted(targets.keys() - state.keys()), sorted(state.keys() - targets.keys())
    if absent or extra:
        raise CheckpointError(f"{where}: {len(absent)} tensors missing {absent[:3]}, {len(extra)} left over {extra[:3]}")
    with torch.no_grad():
        for name, target in targets.items():
            if state[name].shape != target.shape:
                raise CheckpointError(f"{where}: {name} has shape {tuple(state[name].shape)}, the model needs {tuple(target.shape)}")
            target.copy_(state[name])


def read_tensors(path: Path) -> dict:
    """The contents of one weight file (.safetensors, or .pt/.bin read with weights_only). Raises CheckpointError."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch.load raises many kinds for damaged or unsafe files
        kind = "truncated or not safetensors" if isinstance(error, SafetensorError) else "damaged, or it holds more than tensors"
        raise CheckpointError(f"cannot read {path} ({kind}): {error}") from error


def shape_of(state: Mapping[str, torch.Tensor], name: str, dims: int, where: str) -> tuple[int, ...]:
    """Shape of a tensor that sizes are read from. Raises CheckpointError when it is absent or has other dimensions."""
    if name not in state:
        raise CheckpointError(f"{where} lacks {name}")
    shape = tuple(state[name].shape)
    if len(shape) != dims:
        raise CheckpointError(f"{where}: {name} has shape {shape}, expected {dims} dimensions")
    return shape


def count_layers(state: Mapping[str, torch.Tensor], prefix: str) -> int:
    """How many consecutive layers stand under `prefix` (which ends before the index)."""
    found = {int(name[len(prefix) :].split(".")[0]) for name in state if name.startswith(prefix)}
    return next(index for index in range(len(found) + 1) if index not in found)
