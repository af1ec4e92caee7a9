"""How well a model answers the questions of a set it was not trained on: by category and by question family.

    engine = Engine.load("runs/sft/checkpoint")
    result = score(engine.model, engine.tokenizer, held_out("runs/data/tabletop"), limit=500)
    result.categories["grounding"].score

Answers are greedy and each is held against the record's own by `answer_score`; of a conversation every answer counts, asked
after the record's own earlier ones. Which records are asked is a function of the set and the seed alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from vlaser_core.data.shards.reader import RecordSet, decode
from vlaser_core.data.truth import SceneTruth
from vlaser_core.errors import InputError
from vlaser_core.evaluate.answer_score import Verdict, score_answer
from vlaser_core.evaluate.intervals import mean_interval
from vlaser_core.model.vlaser import Vlaser
from vlaser_core.processing.pixels import normalise_pixels
from vlaser_core.processing.tiling import chat_tiles
from vlaser_core.reasoning.generate import Prompt, generate
from vlaser_core.reasoning.prompts import IMAGE_PLACEHOLDER
from vlaser_core.train.language import IGNORED, SequenceEncoder
from vlaser_core.train.records import Joined, Records

HELD_OUT = ("validation", "test")
LONGER = 8  # tokens that an answer may have more than the record's: what is longer is wrong anyhow
WINDOW = 8  # batches of questions that are sorted by length together


def held_out(folder: Path | str, splits: Sequence[str] = HELD_OUT) -> Joined:
    """The records of a set that are kept for evaluation. Raises InputError when it has none of these splits."""
    records = RecordSet(folder)
    chosen = Joined([records.where(split=split) for split in splits])
    if not len(chosen):
        raise InputError(f"{folder} has {len(records)} records, none of them in {' or '.join(splits)}; name another --splits, or build a larger set")
    return chosen


@dataclass(frozen=True)
class Tally:
    """Of one kind of questions. score: mean over them, 0…1, with its 95 % interval. overlap: mean intersection over union,
    None without boxes. commonest: what saying the most frequent answer every time would score, without looking.
    """

    questions: int
    score: float
    interval_95: tuple[float, float]
    overlap: float | None
    commonest: float


@dataclass(frozen=True)
class ReasoningScore:
    """overall: all questions alike. mean_of_categories: each category alike. left_out: records that could not be asked, by
    reason, with an example of each.
    """

    overall: Tally
    mean_of_categories: float
    categories: dict[str, Tally]
    families: dict[str, Tally]
    records: int
    left_out: dict[str, int]
    examples: dict[str, str]
    seconds: float

    def to_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Heard:
    """What the model said, beside the record's own answer. number: of the record among those asked; turn: which of its answers. score: 0…1."""

    record: str
    number: int
    turn: int
    category: str
    family: str
    question: str
    reference: str
    said: str
    score: float


@dataclass(frozen=True)
class _Question:
    """One answer to be said. ids: everything before it; both_ways: of these, as `Prompt` has it; tiles: uint8 (N, S, S, 3)."""

    record: str
    number: int
    turn: int
    category: str
    family: str
    question: str
    reference: str
    truth: SceneTruth | None
    ids: tuple[int, ...]
    both_ways: int
    room: int
    tiles: np.ndarray | None


@dataclass
class _LeftOut:
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, example: str) -> None:
        self.counts[reason] += 1
        self.examples.setdefault(reason, example)


def score(
    model: Vlaser,
    tokenizer: PreTrainedTokenizerBase,
    records: Records,
    limit: int | None = None,
    seed: int = 0,
    batch: int = 32,
    progress: Callable[[int], None] | None = None,
    heard: Callable[[Heard], None] | None = None,
) -> ReasoningScore:
    """Ask `limit` records (all by default) drawn with `seed`. progress: told after each batch how many more were asked; heard: each answer.

    Raises InputError for a set without records, or when none of them can be asked.
    """
    if not len(records) or batch < 1 or (limit is not None and limit < 1):
        raise InputError(f"a score needs records, a limit and a batch of at least 1; got {len(records)} records, limit {limit}, batch {batch}")
    started, left_out = time.perf_counter(), _LeftOut()
    numbers = np.sort(np.random.default_rng(seed).permutation(len(records))[:limit])  # near records are read fastest
    verdicts: list[tuple[_Question, Verdict]] = []
    window: list[_Question] = []
    encoder = SequenceEncoder(tokenizer, model.config)
    for place, number in enumerate(numbers.tolist()):
        window += _questions(encoder, records, number, left_out)
        if len(window) >= WINDOW * batch or place == len(numbers) - 1:
            window.sort(key=lambda asked: (asked.room, len(asked.ids)))
            for first in range(0, len(window), batch):
                part = window[first : first + batch]
                for asked, (said, verdict) in zip(part, _answered(model, tokenizer, part), strict=True):
                    verdicts.append((asked, verdict))
                    if heard is not None:
                        words = (asked.category, asked.family, asked.question, asked.reference, said)
                        heard(Heard(asked.record, asked.number, asked.turn, *words, verdict.score))
                if progress is not None:
                    progress(len(part))
            window = []
    if not verdicts:
        raise InputError(f"none of {len(numbers)} records could be asked: {dict(left_out.counts)}, for example {left_out.examples}")
    categories = {name: _tally(verdicts, lambda asked, name=name: asked.category == name) for name in _names(verdicts, "category")}
    return ReasoningScore(
        overall=_tally(verdicts, lambda asked: True),
        mean_of_categories=float(np.mean([tally.score for tally in categories.values()])),
        categories=categories,
        families={name: _tally(verdicts, lambda asked, name=name: asked.family == name) for name in _names(verdicts, "family")},
        records=len(numbers) - sum(left_out.counts.values()),
        left_out=dict(left_out.counts),
        examples=left_out.examples,
        seconds=time.perf_counter() - started,
    )


