"""The published policy checkpoint (Vlaser-2B-VLA): a `.pt` dictionary whose `model` holds every weight.

    source = upstream_source(Path("vlaser.pt"), horizon=4, time_max_period=10_000.0)

All sizes are read from the tensors' shapes, as the file states none. What shapes cannot tell is given by the caller:
the horizon, the time embedding's slowest period, and the vision tower's heads.
Every weight that upstream stores twice is compared with its copy before one of them is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch

from vlaser_core.checkpoint.internvl_chat import published_ids
from vlaser_core.checkpoint.names import LANGUAGE, LM_HEAD, PROJECTOR, VISION, target_names
from vlaser_core.checkpoint.source import Source, build
from vlaser_core.checkpoint.tensors import Tensors
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import CHAT_TILES, ExpertSize, TextSize, VisionSize, VlaserConfig
from vlaser_core.model.vlaser import Vlaser

HEAD_DIM = 128  # wired into upstream's attention; a projection's rows are heads times this
VISION_HEAD_DIM = 64
_MIXTURES = "joint_model.mixtures."
_VISION = "vision_tower.vision_model."
_INNER = "internvl_model."
_LM_HEAD = _INNER + "language_model.lm_head.weight"
PREFIXES = {
    _VISION: VISION,
    "multi_modal_projector.": PROJECTOR,
    "embed_tokens.": LANGUAGE + "embed_tokens.",
    _MIXTURES + "vlm.": LANGUAGE,
    _MIXTURES + "action.": "expert.",
    "action_encoder.": "action_encoder.",
    "proprio_encoder.": "proprio_encoder.",
    "action_decoder.": "action_decoder.",
    _LM_HEAD: LM_HEAD,
}
# Where upstream keeps a second copy of a weight, and the one that is used.
_COPIES = {
    _MIXTURES + "proprio.": _MIXTURES + "action.",
    _INNER + "vision_model.": _VISION,
    _INNER + "language_model.model.embed_tokens.": "embed_tokens.",
    _INNER + "language_model.model.norm.": _MIXTURES + "vlm.norm.",
    _INNER + "action_expert.model.norm.": _MIXTURES + "action.norm.",
}
# Slowest period of the time embedding by the number of state values: Fractal's configuration has another than Bridge's.
_PERIODS = {8: 100.0}
# Upstream trains a language head for the expert that nothing reads.
_UNREAD = (_INNER + "action_expert.lm_head.", _INNER + "action_expert.model.embed_tokens.")


def _original(name: str) -> str | None:
    for copy, original in _COPIES.items():
        if name.startswith(copy):
            return original + name[len(copy) :]
    return None


def infer_config(
    tensors: Tensors,
    *,
    horizon: int = 4,
    time_max_period: float | None = None,
    flow_steps: int = 10,
    max_prompt_tokens: int = 384,
    vision_heads: int | None = None,
    rope_theta: float = 1_000_000.0,
    rms_norm_eps: float = 1e-6,
    tables: Literal["exact", "bfloat16"] = "exact",
    name: str = "upstream",
) -> VlaserConfig:
    """The model that upstream's tensors belong to. vision_heads: 64 channels a head when None, as InternViT has.
    time_max_period: as upstream's configurations have it when None, 100 for Fractal's eight state values and else 10 000.
    rope_theta, rms_norm_eps: of backbone and expert alike; Qwen2.5's by default.

    Raises CheckpointError naming the tensor that is missing or misshapen.
    """
    width, _, patch, _ = tensors.shape(_VISION + "embeddings.patch_embedding.weight", 4)
    _, positions, _ = tensors.shape(_VISION + "embeddings.position_embedding", 3)
    vision_mlp, _ = tensors.shape(_VISION + "encoder.layers.0.mlp.fc1.weight", 2)
    grid = math.isqrt(positions - 1)
    if grid * grid != positions - 1:
        raise CheckpointError(f"{tensors.where}: {positions} vision positions are no square of patches and one class token")
    vocabulary, hidden = tensors.shape("embed_tokens.weight", 2)

    def layer(mixture: str, tensor: str) -> int:
        return tensors.shape(f"{_MIXTURES}{mixture}.layers.0.{tensor}.weight", 2)[0]

    proprio_dim = tensors.shape("proprio_encoder.weight", 2)[1]
    action_dim, expert_width = tensors.shape("action_decoder.weight", 2)
    return VlaserConfig(
        name=name,
        vision=VisionSize(
            hidden_size=width,
            intermediate_size=vision_mlp,
            layers=tensors.layers(_VISION + "encoder.layers."),
            heads=max(1, width // VISION_HEAD_DIM) if vision_heads is None else vision_heads,
            image_size=grid * patch,
            patch_size=patch,
        ),
        text=TextSize(
            hidden_size=hidden,
            intermediate_size=layer("vlm", "mlp.gate_proj"),
            layers=tensors.layers(_MIXTURES + "vlm.layers."),
            heads=layer("vlm", "self_attn.q_proj") // HEAD_DIM,
            kv_heads=layer("vlm", "self_attn.k_proj") // HEAD_DIM,
            head_dim=HEAD_DIM,
            vocab_size=vocabulary,
            rope_theta=rope_theta,
            rms_norm_eps=rms_norm_eps,
        ),
        expert=ExpertSize(expert_width, layer("action", "mlp.gate_proj")),
        horizon=horizon,
        action_dim=action_dim,
        proprio_dim=proprio_dim,
        time_max_period=_PERIODS.get(proprio_dim, 10_000.0) if time_max_period is None else time_max_period,
        flow_steps=flow_steps,
        max_prompt_tokens=max_prompt_tokens,
        max_tiles=CHAT_TILES,
        tables=tables,
    )


def source_of(tensors: Tensors, path: Path, **constants) -> Source:
    """An upstream policy given as tensors; constants as in `infer_config`. Raises CheckpointError."""
    if any(name.startswith(("action_head.", "model.mlp_resnet_blocks.")) for name in tensors):
        raise CheckpointError(
            f"{path} is the RoboTwin variant: an L1-regression head without flow matching, which is another model and is not loaded"
        )
    if not any(name.startswith(_MIXTURES) for name in tensors):
        raise CheckpointError(
            f"{path} has no {_MIXTURES}*: it is not an upstream Vlaser VLA checkpoint (of another model, name the folder); "
            f"its first tensors are {list(tensors)[:3]}"
        )
    config = infer_config(tensors, **constants)
    places: dict[str, tuple[str, ...]] = {}
    twins, left_over, unread = [], [], []
    for stored in tensors:
        original = _original(stored)
        if names := tuple(target_names(stored, PREFIXES)):
            places[stored] = names
        elif original in tensors:
            twins.append((stored, original))
        else:
            (unread if stored.startswith(_UNREAD) else left_over).append(stored)
    return Source(
        "upstream", path, config, tensors, places, tuple(twins), tuple(left_over), tuple(unread), token_ids=published_ids(config)
    )


def upstream_source(path: Path, **constants) -> Source:
    """An upstream file, with or without torch.compile's marks. Raises CheckpointError naming file and key of what is wrong."""
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    return source_of(Tensors.of_files([path]), path, **{"name": path.stem, **constants})


def model_from_upstream(state: Mapping[str, torch.Tensor], image_token_id: int, **constants) -> Vlaser:
    """A model in the tensors' type, filled with upstream tensors in memory; constants as in `infer_config`. Raises CheckpointError."""
    return build(source_of(Tensors.of_state(state, "upstream checkpoint"), Path("upstream checkpoint"), **constants), image_token_id)
