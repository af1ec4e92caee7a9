"""Parity of the chat model: tiny random checkpoints in InternVL-chat's layout, tiles in, logits and text out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from vlaser_core.checkpoint.internvl_chat import source_of
from vlaser_core.checkpoint.source import build
from vlaser_core.checkpoint.tensors import Tensors
from vlaser_core.evaluate.parity import ACTION, HIDDEN, Check, Skipped, close, same
from vlaser_core.evaluate.parity_cases import Case, cases
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.reasoning.generate import Prompt, continuations

IGNORED = -100


def chat_model(case: Case) -> Vlaser:
    """The model of a case; it has no expert."""
    source = source_of(Tensors.of_state(case.state, case.name), case.facts["internvl_config"], Path(case.name))
    return build(source, case.facts["image_context_token_id"])


def chat_checks(directory: Path) -> Iterator[Check | Skipped]:
    """Vision with projector, last hidden state, logits, training loss and greedy text of each chat case."""
    for case in cases(directory, "chat"):
        yield from case_checks(case, chat_model(case))
        yield from case.unused()


def case_checks(case: Case, model: Vlaser) -> Iterator[Check]:
    """All comparisons of one case."""
    inputs, reference, mask = case.inputs, case.outputs, case.inputs["attention_mask"].bool()
    # A sample without pictures carries a tile that stands for nothing.
    pixels = inputs["pixel_values"]
    shown = inputs["image_flags"].flatten().bool() if "image_flags" in inputs else torch.ones(len(pixels), dtype=torch.bool)
    labels = inputs["labels"][:, 1:]
    wanted = labels != IGNORED
    with torch.no_grad():
        features = model.image_features(pixels)
        hidden = model.language(inputs["input_ids"], mask, pixels[shown])
        logits = model.backbone.lm_head(hidden)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1][wanted], labels[wanted])
    yield close(case.name, "pictures", features, reference["vit_features_after_mlp1"], HIDDEN)
    yield close(case.name, "last hidden state", hidden[mask], reference["last_hidden"][mask], HIDDEN)
    yield close(case.name, "logits", logits[mask], reference["logits"][mask], HIDDEN)
    if "logits_with_position_ids" in reference:
        # Ours count from 0, so do the given ones wherever a token is real.
        counted = torch.arange(mask.shape[1]).expand_as(mask)
        yield same(case.name, "positions", counted[mask].tolist(), inputs["position_ids"][mask].tolist())
        yield close(case.name, "logits at given positions", logits[mask], reference["logits_with_position_ids"][mask], HIDDEN)
    yield close(case.name, "loss", loss, reference["loss"], ACTION)
    expected = reference["greedy_tokens_sample0"][0].tolist()
    yield same(case.name, "greedy text", _greedy(model, case, pixels[shown], len(expected)), expected)


def _greedy(model: Vlaser, case: Case, pixels: torch.Tensor, count: int) -> list[int]:
    """`count` tokens that follow the whole first sample, said with the cache as a person's question is answered."""
    prompt = case.inputs["input_ids"][0, case.inputs["attention_mask"][0].bool()]
    tiles = int((prompt == case.facts["image_context_token_id"]).sum()) // case.facts["num_image_token_per_tile"]
    ((tokens, _),) = continuations(model, [Prompt(prompt, pixels[:tiles] if tiles else None)], count, frozenset())
    return tokens
