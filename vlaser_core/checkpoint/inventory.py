"""What a checkpoint holds, part by part, from its headers alone; and what its layout leaves to be assumed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vlaser_core.checkpoint.folder import robot_of
from vlaser_core.checkpoint.names import LANGUAGE, LM_HEAD, PROJECTOR, VISION
from vlaser_core.checkpoint.source import Source, check
from vlaser_core.errors import CheckpointError
from vlaser_core.model.config import VlaserConfig

_PARTS = {
    VISION: "vision tower",
    PROJECTOR: "projector",
    LANGUAGE + "embed_tokens.": "token embeddings",
    LANGUAGE: "language model",
    LM_HEAD: "language head",
    "expert.": "action expert",
    "proprio_encoder.": "action encoders",
    "action_encoder.": "action encoders",
    "action_decoder.": "action encoders",
}


def part_of(name: str) -> str:
    """The part of the model that one of our tensor names belongs to."""
    return next((part for prefix, part in _PARTS.items() if name.startswith(prefix)), "no part of the model")


def part_sizes(config: VlaserConfig) -> dict[str, str]:
    """Each part's sizes, for a person to read."""
    vision, text, expert = config.vision, config.text, config.expert
    found = {
        "vision tower": f"{vision.layers} layers × {vision.hidden_size}, MLP {vision.intermediate_size}, {vision.heads} heads, "
        f"{vision.image_size} px / {vision.patch_size}",
        "projector": f"{4 * vision.hidden_size} → {text.hidden_size}, {config.image_tokens} tokens a tile, at most {config.max_tiles}",
        "token embeddings": f"{text.vocab_size} × {text.hidden_size}" + (", tied to the language head" if text.tie_embeddings else ""),
        "language model": f"{text.layers} layers × {text.hidden_size}, MLP {text.intermediate_size}, "
        f"{text.heads} heads ({text.kv_heads} kv) of {text.head_dim}",
        "language head": f"{text.vocab_size} × {text.hidden_size}",
    }
    if expert is not None:
        found["action expert"] = f"{text.layers} layers × {expert.hidden_size}, MLP {expert.intermediate_size}"
        found["action encoders"] = f"{config.proprio_dim} state values, {config.horizon} × {config.action_dim} actions"
    return found


def assumptions(config: VlaserConfig) -> dict[str, object]:
    """What an upstream policy file does not state: a choice in `convert`, and from then on in config.json."""
    return {
        "horizon": config.horizon,
        "time_max_period": config.time_max_period,
        "flow_steps": config.flow_steps,
        "flow_sigma": config.flow_sigma,
        "max_prompt_tokens": config.max_prompt_tokens,
        "tables": config.tables,
        "rope_theta": config.text.rope_theta,
        "vision_heads": config.vision.heads,
    }


def inventory(source: Source) -> dict:
    """Parts with tensors, parameters, bytes and dtypes; tensors that are missing, left over or misshapen; as plain values."""
    parts: dict[str, dict] = {}
    components: Counter[str] = Counter()
    sizes = part_sizes(source.config)
    for stored, names in source.places.items():
        entry = source.tensors[stored]
        part = parts.setdefault(part_of(names[0]), {"tensors": 0, "parameters": 0, "bytes": 0, "dtypes": Counter()})
        part["tensors"] += 1
        part["parameters"] += entry.count
        part["bytes"] += entry.bytes
        part["dtypes"][str(entry.dtype).removeprefix("torch.")] += entry.count
        components[names[0].partition(".")[0]] += entry.count
    dtypes: Counter[str] = sum((part["dtypes"] for part in parts.values()), Counter())
    try:
        check(source)
        fault = None
    except CheckpointError as error:
        fault = str(error)
    facts = {
        "checkpoint": str(source.path),
        "layout": source.layout,
        "parameters": {"total": components.total(), **dict(sorted(components.items()))},
        "dtypes": dict(dtypes),
        "parts": {name: {**part, "dtypes": dict(part["dtypes"]), "size": sizes.get(name, "")} for name, part in parts.items()},
        "missing": source.missing(),
        "left_over": list(source.left_over),
        "copies": len(source.twins),
        "unread": list(source.unread),
        "fault": fault,
        "model": source.config.to_dict(),
    }
    if source.layout == "upstream":
        facts["assumed"] = assumptions(source.config)
    return facts


def robot_facts(folder: Path, config: VlaserConfig) -> dict:
    """Robot and data of one of our folders, checked against the model; nothing for a model that only reasons.

    Raises CheckpointError.
    """
    embodiment, statistics = robot_of(folder, config)
    if embodiment is None or statistics is None:
        return {}
    action = embodiment.action
    return {
        "embodiment": {
            "name": embodiment.name,
            "description": embodiment.description,
            "cameras": [camera.name for camera in embodiment.cameras],
            "proprio": list(embodiment.proprio.names),
            "action": {"kind": action.kind, "names": list(action.names), "horizon": action.horizon, "rate_hz": action.rate_hz},
        },
        "trained_on": {"transitions": statistics.num_transitions, "trajectories": statistics.num_trajectories},
    }
