"""A checkpoint in any layout, before its weights are read: sizes, tensors, and where each tensor belongs in our model.

    source = open_source(Path("Vlaser-2B"))            # detect.py finds the layout
    model = build(source, image_token_id, dtype=torch.bfloat16)

The model is laid out without memory and takes its tensors one at a time, each in its final type and place, so loading
needs the model's size and one tensor more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding

from vlaser_core.checkpoint.names import LM_HEAD
from vlaser_core.checkpoint.tensors import Tensors
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import ExpertSize, VlaserConfig
from vlaser_core.model.half_precision import lacks_half_precision, widen
from vlaser_core.model.vlaser import Vlaser

Layout = Literal["vlaser", "internvl_chat", "internvl_hf", "upstream"]
EXPERT_PARTS = ("expert.", "proprio_encoder.", "action_encoder.", "action_decoder.")


@dataclass(frozen=True)
class Source:
    """places: stored name → our names (three for a fused qkv). twins: (copy, original) that must hold the same numbers.
    left_over: stored tensors with no place here. unread: those that the original stores and never reads either.
    new_expert: the expert is drawn fresh, so no tensor of it is expected.
    token_ids: ids the tokenizer must give InternVL's special tokens; empty when the layout does not tell."""

    layout: Layout
    path: Path
    config: VlaserConfig
    tensors: Tensors
    places: Mapping[str, tuple[str, ...]]
    twins: tuple[tuple[str, str], ...] = ()
    left_over: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    token_ids: Mapping[str, int] = field(default_factory=dict)
    new_expert: bool = False

    def with_new_expert(self, expert: ExpertSize, *, horizon: int, action_dim: int, proprio_dim: int, **constants) -> Source:
        """The same backbone with an action expert that has not learned anything. Raises CheckpointError if it has one."""
        if self.config.expert is not None:
            raise CheckpointError(f"{self.path} has an action expert already; a new one is for checkpoints that only reason")
        shape = {"expert": expert, "horizon": horizon, "action_dim": action_dim, "proprio_dim": proprio_dim}
        try:
            config = replace(self.config, **shape, **constants)
        except ValueError as error:
            raise CheckpointError(f"{self.path}: the new expert cannot be made: {error}") from error
        return replace(self, config=config, new_expert=True)

    def expected(self) -> dict[str, tuple[int, ...]]:
        """Our names and shapes of all tensors that this source must bring."""
        return expected_shapes(skeleton(self.config, 0), self.new_expert)

    def missing(self) -> list[str]:
        """Tensors of the model that nothing in the source fills, by our names."""
        return sorted(self.expected().keys() - {name for names in self.places.values() for name in names})


def skeleton(config: VlaserConfig, image_token_id: int) -> Vlaser:
    """The model's layout: every parameter has a shape and no memory."""
    with torch.device("meta"):
        return Vlaser(config, image_token_id)


def expected_shapes(model: Vlaser, new_expert: bool = False) -> dict[str, tuple[int, ...]]:
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict(keep_vars=True).items()}
    if model.config.text.tie_embeddings:
        shapes.pop(LM_HEAD)
    return {name: shape for name, shape in shapes.items() if not (new_expert and name.startswith(EXPERT_PARTS))}