def _questions(encoder: SequenceEncoder, records: Records, number: int, left_out: _LeftOut) -> Iterator[_Question]:
    """Every answer of one record as something to be said; none where the record cannot be read, which is counted."""
    config, where = encoder.config, f"record {number}"
    try:
        sample = records.sample(number)
        where = sample.record.id
        tiles = [
            chat_tiles(decode(picture), len(sample.pictures), config.max_tiles, config.vision.image_size, config.resample)
            for picture in sample.pictures
        ]
        sequence = encoder.record(sample.record, [len(part) for part in tiles])
    except InputError as error:
        left_out.add("cannot be read", f"{where}: {error}")
        return
    learned = np.array(sequence.labels) != IGNORED
    starts = np.flatnonzero(np.diff(learned.astype(int), prepend=0) == 1)
    messages = [message for message in sample.record.conversations if message.sender != "system"]
    for turn, start in enumerate(starts.tolist()):
        said = int(learned[start:].argmin() or len(learned) - start)
        before = sequence.ids[:start]
        shown = np.concatenate(tiles)[: before.count(encoder.image_id) // config.image_tokens] if tiles else None
        question, reference = (messages[2 * turn + k].value for k in (0, 1))
        yield _Question(
            sample.record.id, number, turn, sample.record.category, sample.record.family, question.replace(IMAGE_PLACEHOLDER, "").strip(), reference, sample.truth,
            before, sequence.prefix_length, said + LONGER, shown if shown is not None and len(shown) else None,
        )  # fmt: skip


def _answered(model: Vlaser, tokenizer: PreTrainedTokenizerBase, asked: Sequence[_Question]) -> list[tuple[str, Verdict]]:
    """What was said, and how right it is."""
    prompts = [
        Prompt(
            torch.tensor(question.ids),
            None if question.tiles is None else normalise_pixels(question.tiles).to(model.device, model.dtype),
            both_ways=question.both_ways,
        )
        for question in asked
    ]
    longest = max(len(prompt.ids_T) for prompt in prompts)
    room = min(max(question.room for question in asked), model.config.text.max_positions - longest)
    training = model.training
    model.eval()
    said = generate(model, tokenizer, prompts, room)
    model.train(training)
    return [
        (answer.text, score_answer(question.family, question.question, question.reference, answer.text, question.truth))
        for question, answer in zip(asked, said, strict=True)
    ]


def _names(verdicts: Sequence[tuple[_Question, Verdict]], label: str) -> list[str]:
    return sorted({getattr(asked, label) for asked, _ in verdicts})


def _tally(verdicts: Sequence[tuple[_Question, Verdict]], wanted: Callable[[_Question], bool]) -> Tally:
    chosen = [(asked, verdict) for asked, verdict in verdicts if wanted(asked)]
    scores = [verdict.score for _, verdict in chosen]
    overlaps = [verdict.overlap for _, verdict in chosen if verdict.overlap is not None]
    # Always the same answer within a family: that is what a model can do that does not look.
    commonest = sum(
        max(Counter(asked.reference for asked, _ in chosen if asked.family == family).values()) for family in {a.family for a, _ in chosen}
    )
    return Tally(
        questions=len(chosen),
        score=round(float(np.mean(scores)), 4),
        interval_95=tuple(round(bound, 4) for bound in mean_interval(scores)),
        overlap=round(float(np.mean(overlaps)), 4) if overlaps else None,
        commonest=round(commonest / len(chosen), 4),
    )
