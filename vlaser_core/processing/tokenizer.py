"""Tokenizers: InternVL3's from a checkpoint folder, and the nano model's own small one.

The nano tokenizer is byte-level BPE (any text has tokens) with InternVL's special tokens, and every integer
0…1000 as one token, so that a coordinate is one choice and its neighbours are near misses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from vlaser_core.errors import CheckpointError

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
IMAGE_START, IMAGE_END, IMAGE = "<img>", "</img>", "<IMG_CONTEXT>"
SPECIAL = (PAD, START, END, IMAGE_START, IMAGE_END, IMAGE, "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>")
TEMPLATE_TOKENS = (PAD, START, END, IMAGE_START, IMAGE_END, IMAGE)  # what a prompt cannot do without
INTERNVL3_IDS = dict(zip(TEMPLATE_TOKENS, (151_643, 151_644, 151_645, 151_665, 151_666, 151_667), strict=True))
_TEMPLATE_WORDS = ["system", "user", "assistant", "None"]  # in every prompt, so worth a token each
NUMBERS = tuple(str(value) for value in range(1001))


def train_nano_tokenizer(corpus: Iterable[str], vocab_size: int = 1024) -> PreTrainedTokenizerFast:
    """A tokenizer of `vocab_size` byte-level pieces learned from `corpus`, plus one token for each integer 0…1000."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    # Digits are kept out of the merges: numbers have tokens of their own.
    texts = [*_TEMPLATE_WORDS * 1000, *(re.sub(r"\d+", " ", text) for text in corpus)]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(number, single_word=True, normalized=False) for number in NUMBERS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, additional_special_tokens=list(SPECIAL[1:]), padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint folder. Raises CheckpointError when it is absent or lacks InternVL's special tokens."""
    from transformers import AutoTokenizer, PretrainedConfig

    if not ((folder / "tokenizer.json").is_file() or (folder / "vocab.json").is_file()):
        raise CheckpointError(f"{folder} has no tokenizer (tokenizer.json, or vocab.json with merges.txt)")
    try:
        # An empty configuration, or the library reads the folder's config.json and warns of a model it does not know.
        tokenizer = AutoTokenizer.from_pretrained(str(folder), config=PretrainedConfig(), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the library raises many kinds for damaged files
        raise CheckpointError(f"cannot read the tokenizer in {folder}: {error}") from error
    known = tokenizer.get_vocab()
    missing = [token for token in TEMPLATE_TOKENS if token not in known]
    if missing:
        raise CheckpointError(f"the tokenizer in {folder} lacks InternVL's tokens {missing}")
    return tokenizer


def special_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The ids of the tokens a prompt is laid out with."""
    return {token: tokenizer.convert_tokens_to_ids(token) for token in TEMPLATE_TOKENS}


def check_ids(tokenizer: PreTrainedTokenizerBase, expected: Mapping[str, int], where: str) -> None:
    """Raises CheckpointError when special tokens have other ids than the weights were trained with."""
    own = special_ids(tokenizer)
    wrong = [f"{token} is {own.get(token)}, expected {number}" for token, number in expected.items() if own.get(token) != number]
    if wrong:
        raise CheckpointError(f"the tokenizer in {where} belongs to other weights: {'; '.join(wrong)}")


def number_ids(tokenizer: PreTrainedTokenizerBase) -> list[int] | None:
    """Ids of the one-token integers 0…1000 in order, or None for a tokenizer that spells numbers digit by digit."""
    known = tokenizer.get_vocab()
    return [known[number] for number in NUMBERS] if all(number in known for number in NUMBERS) else None
