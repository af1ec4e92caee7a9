"""InternVL3 in Hugging Face's layout (`model_type: internvl`): transformers' own names, in both spellings they have had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vlaser_core.checkpoint.internvl_chat import check_mathematics, published_ids, read_json, text_size
from vlaser_core.checkpoint.names import LANGUAGE, LM_HEAD, PROJECTOR, VISION
from vlaser_core.checkpoint.source import Source
from vlaser_core.checkpoint.tensors import Tensors
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import CHAT_TILES, VisionSize, VlaserConfig
from vlaser_core.processing.tokenizer import IMAGE

# The second three are the spelling of transformers before 4.52, which the published files have.
_PREFIXES = {
    "model.vision_tower.": VISION,
    "model.multi_modal_projector.": PROJECTOR,
    "model.language_model.": LANGUAGE,
    "lm_head.weight": LM_HEAD,
    "vision_tower.": VISION,
    "multi_modal_projector.": PROJECTOR,
    "language_model.model.": LANGUAGE,
    "language_model.lm_head.weight": LM_HEAD,
}
_EXPECTED = {
    ("downsample_ratio",): 0.5,
    ("vision_feature_layer",): -1,
    ("vision_feature_select_strategy",): "default",
    ("projector_hidden_act",): "gelu",
    ("vision_config", "use_qk_norm"): False,
    ("vision_config", "norm_type"): "layer_norm",
    ("vision_config", "attention_bias"): True,
    ("vision_config", "hidden_act"): "gelu",
    ("vision_config", "layer_norm_eps"): 1e-6,
    ("text_config", "model_type"): "qwen2",
    ("text_config", "hidden_act"): "silu",
    ("text_config", "use_sliding_window"): False,
}


def _one(side: int | list[int], where: str) -> int:
    """The side of a square given as one number or as height and width."""
    if isinstance(side, int):
        return side
    if len(set(side)) != 1:
        raise CheckpointError(f"{where}: the vision tower takes {side}, only squares are supported")
    return side[0]


def hf_config(config: Mapping, tied: bool, where: str, name: str) -> VlaserConfig:
    """The configuration an `internvl` config.json describes. Raises CheckpointError naming the key."""
    check_mathematics(config, _EXPECTED, where)
    try:
        vision, text = config["vision_config"], config["text_config"]
        size = VisionSize(
            hidden_size=vision["hidden_size"],
            intermediate_size=vision["intermediate_size"],
            layers=vision["num_hidden_layers"],
            heads=vision["num_attention_heads"],
            image_size=_one(vision["image_size"], where),
            patch_size=_one(vision["patch_size"], where),
        )
        return VlaserConfig(name, size, text_size(text, tied, where), None, 0, 0, 0, max_tiles=CHAT_TILES)
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise CheckpointError(f"{where} lacks {error}; expected the config of an internvl model") from error


def hf_source(folder: Path) -> Source:
    """A folder in Hugging Face's layout. Raises CheckpointError naming file and key of what is wrong."""
    path = folder / "config.json"
    config = read_json(path)
    if config.get("model_type") != "internvl":
        raise CheckpointError(f"{path} is of model_type {config.get('model_type')!r}, expected 'internvl'")
    hf_config(config, False, str(path), folder.name)  # a config of another model is told before its weights are looked at
    tensors = Tensors.of_folder(folder)
    places: dict[str, tuple[str, ...]] = {}
    for stored in tensors:
        home = next((prefix for prefix in _PREFIXES if stored.startswith(prefix)), None)
        places[stored] = () if home is None else (_PREFIXES[home] + stored[len(home) :],)
    # transformers leaves the head out of the file exactly when it is the embedding, and ties by default.
    has_head = (LM_HEAD,) in places.values()
    tied = not has_head and config.get("tie_word_embeddings", config["text_config"].get("tie_word_embeddings", True)) is not False
    ours = hf_config(config, tied, str(path), folder.resolve().name)
    ids = published_ids(ours)
    if "image_token_id" in config:
        ids[IMAGE] = config["image_token_id"]
    return Source(
        "internvl_hf",
        folder,
        ours,
        tensors,
        places={stored: names for stored, names in places.items() if names},
        left_over=tuple(stored for stored, names in places.items() if not names),
        token_ids=ids,
    )
