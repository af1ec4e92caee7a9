"""Parity of the chat model: a tiny random checkpoint in InternVL-chat's layout, tiles in, logits and text out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file

from vlaser_core.checkpoint.internvl_chat import model_from_chat
from vlaser_core.evaluate.parity import HIDDEN, Check, close, need, same
from vlaser_core.model.config import ExpertSize
from vlaser_core.model.vlaser import Vlaser

CASE = "vlm_chat_tiny"
IGNORED = -100


def load_chat_case(directory: Path) -> tuple[Vlaser, dict[str, torch.Tensor], dict[str, torch.Tensor], dict]:
    """Model (its expert is fresh and unused), inputs, outputs, and the case's json."""
    facts = json.loads(need(directory / f"{CASE}.json").read_text(encoding="utf-8"))
    state, inputs, outputs = (load_file(need(directory / f"{CASE}.{part}.safetensors")) for part in ("state_dict", "inputs", "outputs"))
    model = model_from_chat(
        state, facts["internvl_config"], facts["image_context_token_id"], ExpertSize(32, 32), horizon=1, action_dim=1, proprio_dim=1
    )
    return model, inputs, outputs, facts


def chat_checks(directory: Path) -> Iterator[Check]:
    """Vision with projector, last hidden state, logits, training loss, greedy text."""
    model, inputs, reference, facts = load_chat_case(directory)
    mask = inputs["attention_mask"].bool()
    with torch.no_grad():
        features = model.image_features(inputs["pixel_values"])
        hidden = model.language(inputs["input_ids"], mask, inputs["pixel_values"])
        logits = model.backbone.lm_head(hidden)
        labels = inputs["labels"][:, 1:]
        wanted = labels != IGNORED
        loss = torch.nn.functional.cross_entropy(logits[:, :-1][wanted], labels[wanted])
    yield close("chat", "pictures", features, reference["vit_features_after_mlp1"], HIDDEN)
    yield close("chat", "last hidden state", hidden[mask], reference["last_hidden"][mask], HIDDEN)
    yield close("chat", "logits", logits[mask], reference["logits"][mask], HIDDEN)
    yield close("chat", "logits at given positions", logits[mask], reference["logits_with_position_ids"][mask], HIDDEN)
    yield close("chat", "loss", loss, reference["loss"], 1e-5)
    expected = reference["greedy_tokens_sample0"][0].tolist()
    yield same("chat", "greedy text", _greedy(model, inputs, facts, len(expected)), expected)


def _greedy(model: Vlaser, inputs: dict[str, torch.Tensor], facts: dict, count: int) -> list[int]:
    """`count` tokens that follow the whole first sample."""
    prompt = inputs["input_ids"][:1, inputs["attention_mask"][0].bool()]
    tiles = int((prompt == facts["image_context_token_id"]).sum()) // facts["num_image_token_per_tile"]
    tokens = []
    with torch.no_grad():
        for _ in range(count):
            hidden = model.language(prompt, torch.ones_like(prompt, dtype=torch.bool), inputs["pixel_values"][:tiles])
            tokens.append(int(model.backbone.lm_head(hidden[0, -1]).argmax()))
            prompt = torch.cat([prompt, torch.tensor([[tokens[-1]]])], dim=1)
    return tokens
