"""Several sequences in one row, none of which sees another: what packing by length needs of the backbone.

    hidden_BLD = packed_hidden(model, ids_BL, spans, pixels)      # as Vlaser.language gives for each sequence alone

Attention is computed sequence by sequence, which is the block-diagonal mask without the mask: nothing of the size of a row
squared is ever made, and positions count from 0 in each sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from vlaser_core.model.vlaser import Vlaser

NAME = "vlaser_packed"


@dataclass(frozen=True)
class Span:
    """A sequence's place in its row, [start, end); spans of a row follow one another without a gap. Its first prefix_length
    tokens see each other both ways, the rest is causal."""

    start: int
    end: int
    prefix_length: int = 0


Spans = tuple[tuple[Span, ...], ...]  # of each row


def packed_hidden(model: Vlaser, input_ids_BL: torch.Tensor, spans: Spans, pixels: torch.Tensor | None) -> torch.Tensor:
    """Hidden states (B, L, width) for next-token prediction. What no span covers is padding and means nothing."""
    backbone = model.backbone.model.language_model
    if backbone.config._attn_implementation != NAME:
        backbone.set_attn_implementation(NAME)
    return backbone(
        inputs_embeds=model.embed(input_ids_BL, pixels),
        attention_mask={"full_attention": None},
        position_ids=positions(spans, input_ids_BL.shape[1]).to(input_ids_BL.device),
        use_cache=False,
        spans=spans,
    ).last_hidden_state


def positions(spans: Spans, length: int) -> torch.Tensor:
    """Position ids (B, L): from 0 in each span, 0 in padding."""
    ids = torch.zeros(len(spans), length, dtype=torch.int64)
    for row, parts in enumerate(spans):
        for span in parts:
            ids[row, span.start : span.end] = torch.arange(span.end - span.start)
    return ids


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    spans: Spans | None = None,
    scaling: float | None = None,
    **others,
) -> tuple[torch.Tensor, None]:
    """query (B, heads, L, head_dim), key and value (B, kv_heads, L, head_dim) → (B, L, heads, head_dim)."""
    if spans is None:  # a model that was trained packed still answers questions
        return AttentionInterface()["sdpa"](module, query, key, value, attention_mask, scaling=scaling, **others)
    rows = []
    groups = query.shape[1] // key.shape[1]
    key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
    for row, parts in enumerate(spans):
        pieces = []
        for span in parts:
            q, k, v = (tensor[row, :, span.start : span.end] for tensor in (query, key, value))
            mask = _both_ways(span, query.device) if span.prefix_length > 1 else None
            pieces.append(scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask, is_causal=mask is None, scale=scaling)[0])
        pieces.append(query.new_zeros(query.shape[1], query.shape[2] - (parts[-1].end if parts else 0), query.shape[3]))
        rows.append(torch.cat(pieces, dim=1))
    return torch.stack(rows).transpose(1, 2).contiguous(), None


def _both_ways(span: Span, device: torch.device) -> torch.Tensor:
    order = torch.arange(span.end - span.start, device=device)
    return (order[None, :] <= order[:, None]) | (order[None, :] < span.prefix_length)


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def laid_out(lengths: Sequence[int], prefix_lengths: Sequence[int]) -> tuple[Span, ...]:
    """The spans of sequences laid one after the other."""
    spans, start = [], 0
    for length, prefix in zip(lengths, prefix_lengths, strict=True):
        spans.append(Span(start, start + length, prefix))
        start += length
    return tuple(spans)
