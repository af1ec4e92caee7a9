"""The published policy checkpoint (Vlaser-2B-VLA): a `.pt` dictionary whose `model` holds every weight.

    checkpoint = import_upstream(Path("vlaser.pt"), Path("InternVL3-2B"), load_embodiment("widowx"), statistics)
    save_checkpoint(checkpoint, Path("checkpoints/vlaser-2b-widowx"))

All sizes are read from the tensors' shapes, as the file states none. What shapes cannot tell is given by the caller:
the horizon, the time embedding's slowest period (10 000 for Bridge, 100 for Fractal), and the vision tower's heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch

from vlaser_core.checkpoint.folder import Checkpoint
from vlaser_core.checkpoint.names import LANGUAGE, LM_HEAD, PROJECTOR, VISION, count_layers, fill, read_tensors, renamed, shape_of
from vlaser_core.embodiment import Embodiment
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import ExpertSize, TextSize, VisionSize, VlaserConfig
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.normalization import Statistics
from vlaser_core.processing.tokenizer import IMAGE, load_tokenizer

HEAD_DIM = 128  # wired into upstream's attention; a projection's rows are heads times this
VISION_HEAD_DIM = 64
_MIXTURES = "joint_model.mixtures."
_LM_HEAD = "internvl_model.language_model.lm_head.weight"
PREFIXES = {
    "vision_tower.vision_model.": VISION,
    "multi_modal_projector.": PROJECTOR,
    "embed_tokens.": LANGUAGE + "embed_tokens.",
    _MIXTURES + "vlm.": LANGUAGE,
    _MIXTURES + "action.": "expert.",
    "action_encoder.": "action_encoder.",
    "proprio_encoder.": "proprio_encoder.",
    "action_decoder.": "action_decoder.",
    _LM_HEAD: LM_HEAD,
}


def read_upstream(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of an upstream file, without torch.compile's marks. Raises CheckpointError."""
    content = read_tensors(path)
    state = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no `model` dictionary of tensors; expected an upstream Vlaser VLA checkpoint")
    return {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}


def canonical(state: Mapping[str, torch.Tensor], where: str = "upstream checkpoint") -> dict[str, torch.Tensor]:
    """One tensor a weight, upstream's names: the state token's copy of the expert checked and dropped, unused copies dropped.

    Raises CheckpointError when the two copies differ: the state token then had weights of its own, which this model has not.
    """
    kept = {}
    for name, tensor in state.items():
        if name.startswith(_MIXTURES + "proprio."):
            twin = name.replace(".proprio.", ".action.", 1)
            if twin in state and not torch.equal(tensor, state[twin]):
                raise CheckpointError(f"{where}: {name} differs from {twin}; state and action tokens share one expert here")
            kept[twin] = tensor
        elif not name.startswith("internvl_model.") or name == _LM_HEAD:
            kept.setdefault(name, tensor)
    return kept


def infer_config(
    state: Mapping[str, torch.Tensor],
    *,
    horizon: int = 4,
    time_max_period: float = 10_000.0,
    flow_steps: int = 10,
    max_prompt_tokens: int = 384,
    vision_heads: int | None = None,
    name: str = "upstream",
) -> VlaserConfig:
    """The model that canonical upstream tensors belong to. vision_heads: 64 channels a head when None, as InternViT has.

    Raises CheckpointError naming the tensor that is missing or misshapen.
    """
    where = "upstream checkpoint"
    vision = "vision_tower.vision_model."
    width, _, patch, _ = shape_of(state, vision + "embeddings.patch_embedding.weight", 4, where)
    _, positions, _ = shape_of(state, vision + "embeddings.position_embedding", 3, where)
    vision_mlp, _ = shape_of(state, vision + "encoder.layers.0.mlp.fc1.weight", 2, where)
    grid = math.isqrt(positions - 1)
    if grid * grid != positions - 1:
        raise CheckpointError(f"{where}: {positions} vision positions are no square of patches and one class token")
    vocabulary, hidden = shape_of(state, "embed_tokens.weight", 2, where)

    def layer(mixture: str, tensor: str) -> int:
        return shape_of(state, f"{_MIXTURES}{mixture}.layers.0.{tensor}.weight", 2, where)[0]

    text = TextSize(
        hidden_size=hidden,
        intermediate_size=layer("vlm", "mlp.gate_proj"),
        layers=count_layers(state, _MIXTURES + "vlm.layers."),
        heads=layer("vlm", "self_attn.q_proj") // HEAD_DIM,
        kv_heads=layer("vlm", "self_attn.k_proj") // HEAD_DIM,
        head_dim=HEAD_DIM,
        vocab_size=vocabulary,
    )
    action_dim, expert_width = shape_of(state, "action_decoder.weight", 2, where)
    return VlaserConfig(
        name=name,
        vision=VisionSize(
            hidden_size=width,
            intermediate_size=vision_mlp,
            layers=count_layers(state, vision + "encoder.layers."),
            heads=vision_heads or width // VISION_HEAD_DIM,
            image_size=grid * patch,
            patch_size=patch,
        ),
        text=text,
        expert=ExpertSize(expert_width, layer("action", "mlp.gate_proj")),
        horizon=horizon,
        action_dim=action_dim,
        proprio_dim=shape_of(state, "proprio_encoder.weight", 2, where)[1],
        time_max_period=time_max_period,
        flow_steps=flow_steps,
        max_prompt_tokens=max_prompt_tokens,
    )


def model_from_upstream(state: Mapping[str, torch.Tensor], image_token_id: int, **constants) -> Vlaser:
    """A model in float32 filled with upstream tensors; constants as in `infer_config`. Raises CheckpointError."""
    kept = canonical(state)
    config = infer_config(kept, **constants)
    model = Vlaser(config, image_token_id)
    fill(model, renamed(kept, PREFIXES, "upstream checkpoint"), "upstream checkpoint")
    return model.eval()


def import_upstream(path: Path, tokenizer_folder: Path, embodiment: Embodiment, statistics: Statistics, **constants) -> Checkpoint:
    """A whole checkpoint from an upstream file, InternVL3's tokenizer folder, the robot, and its statistics.

    Raises CheckpointError when they do not fit each other.
    """
    tokenizer = load_tokenizer(tokenizer_folder)
    constants.setdefault("horizon", embodiment.action.horizon)
    model = model_from_upstream(read_upstream(path), tokenizer.convert_tokens_to_ids(IMAGE), **constants)
    if len(tokenizer) > model.config.text.vocab_size:
        raise CheckpointError(f"{tokenizer_folder} has {len(tokenizer)} tokens, {path} embeds {model.config.text.vocab_size}")
    if (model.config.action_dim, model.config.proprio_dim) != (embodiment.action_dim, embodiment.proprio_dim):
        raise CheckpointError(
            f"{path} has {model.config.action_dim} actions and {model.config.proprio_dim} state values, "
            f"embodiment {embodiment.name!r} has {embodiment.action_dim} and {embodiment.proprio_dim}"
        )
    statistics.check(embodiment, "the given statistics")
    return Checkpoint(model, tokenizer, embodiment, statistics)