def check(source: Source) -> None:
    """Raises CheckpointError naming file and key unless the source fills the model exactly."""
    where, expected = str(source.path), source.expected()
    missing = source.missing()
    if missing or source.left_over:
        raise CheckpointError(
            f"{where}: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(source.left_over)} belong to no part of the model {list(source.left_over[:3])}"
        )
    for stored, names in source.places.items():
        entry = source.tensors[stored]
        shape = entry.shape
        if len(names) > 1 and shape and shape[0] % len(names) == 0:
            shape = (shape[0] // len(names), *shape[1:])
        for name in names:
            if name not in expected:
                raise CheckpointError(f"{entry.file}: {stored} would be {name}, which the model does not have")
            if shape != expected[name]:
                raise CheckpointError(f"{entry.file}: {stored} has shape {entry.shape}, the model needs {expected[name]} for {name}")


def check_twins(source: Source) -> None:
    """Raises CheckpointError where two copies of one weight differ: it would not be clear which one was trained."""
    for copy, original in source.twins:
        if not torch.equal(source.tensors.read(copy), source.tensors.read(original)):
            raise CheckpointError(f"{source.tensors[copy].file}: {copy} differs from {original}; here they are one weight")


def build(source: Source, image_token_id: int, *, device: str = "cpu", dtype: torch.dtype | None = None, seed: int = 0) -> Vlaser:
    """The model with the source's weights, in evaluation mode. dtype: as most weights are stored when None. seed: of a new expert.

    Raises CheckpointError naming file and key of what is missing, left over, misshapen or contradictory.
    """
    check(source)
    check_twins(source)
    dtype = dtype or source.tensors.main_dtype()
    model = skeleton(source.config, image_token_id)
    fill(model, source, device, dtype)
    if source.new_expert:
        for name, shape in expected_shapes(model).items():
            if name.startswith(EXPERT_PARTS):
                _put(model, name, torch.empty(shape, device=device, dtype=dtype))
        initialise_expert(model, seed)
    finish(model, device)
    return model.eval()


def fill(model: Vlaser, source: Source, device: str, dtype: torch.dtype) -> None:
    """Each stored tensor into its places, in the model's final type; a model that has memory already keeps its own."""
    targets = dict(model.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for stored, names in source.places.items():
            for name, part in zip(names, source.tensors.read(stored).chunk(len(names)), strict=True):
                if targets[name].is_meta:
                    _put(model, name, part.to(device=device, dtype=dtype, copy=True))
                else:
                    targets[name].copy_(part)


def _put(model: nn.Module, name: str, tensor: torch.Tensor) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, nn.Parameter(tensor))


def finish(model: Vlaser, device: str) -> None:
    """Tie what is tied, compute what no checkpoint stores (rotary frequencies, in float32 whatever the weights are), and
    fit the layers to the processor."""
    if model.config.text.tie_embeddings:
        model.backbone.lm_head.weight = model.backbone.get_input_embeddings().weight
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, Qwen2RotaryEmbedding):
                rotary = Qwen2RotaryEmbedding(child.config).to(device)
                if model.config.tables == "bfloat16":
                    rotary.inv_freq = rotary.inv_freq.bfloat16().float()
                setattr(module, name, rotary)
    if lacks_half_precision():
        widen(model)
    empty = [name for name, tensor in (*model.named_parameters(), *model.named_buffers()) if tensor.is_meta]
    if empty:
        raise CheckpointError(f"no values were given for {len(empty)} tensors: {empty[:3]}")


def initialise_expert(model: Vlaser, seed: int = 0) -> None:
    """A fresh expert as upstream draws it: Qwen2's normal(0, 0.02), zero biases and unit norms; its encoders and decoder as torch does."""
    generator = torch.Generator(model.device).manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.expert.named_parameters():
            if parameter.ndim == 2:
                parameter.normal_(0.0, 0.02, generator=generator)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        for module in (model.proprio_encoder, *model.action_encoder.children(), model.action_decoder):
            bound = 1.0 / math.sqrt(module.in_features)
            module.weight.uniform_(-bound, bound, generator=generator)
            module.bias.uniform_(-bound, bound, generator=generator)


def random_model(
    config: VlaserConfig, image_token_id: int, *, device: str = "cpu", dtype: torch.dtype = torch.float32, seed: int = 0
) -> Vlaser:
    """A model of random weights drawn in their final type, without a float32 copy: for measuring size and speed."""
    model = skeleton(config, image_token_id)
    # Drawing billions of normal values takes minutes; one block over and over has the same size and spread. Its length is
    # prime, so that no matrix repeats itself row by row.
    block = torch.empty(1_000_003, device=device, dtype=dtype).normal_(0.0, 0.02, generator=torch.Generator(device).manual_seed(seed))
    for name, shape in expected_shapes(model).items():
        tensor = torch.ones(shape, device=device, dtype=dtype)
        if not (len(shape) == 1 and "norm" in name and name.endswith("weight")):
            for part in tensor.view(-1).split(len(block)):
                part.copy_(block[: len(part)])
        _put(model, name, tensor)
    finish(model, device)
    return model.eval()
