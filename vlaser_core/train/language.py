"""Stage 1: next-token loss on answers only.

Two kinds of sequences. A conversation is causal, as InternVL is tuned. A policy sequence is the action expert's own
prompt (system None, one picture, the bare instruction) followed by a short description of what matters for the
motion; its prompt is read bidirectionally, as stage 2 and the robot will read it, so a frozen backbone's cache already
holds what the expert looks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from vlaser_core.errors import InputError
from vlaser_core.model.config import VlaserConfig
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.pixels import normalise_pixels
from vlaser_core.processing.tokenizer import number_ids
from vlaser_core.reasoning.prompts import IM_END, IM_START, chat_prompt, policy_prompt, system_text

IGNORED = -100


@dataclass(frozen=True)
class Sequence_:
    """Token ids and labels of one training sequence; `prefix_length` tokens at its start see each other both ways."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    prefix_length: int


@dataclass(frozen=True)
class LanguageBatch:
    """Right-padded: ids, labels (B, L) int64; mask (B, L) bool; prefix_lengths (B,); pixels (B, 3, S, S)."""

    ids_BL: torch.Tensor
    labels_BL: torch.Tensor
    mask_BL: torch.Tensor
    prefix_lengths_B: torch.Tensor
    pixels: torch.Tensor


class SequenceEncoder:
    """Turns questions and answers into token ids and labels for one model."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: VlaserConfig) -> None:
        self.tokenizer, self.config = tokenizer, config

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def policy(self, instruction: str, answer: str) -> Sequence_:
        """The policy's prompt, then `answer`."""
        prompt, reply = self._ids(policy_prompt(instruction, self.config.image_tokens)), self._ids(answer + IM_END)
        return self._checked(prompt + reply, [IGNORED] * len(prompt) + reply, len(prompt))

    def conversation(self, turns: Sequence[tuple[str, str]]) -> Sequence_:
        """Questions and answers about one picture, which comes with the first question."""
        if not turns:
            raise InputError("a conversation has at least one question and answer")
        system = system_text(self.config.chat_system)
        head = chat_prompt([("user", turns[0][0])], system, [self.config.image_tokens])
        ids, labels = self._ids(head), []
        labels += [IGNORED] * len(ids)
        for index, (question, answer) in enumerate(turns):
            if index:
                asked = self._ids(f"\n{IM_START}user\n{question}{IM_END}\n{IM_START}assistant\n")
                ids += asked
                labels += [IGNORED] * len(asked)
            reply = self._ids(answer + IM_END)
            ids += reply
            labels += reply
        return self._checked(ids, labels, 0)

    def _checked(self, ids: list[int], labels: list[int], prefix_length: int) -> Sequence_:
        if len(ids) > self.config.text.max_positions:
            raise InputError(f"a sequence of {len(ids)} tokens is longer than the model's {self.config.text.max_positions} positions")
        return Sequence_(tuple(ids), tuple(labels), prefix_length)

    def collate(self, sequences: Sequence[Sequence_], images: np.ndarray) -> LanguageBatch:
        """Pad sequences to the longest; images: RGB uint8 (B, S, S, 3), one a sequence."""
        length = max(len(sequence.ids) for sequence in sequences)
        ids = torch.full((len(sequences), length), self.tokenizer.pad_token_id, dtype=torch.int64)
        labels = torch.full_like(ids, IGNORED)
        mask = torch.zeros_like(ids, dtype=torch.bool)
        for row, sequence in enumerate(sequences):
            count = len(sequence.ids)
            ids[row, :count] = torch.tensor(sequence.ids)
            labels[row, :count] = torch.tensor(sequence.labels)
            mask[row, :count] = True
        prefix = torch.tensor([sequence.prefix_length for sequence in sequences])
        return LanguageBatch(ids, labels, mask, prefix, normalise_pixels(images))


class LanguageLoss:
    """Mean cross-entropy over answer tokens.

    With `number_width` > 0 (in thousandths of the picture), a coordinate's target is a narrow bell over the neighbouring
    integers instead of one of 1001 unrelated classes; only for tokenizers in which each integer is one token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, number_width: float = 0.0) -> None:
        self.bells: torch.Tensor | None = None
        ids = number_ids(tokenizer)
        if number_width > 0:
            if ids is None:
                raise InputError("soft numbers need a tokenizer with one token for each integer 0…1000")
            self.ids = torch.tensor(ids)
            self.value_of = torch.full((len(tokenizer),), -1)
            self.value_of[self.ids] = torch.arange(len(ids))
            value = torch.arange(len(ids)).float()
            bells = torch.exp(-0.5 * ((value[None] - value[:, None]) / number_width).square())
            self.bells = bells / bells.sum(-1, keepdim=True)

    def __call__(self, model: Vlaser, batch: LanguageBatch) -> torch.Tensor:
        hidden = model.language(batch.ids_BL, batch.mask_BL, batch.pixels, batch.prefix_lengths_B)
        targets = batch.labels_BL[:, 1:]
        wanted = targets != IGNORED
        logits = model.backbone.lm_head(hidden[:, :-1][wanted]).float()
        targets = targets[wanted]
        log_probabilities = torch.log_softmax(logits, dim=-1)
        losses = -log_probabilities.gather(1, targets[:, None])[:, 0]
        if self.bells is not None:
            values = self.value_of[targets]
            is_number = values >= 0
            bells, span = self.bells[values[is_number]], log_probabilities[is_number][:, self.ids]
            # Less the bell's own entropy, so that a perfect answer still costs nothing.
            soft = (bells * (bells.clamp(min=1e-12).log() - span)).sum(-1)
            losses = losses.masked_scatter(is_number, soft)
        return losses.mean()
