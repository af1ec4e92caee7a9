"""Stage 1: next-token loss on answers only.

Two kinds of sequences. A conversation is causal, as InternVL is tuned. A policy sequence is the action expert's own
prompt (system None, one picture, the bare instruction) followed by a short description of what matters for the
motion; its prompt is read bidirectionally, as stage 2 and the robot will read it, so a frozen backbone's cache already
holds what the expert looks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from vlaser_core.data.record import Record
from vlaser_core.errors import InputError
from vlaser_core.model.config import VlaserConfig
from vlaser_core.model.packed import Spans, laid_out, packed_hidden
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.pixels import normalise_pixels
from vlaser_core.processing.tokenizer import IMAGE, number_ids
from vlaser_core.reasoning.prompts import IM_END, IM_START, IMAGE_PLACEHOLDER, chat_prompt, policy_prompt, system_text
from vlaser_core.train.loop import Weighted

IGNORED = -100
Weighting = Literal["token", "sample", "square_root", "upstream"]
_ANSWERS = re.compile(f"(?<={re.escape(IM_START)}assistant\n)(.*?{re.escape(IM_END)})", re.DOTALL)


@dataclass(frozen=True)
class Sequence_:
    """Token ids and labels of one training sequence; `prefix_length` tokens at its start see each other both ways."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    prefix_length: int


@dataclass(frozen=True)
class LanguageBatch:
    """ids, labels (B, L) int64, padded on the right; weights (B, L) of the labels in the loss; spans: the sequences in each
    row; pixels (N, 3, S, S) of all pictures in order, None without any."""

    ids_BL: torch.Tensor
    labels_BL: torch.Tensor
    weights_BL: torch.Tensor
    spans: Spans
    pixels: torch.Tensor | None

    @property
    def mask_BL(self) -> torch.Tensor:
        """Where a token is real."""
        ends = torch.tensor([parts[-1].end for parts in self.spans], device=self.ids_BL.device)
        return torch.arange(self.ids_BL.shape[1], device=self.ids_BL.device)[None] < ends[:, None]

    def to(self, device: torch.device) -> LanguageBatch:
        pixels = None if self.pixels is None else self.pixels.to(device, non_blocking=True)
        return LanguageBatch(self.ids_BL.to(device), self.labels_BL.to(device), self.weights_BL.to(device), self.spans, pixels)


class SequenceEncoder:
    """Turns questions and answers into token ids and labels for one model."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: VlaserConfig) -> None:
        self.tokenizer, self.config = tokenizer, config
        self.image_id = tokenizer.convert_tokens_to_ids(IMAGE)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def policy(self, instruction: str, answer: str) -> Sequence_:
        """The policy's prompt, then `answer`."""
        prompt, reply = self._ids(policy_prompt(instruction, self.config.image_tokens)), self._ids(answer + IM_END)
        return self._checked(prompt + reply, [IGNORED] * len(prompt) + reply, len(prompt))

    def conversation(self, turns: Sequence[tuple[str, str]], system: str | None = None, tiles: Sequence[int] = (1,)) -> Sequence_:
        """Questions and answers about pictures, `tiles` squares each, in the order of the `<image>` placeholders; pictures
        without one come with the first question. system: the checkpoint's own sentence by default.

        What a model reads before its first answer is read both ways where its config says so; later turns are causal.
        """
        if not turns:
            raise InputError("a conversation has at least one question and answer")
        if any(IMAGE_PLACEHOLDER in answer for _, answer in turns):
            raise InputError(f"an answer contains {IMAGE_PLACEHOLDER!r}: a model cannot say a picture")
        spoken = [(role, text) for turn in turns for role, text in zip(("user", "assistant"), turn, strict=True)]
        text = chat_prompt(spoken, system or system_text(self.config.chat_system), [count * self.config.image_tokens for count in tiles])
        ids: list[int] = []
        labels: list[int] = []
        head = 0
        # The template's own tokens cannot stand in a text, so they mark where answers begin and end.
        for part in _ANSWERS.split(text)[:-1]:
            piece = self._ids(part)
            learned = bool(labels) and labels[-1] == IGNORED
            ids += piece
            labels += piece if learned else [IGNORED] * len(piece)
            head = head or len(piece)
        return self._checked(ids, labels, head if self.config.attention == "prefix" else 0)

    def record(self, record: Record, tiles: Sequence[int]) -> Sequence_:
        """A record's conversation; its own system text is used where it has one. Raises InputError for control tokens in it."""
        messages = record.conversations
        system = messages[0].value if messages[0].sender == "system" else None
        spoken = [message.value for message in messages if message.sender != "system"]
        return self.conversation(list(zip(spoken[::2], spoken[1::2], strict=True)), system, tiles)

    def _checked(self, ids: list[int], labels: list[int], prefix_length: int) -> Sequence_:
        if len(ids) > self.config.text.max_positions:
            raise InputError(f"a sequence of {len(ids)} tokens is longer than the model's {self.config.text.max_positions} positions")
        return Sequence_(tuple(ids), tuple(labels), prefix_length)

    def collate(self, sequences: Sequence[Sequence_], images: np.ndarray) -> LanguageBatch:
        """A row a sequence, padded to the longest; images: RGB uint8 (B, S, S, 3), one a sequence."""
        return self.pack([[sequence] for sequence in sequences], images)

    def pack(self, rows: Sequence[Sequence[Sequence_]], tiles: np.ndarray | None, weighting: Weighting = "token") -> LanguageBatch:
        """Several sequences a row, one after the other; tiles: RGB uint8 (N, S, S, 3), of all pictures in their order.

        A row may be empty: it then holds one token that nobody learns.
        """
        rows = [list(row) or [Sequence_((self.tokenizer.pad_token_id,), (IGNORED,), 0)] for row in rows]
        spans = tuple(laid_out([len(one.ids) for one in row], [one.prefix_length for one in row]) for row in rows)
        shape = len(rows), max(parts[-1].end for parts in spans)
        ids = torch.full(shape, self.tokenizer.pad_token_id, dtype=torch.int64)
        labels, weights = torch.full_like(ids, IGNORED), torch.zeros(shape)
        for index, (row, parts) in enumerate(zip(rows, spans, strict=True)):
            counts = [sum(label != IGNORED for label in sequence.labels[1:]) for sequence in row]
            for sequence, span, weight in zip(row, parts, answer_weights(counts, weighting), strict=True):
                ids[index, span.start : span.end] = torch.tensor(sequence.ids)
                labels[index, span.start : span.end] = torch.tensor(sequence.labels)
                labels[index, span.start] = IGNORED  # what comes before it is another sequence
                weights[index, span.start : span.end] = weight
        return LanguageBatch(ids, labels, weights, spans, None if tiles is None else normalise_pixels(tiles))


