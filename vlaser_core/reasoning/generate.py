"""Text from the model, token by token, with its key-value cache."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from transformers import DynamicCache, PreTrainedTokenizerBase

from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.tokenizer import END, PAD


def generate(
    model: Vlaser,
    tokenizer: PreTrainedTokenizerBase,
    ids_1T: torch.Tensor,
    pixels: torch.Tensor | None,
    max_new_tokens: int,
    between: Callable[[], AbstractContextManager],
) -> tuple[str, list[float]]:
    """Greedy continuation of one prompt: its text, and the probability of each token.

    Each forward pass runs inside `between()`, where a caller with more urgent work may go first.
    """
    stops = {tokenizer.convert_tokens_to_ids(token) for token in (END, PAD)}
    cache, tokens, probabilities = DynamicCache(), [], []
    with torch.inference_mode():
        with between():
            embeds = model.embed(ids_1T, pixels)
        for _ in range(max_new_tokens):
            with between():
                hidden = model.backbone.model.language_model(inputs_embeds=embeds, past_key_values=cache, use_cache=True).last_hidden_state
                distribution = model.backbone.lm_head(hidden[:, -1]).float().softmax(-1)[0]
            token = int(distribution.argmax())
            if token in stops:
                break
            tokens.append(token)
            probabilities.append(float(distribution[token]))
            embeds = model.backbone.get_input_embeddings()(torch.tensor([[token]], device=ids_1T.device))
    # Tags such as <box> are special tokens here; parsers read brackets, people read tags.
    return tokenizer.decode(tokens, skip_special_tokens=False), probabilities
