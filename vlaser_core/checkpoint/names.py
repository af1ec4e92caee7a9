"""InternVL's published tensor names and those of transformers' InternVL and Qwen2 modules, both ways.

Two layouts hold the same modules under different prefixes (`internvl_chat`, `upstream`); below the prefix the names are
equal but for the vision tower, whose fused qkv is split here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

VISION, PROJECTOR, LANGUAGE = "backbone.model.vision_tower.", "backbone.model.multi_modal_projector.", "backbone.model.language_model."
LM_HEAD = "backbone.lm_head.weight"

# Published, ours. Layer numbers are written {}.
_VISION_NAMES = (
    ("embeddings.class_embedding", "embeddings.cls_token"),
    ("embeddings.position_embedding", "embeddings.position_embeddings"),
    ("embeddings.patch_embedding.", "embeddings.patch_embeddings.projection."),
    ("encoder.layers.{}.ls1", "encoder.layer.{}.lambda_1"),
    ("encoder.layers.{}.ls2", "encoder.layer.{}.lambda_2"),
    ("encoder.layers.{}.attn.qkv.", "encoder.layer.{}.attention.qkv."),
    ("encoder.layers.{}.attn.proj.", "encoder.layer.{}.attention.projection_layer."),
    ("encoder.layers.{}.mlp.", "encoder.layer.{}.mlp."),
    ("encoder.layers.{}.norm1.", "encoder.layer.{}.layernorm_before."),
    ("encoder.layers.{}.norm2.", "encoder.layer.{}.layernorm_after."),
)
_PROJECTOR_NAMES = (("0.", "layer_norm."), ("1.", "linear_1."), ("3.", "linear_2."))


def _rename(name: str, pairs: tuple[tuple[str, str], ...], back: bool = False) -> str | None:
    for pair in pairs:
        old, new = reversed(pair) if back else pair
        # A name that ends in a dot is the beginning of several; any other is whole.
        pattern = "^" + re.escape(old).replace(r"\{\}", r"(\d+)") + ("" if old.endswith(".") else "$")
        if re.match(pattern, name):
            return re.sub(pattern, new.replace("{}", r"\1"), name)
    return None


def target_names(name: str, prefixes: Mapping[str, str]) -> list[str]:
    """What a published tensor is called here: one name, three for a fused qkv (in that order), none when it is unknown."""
    for prefix, home in prefixes.items():
        if not name.startswith(prefix):
            continue
        inner: str | None = name[len(prefix) :]
        if home == VISION:
            inner = _rename(inner, _VISION_NAMES)
        elif home == PROJECTOR:
            inner = _rename(inner, _PROJECTOR_NAMES)
        if inner is None:
            return []
        if ".qkv." in inner:
            return [home + inner.replace(".qkv.", f".{part}_proj.") for part in "qkv"]
        return [home + inner]
    return []


def published_name(name: str, prefixes: Mapping[str, str]) -> str | None:
    """What one of our tensors is called in a published layout, None where it has no place.

    q, k and v of the vision tower share one name.
    """
    for prefix, home in prefixes.items():
        if not name.startswith(home):
            continue
        inner: str | None = name[len(home) :]
        if home == VISION:
            inner = _rename(re.sub(r"\.attention\.[qkv]_proj\.", ".attention.qkv.", inner), _VISION_NAMES, back=True)
        elif home == PROJECTOR:
            inner = _rename(inner, _PROJECTOR_NAMES, back=True)
        return None if inner is None else prefix + inner
    return None
