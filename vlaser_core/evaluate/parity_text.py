"""Parity of text: prompts and their token ids, training labels, and the grid a picture is tiled into."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from vlaser_core.evaluate.parity import Check, need, same
from vlaser_core.model.config import ExpertSize, TextSize, VisionSize, VlaserConfig, vlaser_2b
from vlaser_core.processing.tiling import tile_grid
from vlaser_core.processing.tokenizer import IMAGE, load_tokenizer
from vlaser_core.reasoning.prompts import INTERNVL_SYSTEM, chat_prompt, policy_prompt
from vlaser_core.train.language import SequenceEncoder


def text_checks(directory: Path) -> Iterator[Check]:
    """All checks of `misc_text.json`."""
    reference = json.loads(need(directory / "misc_text.json").read_text(encoding="utf-8"))
    for row in reference["tiling"]:
        columns, rows = tile_grid(row["w"], row["h"], row["max_num"])
        count = columns * rows + (row["use_thumbnail"] and columns * rows > 1)
        name = f"{row['w']}×{row['h']}, at most {row['max_num']}, thumbnail {row['use_thumbnail']}"
        yield same("tiling", name, [columns, rows, count, 256 * count], [*row["grid_cols_rows"], row["n_tiles"], row["n_image_tokens"]])
    tokenizer = load_tokenizer(need(directory.parent / "internvl3_tokenizer"))
    yield same("tokens", "special ids", [tokenizer.convert_tokens_to_ids(token) for token in reference["ids"]], reference["ids"].values())
    yield same("tokens", "length, pad, end", [len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id],
               [reference["vocab_len"], reference["pad_token_id"], reference["eos_token_id"]])  # fmt: skip
    added = reference["action_tokens"]
    # Upstream appends tokens that it never uses; they are rows of the embedding.
    yield same(
        "tokens", "rows for the action tokens", [len(tokenizer), vlaser_2b().text.vocab_size], [added["first_id"], added["vocab_len"]]
    )
    image_id = tokenizer.convert_tokens_to_ids(IMAGE)
    for case in reference["prompts"]:
        ids = tokenizer(policy_prompt(case["text"], 256), add_special_tokens=False)["input_ids"]
        expected = case["prefix_ids"] + [image_id] * 256 + case["suffix_ids"]
        yield same("prompts", f"policy: {case['text']!r}", ids, expected)
        facts = [len(ids), ids.index(image_id), tokenizer.pad_token_id, vlaser_2b().max_prompt_tokens]
        yield same("prompts", f"policy: length, picture and padding of {case['text']!r}", facts,
                   [case["n_valid"], case["first_image_pos"], case["pad_id"], case["n_total"]])  # fmt: skip
    for index, case in enumerate(reference["chat"]):
        turns = [turn for question, answer in case["history"] for turn in (("user", question), ("assistant", answer))]
        system = INTERNVL_SYSTEM if case["system"] == "DEFAULT" else str(case["system"])
        prompt = chat_prompt([*turns, ("user", case["question"])], system)
        yield same("prompts", f"chat {index}", prompt, case["prompt"])
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        yield same("tokens", f"chat {index}", ids, case["ids_without_image_expansion"])
    yield from _training(reference["sft"], SequenceEncoder(tokenizer, _sizes(reference["sft"]["num_image_tokens"][0])))


def _sizes(image_tokens: int) -> VlaserConfig:
    """A configuration whose pictures take `image_tokens` tokens; no model is made of it."""
    side = 28 * round(image_tokens**0.5)
    return VlaserConfig("labels", VisionSize(2, 2, 1, 1, side, 14), TextSize(2, 2, 1, 1, 1, 2, 2), ExpertSize(2, 2), 1, 1, 1)


def _training(case: dict, encoder: SequenceEncoder) -> Iterator[Check]:
    values = [message["value"].removeprefix("<image>\n") for message in case["conversations"]]
    ours = encoder.conversation(list(zip(values[::2], values[1::2], strict=True)))
    # Upstream's sequence ends with one more newline, which no label asks for.
    yield same("training", "token ids", ours.ids, case["input_ids"][: len(ours.ids)])
    yield same("training", "labels", ours.labels, case["labels"][: len(ours.labels)])
    yield same("training", "rest is unlabelled", [-100] * (len(case["labels"]) - len(ours.ids)), case["labels"][len(ours.ids) :])
