"""Text from the model, token by token, with its key-value cache: one prompt or several at once.

    texts = generate(model, tokenizer, [Prompt(ids, pixels)], max_new_tokens=64)

Greedy by default; `Sampling` draws from the nucleus of the distribution, each prompt with a generator of its own, so an
answer does not depend on which other prompts it shared a batch with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedTokenizerBase

from vlaser_core.errors import InputError
from vlaser_core.model.vlaser import CACHE, Vlaser
from vlaser_core.processing.tokenizer import END, PAD
from vlaser_core.reasoning.types import GREEDY, Sampling

# A picture of thirteen tiles is 3 328 tokens; reading them in parts keeps each forward pass short.
PREFILL_TOKENS = 512


@dataclass(frozen=True)
class Prompt:
    """Token ids (T,) int64, and the pixels (N, 3, S, S) of its pictures' tiles in order; None for text alone.

    both_ways: so many tokens at its start see each other in both directions, for a model that was trained to read so.
    """

    ids_T: torch.Tensor
    pixels: torch.Tensor | None = None
    sampling: Sampling = GREEDY
    both_ways: int = 0


@dataclass(frozen=True)
class Generated:
    """The text (special tokens kept: tags such as <box> are special; parsers read brackets, people read tags), and the
    probability the model gave each of its tokens."""

    text: str
    probabilities: tuple[float, ...]


def generate(
    model: Vlaser,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    between: Callable[[], AbstractContextManager] = nullcontext,
) -> list[Generated]:
    """A continuation of each prompt, until <|im_end|>, <|endoftext|> or max_new_tokens; see `continuations`."""
    stops = frozenset(tokenizer.convert_tokens_to_ids(token) for token in (END, PAD))
    rows = continuations(model, prompts, max_new_tokens, stops, between)
    return [Generated(tokenizer.decode(tokens, skip_special_tokens=False), tuple(probabilities)) for tokens, probabilities in rows]


def continuations(
    model: Vlaser,
    prompts: Sequence[Prompt],
    max_new_tokens: int,
    stops: frozenset[int],
    between: Callable[[], AbstractContextManager] = nullcontext,
) -> list[tuple[list[int], list[float]]]:
    """Token ids that follow each prompt, without the stop that ended them, and the model's probability of each.

    Each forward pass (one tile, at most PREFILL_TOKENS of the prompt, or one token of every prompt) runs inside
    `between()`, where a caller with more urgent work may go first. Raises InputError for no prompt or no room to answer.
    """
    if not prompts or min(len(prompt.ids_T) for prompt in prompts) < 1:
        raise InputError("generation needs at least one prompt, and no prompt may be empty")
    longest = max(len(prompt.ids_T) for prompt in prompts)
    if longest + max_new_tokens > model.config.text.max_positions:
        raise InputError(
            f"the prompt takes {longest} tokens; with {max_new_tokens} to answer that exceeds the model's {model.config.text.max_positions}"
        )
    rows = [_Row(prompt.sampling, model.device) for prompt in prompts]
    with torch.inference_mode():
        reader = _Reader(model, prompts, longest, between)
        logits_BV = reader.read_prompts()
        for step in range(max_new_tokens):
            chosen = [row.choose(logits_V, stops) for row, logits_V in zip(rows, logits_BV, strict=True)]
            if all(row.done for row in rows) or step == max_new_tokens - 1:
                break
            logits_BV = reader.read_tokens(chosen)
    return [(row.tokens, row.probabilities) for row in rows]


class _Row:
    """One answer as it grows."""

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._sampling = sampling
        self._generator = torch.Generator(device).manual_seed(sampling.seed)
        self.tokens: list[int] = []
        self.probabilities: list[float] = []
        self.done = False

    def choose(self, logits_V: torch.Tensor, stops: frozenset[int]) -> int:
        """The next token; a finished answer repeats its stop, which nobody reads."""
        if self.done:
            return min(stops)
        probabilities_V = logits_V.float().softmax(-1)
        token = int(probabilities_V.argmax()) if self._sampling.temperature == 0 else self._draw(logits_V.float())
        if token in stops:
            self.done = True
        else:
            self.tokens.append(token)
            self.probabilities.append(float(probabilities_V[token]))
        return token

    def _draw(self, logits_V: torch.Tensor) -> int:
        ordered_V, order_V = (logits_V / self._sampling.temperature).softmax(-1).sort(descending=True, stable=True)
        # A token belongs to the nucleus while the likelier ones together have not reached top_p: the first always does.
        ordered_V = ordered_V.masked_fill(ordered_V.cumsum(-1) - ordered_V >= self._sampling.top_p, 0.0)
        return int(order_V[torch.multinomial(ordered_V, 1, generator=self._generator)])


class _Reader:
    """Left-padded prompts and one cache: every row's newest token is in the last column."""

    def __init__(self, model: Vlaser, prompts: Sequence[Prompt], longest: int, between: Callable[[], AbstractContextManager]) -> None:
        self._model, self._between, self._cache = model, between, DynamicCache()
        device = model.device
        self._ids_BT = torch.zeros(len(prompts), longest, dtype=torch.int64, device=device)
        self._real_BT = torch.zeros(len(prompts), longest, dtype=torch.bool, device=device)
        self._both_ways_BT = torch.zeros_like(self._real_BT)
        for row, prompt in enumerate(prompts):
            start = longest - len(prompt.ids_T)
            self._ids_BT[row, start:] = prompt.ids_T.to(device)
            self._real_BT[row, start:] = True
            self._both_ways_BT[row, start : start + prompt.both_ways] = True
        # What is read both ways is read in one part.
        self._first_part = max(PREFILL_TOKENS, *(longest - len(prompt.ids_T) + prompt.both_ways for prompt in prompts))
        self._pixels = [prompt.pixels for prompt in prompts if prompt.pixels is not None]
        self._padded = not bool(self._real_BT.all())

    def read_prompts(self) -> torch.Tensor:
        """Logits (B, V) of the first new token."""
        features = []
        for pixels in self._pixels:
            for tile in pixels:
                with self._between():
                    features.append(self._model.image_features(tile[None]))
        embeds_BTD = self._model.place(self._ids_BT, torch.cat(features) if features else None)
        length = embeds_BTD.shape[1]
        logits_BV = self._forward(embeds_BTD[:, : self._first_part], 0, last=self._first_part >= length)
        for start in range(self._first_part, length, PREFILL_TOKENS):
            logits_BV = self._forward(embeds_BTD[:, start : start + PREFILL_TOKENS], start, last=start + PREFILL_TOKENS >= length)
        return logits_BV

    def read_tokens(self, tokens: list[int]) -> torch.Tensor:
        """Logits (B, V) of the token after `tokens`, one a row."""
        tokens_B1 = torch.tensor(tokens, device=self._ids_BT.device)[:, None]
        start = self._real_BT.shape[1]
        self._real_BT = torch.cat([self._real_BT, torch.ones_like(tokens_B1, dtype=torch.bool)], dim=1)
        return self._forward(self._model.backbone.get_input_embeddings()(tokens_B1), start, last=True)

    def _forward(self, embeds_BTD: torch.Tensor, start: int, last: bool) -> torch.Tensor | None:
        end = start + embeds_BTD.shape[1]
        columns = torch.arange(end, device=embeds_BTD.device)
        allowed_TS = columns[None, :] <= columns[start:end, None]
        positions_BT, mask = columns[None, start:end], None
        if self._padded:
            # Positions count real tokens. Padding sees itself alone, as a row without any key would be NaN.
            positions_BT = (self._real_BT[:, :end].cumsum(-1) - 1).clamp(min=0)[:, start:]
            itself_TS = columns[None, :] == columns[start:end, None]
            mask = (allowed_TS & self._real_BT[:, None, :end]) | itself_TS
        elif start and end - start > 1:
            mask = allowed_TS[None]
        if start == 0 and self._both_ways_BT.any():
            part_BT = self._both_ways_BT[:, :end]
            mask = (allowed_TS[None] if mask is None else mask) | (part_BT[:, :, None] & part_BT[:, None, :])
        with self._between():
            hidden = self._model.backbone.model.language_model(
                inputs_embeds=embeds_BTD,
                # Without padding the library's own causal mask is the same and lets it take its fast path.
                attention_mask=None if mask is None else {"full_attention": mask[:, None]},
                position_ids=positions_BT,
                use_cache=True,
                **{CACHE: self._cache},
            ).last_hidden_state
            return self._model.backbone.lm_head(hidden[:, -1]) if last else None
