"""The published chat layout (`model_type: internvl_chat`): InternVL3, Vlaser-2B and Vlaser-8B.

    source = chat_source(Path("Vlaser-2B"))            # sizes, tensors and their places; no weights read yet
    policy = source.with_new_expert(ExpertSize(768, 8960), horizon=4, action_dim=7, proprio_dim=7)

The second line is where stage 2 starts: the backbone as published, the action expert fresh.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from vlaser_core.checkpoint.names import LANGUAGE, LM_HEAD, PROJECTOR, VISION, target_names
from vlaser_core.checkpoint.source import Source
from vlaser_core.checkpoint.tensors import Tensors
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import CHAT_TILES, TextSize, VisionSize, VlaserConfig
from vlaser_core.processing.tokenizer import INTERNVL3_IDS

PREFIXES = {"vision_model.": VISION, "mlp1.": PROJECTOR, "language_model.model.": LANGUAGE, "language_model.lm_head.weight": LM_HEAD}
_EMBEDDING, _HEAD = "language_model.model.embed_tokens.weight", "language_model.lm_head.weight"
# What this project's backbone is built for; another value means other mathematics, not another size.
_EXPECTED = {
    ("downsample_ratio",): 0.5,
    ("select_layer",): -1,
    ("ps_version",): "v2",
    ("vision_config", "qk_normalization"): False,
    ("vision_config", "norm_type"): "layer_norm",
    ("vision_config", "qkv_bias"): True,
    ("vision_config", "hidden_act"): "gelu",
    ("vision_config", "layer_norm_eps"): 1e-6,
    ("llm_config", "model_type"): "qwen2",
    ("llm_config", "hidden_act"): "silu",
    ("llm_config", "use_sliding_window"): False,
}
# Keys that say which software reads the file; `export` writes them, loading needs none of them.
_WRITTEN = {
    "architectures": ["InternVLChatModel"],
    "model_type": "internvl_chat",
    "template": "internvl2_5",
    "min_dynamic_patch": 1,
    "use_thumbnail": True,
    "system_message": None,
}


def check_mathematics(config: Mapping, expected: Mapping[tuple[str, ...], object], where: str) -> None:
    """Raises CheckpointError naming the first key whose value asks for a model of another kind."""
    for keys, wanted in expected.items():
        value: object = config
        for key in keys:
            value = value.get(key, wanted) if isinstance(value, Mapping) else None
        if value != wanted:
            raise CheckpointError(f"{where}: {'.'.join(keys)} is {value!r}; only {wanted!r} is supported")


def text_size(text: Mapping, tied: bool, where: str) -> TextSize:
    """Sizes of a Qwen2 configuration. Raises KeyError for one that is absent, CheckpointError for rescaled positions."""
    rope = text.get("rope_parameters") or text.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    # Dynamic scaling is the identity up to max_position_embeddings; other kinds change every angle.
    if kind not in ("default", "dynamic"):
        raise CheckpointError(f"{where}: rotary positions are scaled by {kind!r}; only 'default' and 'dynamic' are supported")
    heads = text["num_attention_heads"]
    return TextSize(
        hidden_size=text["hidden_size"],
        intermediate_size=text["intermediate_size"],
        layers=text["num_hidden_layers"],
        heads=heads,
        kv_heads=text["num_key_value_heads"],
        head_dim=text.get("head_dim") or text["hidden_size"] // heads,
        vocab_size=text["vocab_size"],
        max_positions=text["max_position_embeddings"],
        rope_theta=float(text["rope_theta"] if "rope_theta" in text else rope["rope_theta"]),
        rms_norm_eps=text["rms_norm_eps"],
        tie_embeddings=tied,
    )


def sizes(config: Mapping, where: str = "config.json") -> tuple[VisionSize, TextSize]:
    """Sizes of the backbone that an internvl_chat `config.json` describes. Raises CheckpointError naming the key."""
    check_mathematics(config, _EXPECTED, where)
    try:
        vision, text = config["vision_config"], config["llm_config"]
        return (
            VisionSize(
                hidden_size=vision["hidden_size"],
                intermediate_size=vision["intermediate_size"],
                layers=vision["num_hidden_layers"],
                heads=vision["num_attention_heads"],
                image_size=config.get("force_image_size") or vision["image_size"],
                patch_size=vision["patch_size"],
            ),
            text_size(text, text.get("tie_word_embeddings", False), where),
        )
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise CheckpointError(f"{where} lacks {error}; expected the config of an internvl_chat model") from error


def config_json(config: VlaserConfig, dtype: torch.dtype) -> dict:
    """The `config.json` that describes this backbone; `sizes` reads the same sizes back."""
    vision, text = config.vision, config.text
    content = {
        **_WRITTEN,
        "downsample_ratio": 0.5,
        "select_layer": -1,
        "ps_version": "v2",
        "force_image_size": vision.image_size,
        "dynamic_image_size": config.max_tiles > 1,
        "max_dynamic_patch": config.max_tiles,
        "tie_word_embeddings": text.tie_embeddings,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "vision_config": {
            "architectures": ["InternVisionModel"],
            "model_type": "intern_vit_6b",  # upstream's name for every size of the tower
            "hidden_size": vision.hidden_size,
            "intermediate_size": vision.intermediate_size,
            "num_hidden_layers": vision.layers,
            "num_attention_heads": vision.heads,
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
        },
        "llm_config": {
            "architectures": ["Qwen2ForCausalLM"],
            "hidden_size": text.hidden_size,
            "intermediate_size": text.intermediate_size,
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "num_key_value_heads": text.kv_heads,
            "head_dim": text.head_dim,
            "vocab_size": text.vocab_size,
            "max_position_embeddings": text.max_positions,
            "rope_theta": text.rope_theta,
            "rms_norm_eps": text.rms_norm_eps,
            "tie_word_embeddings": text.tie_embeddings,
        },
    }
    for keys, value in _EXPECTED.items():
        part = content
        for key in keys[:-1]:
            part = part[key]
        part.setdefault(keys[-1], value)
    return content


def chat_config(config: Mapping, where: str, name: str = "chat") -> VlaserConfig:
    """The whole configuration of a chat model, which has no expert."""
    vision, text = sizes(config, where)
    tiles = int(config.get("max_dynamic_patch") or CHAT_TILES) if config.get("dynamic_image_size", True) else 1
    return VlaserConfig(name, vision, text, None, 0, 0, 0, max_tiles=tiles)


def source_of(tensors: Tensors, config: Mapping, path: Path, name: str = "chat") -> Source:
    """A chat model given as tensors and its `config.json`. Raises CheckpointError naming the key that does not fit."""
    ours = chat_config(config, str(path / "config.json"), name)
    places = {stored: tuple(target_names(stored, PREFIXES)) for stored in tensors}
    twins = ()
    if ours.text.tie_embeddings and places.pop(_HEAD, None):
        twins = ((_HEAD, _EMBEDDING),)
    return Source(
        "internvl_chat",
        path,
        ours,
        tensors,
        places={stored: names for stored, names in places.items() if names},
        twins=twins,
        left_over=tuple(stored for stored, names in places.items() if not names),
        token_ids=published_ids(ours),
    )


def published_ids(config: VlaserConfig) -> dict[str, int]:
    """The special ids that weights with InternVL3's vocabulary were trained with; nothing is known of smaller vocabularies."""
    return dict(INTERNVL3_IDS) if config.text.vocab_size > max(INTERNVL3_IDS.values()) else {}


def read_json(path: Path) -> dict:
    """A JSON object. Raises CheckpointError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no JSON object")
    return content


def chat_source(folder: Path) -> Source:
    """A published chat folder. Raises CheckpointError naming file and key of what is wrong."""
    config = read_json(folder / "config.json")
    if config.get("model_type") != "internvl_chat":
        raise CheckpointError(f"{folder / 'config.json'} is of model_type {config.get('model_type')!r}, expected 'internvl_chat'")
    chat_config(config, str(folder / "config.json"))  # a config of another model is told before its weights are looked at
    return source_of(Tensors.of_folder(folder), config, folder, folder.resolve().name)