def answer_weights(counts: Sequence[int], weighting: Weighting) -> list[float]:
    """The weight of each learned token of a row's sequences, which have `counts` of them.

    token: every token alike, so that long answers weigh more. sample: every sequence alike. square_root: between the two.
    upstream: every row alike and every token within it, which is what comes of a mean over a device's batch, averaged over
    devices and accumulation steps.
    """
    if weighting == "upstream":
        return [1.0 / max(1, sum(counts))] * len(counts)
    power = {"token": 0.0, "square_root": 0.5, "sample": 1.0}[weighting]
    return [max(1, count) ** -power for count in counts]


class LanguageLoss:
    """Cross-entropy of answer tokens, by their weights.

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

    def __call__(self, model: Vlaser, batch: LanguageBatch) -> Weighted:
        hidden, idle = _hidden(model, batch)
        targets = batch.labels_BL[:, 1:]
        wanted = targets != IGNORED
        logits = model.backbone.lm_head(hidden[:, :-1][wanted]).float()
        targets = targets[wanted]
        log_probabilities = torch.log_softmax(logits, dim=-1)
        losses = -log_probabilities.gather(1, targets[:, None])[:, 0]
        if self.bells is not None:
            self.bells, self.value_of, self.ids = (held.to(targets.device) for held in (self.bells, self.value_of, self.ids))
            values = self.value_of[targets]
            is_number = values >= 0
            bells, span = self.bells[values[is_number]], log_probabilities[is_number][:, self.ids]
            # Less the bell's own entropy, so that a perfect answer still costs nothing.
            soft = (bells * (bells.clamp(min=1e-12).log() - span)).sum(-1)
            losses = losses.masked_scatter(is_number, soft)
        weights = batch.weights_BL[:, 1:][wanted]
        return Weighted((losses * weights).sum() + idle, weights.sum())


def loss_by_length(
    model: Vlaser, loss: LanguageLoss, encoder: SequenceEncoder, sequences: Sequence[Sequence_], images: np.ndarray, parts: int = 2
) -> Weighted:
    """The loss of a batch, one picture a sequence as in `SequenceEncoder.collate`, computed in `parts` of like length.

    The same sum with less padding: questions are as different as a colour and a list of boxes. More parts pad less and feed a
    processor less at a time.
    """
    order = sorted(range(len(sequences)), key=lambda row: len(sequences[row].ids))
    found = [loss(model, encoder.collate([sequences[row] for row in rows], images[rows])) for rows in np.array_split(order, parts) if len(rows)]
    return Weighted(sum(one.total for one in found), sum(one.count for one in found))


def _hidden(model: Vlaser, batch: LanguageBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states (B, L, width), and a zero that hangs on the picture's weights where the batch has no picture: processes
    that share gradients must all have some of every trained weight."""
    if len(batch.spans) == 1 or any(len(parts) > 1 for parts in batch.spans):
        hidden = packed_hidden(model, batch.ids_BL, batch.spans, batch.pixels)
    else:
        prefix_lengths = torch.tensor([parts[0].prefix_length for parts in batch.spans], device=batch.ids_BL.device)
        hidden = model.language(batch.ids_BL, batch.mask_BL, batch.pixels, prefix_lengths)
    idle = hidden.new_zeros(())
    if batch.pixels is None and any(parameter.requires_grad for parameter in _seeing(model)):
        size = model.config.vision.image_size
        idle = 0.0 * model.image_features(hidden.new_zeros(1, 3, size, size)).float().sum()
    return hidden, idle


def _seeing(model: Vlaser) -> Iterator[torch.nn.Parameter]:
    for module in (model.backbone.model.vision_tower, model.backbone.model.multi_modal_projector):
        yield from module.parameters()
