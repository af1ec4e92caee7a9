"""The published chat layout (`model_type: internvl_chat`): InternVL3, Vlaser-2B and Vlaser-8B.

    backbone = load_internvl_chat(Path("Vlaser-2B"))                    # transformers' InternVL, float32
    policy = policy_from_chat(Path("Vlaser-2B"), ExpertSize(768, 8960), horizon=4, action_dim=7, proprio_dim=7)

`policy_from_chat` is where stage 2 starts: the backbone as published, the action expert fresh.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import InternVLForConditionalGeneration

from vlaser_core.checkpoint.names import LANGUAGE, LM_HEAD, PROJECTOR, VISION, fill, read_tensors, renamed
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import ExpertSize, TextSize, VisionSize, VlaserConfig
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.tokenizer import IMAGE, load_tokenizer

PREFIXES = {"vision_model.": VISION, "mlp1.": PROJECTOR, "language_model.model.": LANGUAGE, "language_model.lm_head.weight": LM_HEAD}
# What this project's backbone is built for; another value means other mathematics, not another size.
_EXPECTED = {
    ("downsample_ratio",): 0.5,
    ("select_layer",): -1,
    ("ps_version",): "v2",
    ("vision_config", "qk_normalization"): False,
    ("vision_config", "norm_type"): "layer_norm",
    ("vision_config", "qkv_bias"): True,
    ("llm_config", "hidden_act"): "silu",
}


def sizes(config: Mapping, where: str = "config.json") -> tuple[VisionSize, TextSize]:
    """Sizes of the backbone that an internvl_chat `config.json` describes. Raises CheckpointError naming the key."""
    for keys, expected in _EXPECTED.items():
        value: object = config
        for key in keys:
            value = value.get(key, expected) if isinstance(value, Mapping) else None
        if value != expected:
            raise CheckpointError(f"{where}: {'.'.join(keys)} is {value!r}; only {expected!r} is supported")
    try:
        vision, text = config["vision_config"], config["llm_config"]
        heads = text["num_attention_heads"]
        return (
            VisionSize(
                hidden_size=vision["hidden_size"],
                intermediate_size=vision["intermediate_size"],
                layers=vision["num_hidden_layers"],
                heads=vision["num_attention_heads"],
                image_size=config.get("force_image_size") or vision["image_size"],
                patch_size=vision["patch_size"],
            ),
            TextSize(
                hidden_size=text["hidden_size"],
                intermediate_size=text["intermediate_size"],
                layers=text["num_hidden_layers"],
                heads=heads,
                kv_heads=text["num_key_value_heads"],
                head_dim=text.get("head_dim") or text["hidden_size"] // heads,
                vocab_size=text["vocab_size"],
                max_positions=text["max_position_embeddings"],
                rope_theta=text["rope_theta"],
                rms_norm_eps=text["rms_norm_eps"],
                tie_embeddings=text.get("tie_word_embeddings", False),
            ),
        )
    except KeyError as error:
        raise CheckpointError(f"{where} lacks {error}; expected the config of an internvl_chat model") from error


def _config(folder: Path) -> dict:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if not isinstance(config, dict) or config.get("model_type", "internvl_chat") != "internvl_chat":
        raise CheckpointError(f"{path} is not of model_type internvl_chat")
    return config


def _state(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{folder} has no *.safetensors")
    state: dict[str, torch.Tensor] = {}
    for file in files:
        state |= read_tensors(file)
    return state


def model_from_chat(
    state: Mapping[str, torch.Tensor],
    config: Mapping,
    image_token_id: int,
    expert: ExpertSize,
    *,
    horizon: int,
    action_dim: int,
    proprio_dim: int,
    name: str = "from_chat",
    **constants,
) -> Vlaser:
    """A policy in float32: the chat model's backbone and a fresh expert. constants: further fields of VlaserConfig."""
    vision, text = sizes(config)
    model = Vlaser(VlaserConfig(name, vision, text, expert, horizon, action_dim, proprio_dim, **constants), image_token_id)
    fill_backbone(model.backbone, state)
    return model.eval()


def fill_backbone(backbone: InternVLForConditionalGeneration, state: Mapping[str, torch.Tensor], where: str = "chat checkpoint") -> None:
    """Copy a chat model's tensors into transformers' modules. Raises CheckpointError naming what differs."""
    weights = {name.removeprefix("backbone."): tensor for name, tensor in renamed(state, PREFIXES, where).items()}
    if backbone.config.tie_word_embeddings:
        weights.setdefault("lm_head.weight", weights[(LANGUAGE + "embed_tokens.weight").removeprefix("backbone.")])
    fill(backbone, weights, where)


def load_internvl_chat(folder: Path) -> InternVLForConditionalGeneration:
    """The chat model of a published folder, in float32. Raises CheckpointError."""
    vision, text = sizes(_config(folder), str(folder / "config.json"))
    # The expert's sizes do not enter the backbone's configuration.
    config = VlaserConfig("chat", vision, text, ExpertSize(2, 2), 1, 1, 1)
    backbone = InternVLForConditionalGeneration(config.backbone_config(load_tokenizer(folder).convert_tokens_to_ids(IMAGE)))
    fill_backbone(backbone, _state(folder), str(folder))
    return backbone.eval()


def policy_from_chat(folder: Path, expert: ExpertSize, **arguments) -> Vlaser:
    """`model_from_chat` of a published folder."""
    image_token_id = load_tokenizer(folder).convert_tokens_to_ids(IMAGE)
    return model_from_chat(_state(folder), _config(folder), image_token_id, expert, **arguments)
