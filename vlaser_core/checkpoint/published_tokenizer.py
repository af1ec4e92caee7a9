"""A tokenizer in the files it was published in, which upstream's own code reads.

transformers 5 keeps a tokenizer in `tokenizer.json` alone. InternVL3 was published by transformers 4, whose slow tokenizers
take vocabulary, merges and added tokens from files of their own, and stumble over the way 5 lists special tokens.
"""

from __future__ import annotations

import json
from pathlib import Path

from transformers import PreTrainedTokenizerBase

_CLASSES = {"TokenizersBackend": "PreTrainedTokenizerFast"}  # what version 4 calls it
_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
# What version 4 knows of the settings that 5 writes.
_SETTINGS = (*_SPECIAL, "add_prefix_space", "clean_up_tokenization_spaces", "errors", "model_max_length", "padding_side", "split_special_tokens")
_TOKEN = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")


def save_published_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the tokenizer as transformers 4 and 5 both read it: `tokenizer.json`, and beside it vocabulary, merges, added
    tokens, special tokens, and settings with the chat template in them."""
    tokenizer.save_pretrained(str(folder))
    tokenizer.backend_tokenizer.model.save(str(folder))
    added = {number: {key: getattr(token, key) for key in _TOKEN} for number, token in sorted(tokenizer.added_tokens_decoder.items())}
    written = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    special = written.get("extra_special_tokens", [])
    settings = {key: written[key] for key in _SETTINGS if key in written} | {
        "tokenizer_class": _CLASSES.get(written["tokenizer_class"], written["tokenizer_class"]),
        "added_tokens_decoder": added,
        "additional_special_tokens": special,
    }
    if tokenizer.chat_template:
        settings["chat_template"] = tokenizer.chat_template
        (folder / "chat_template.jinja").unlink(missing_ok=True)
    for name, content in (
        ("tokenizer_config.json", settings),
        ("special_tokens_map.json", {"additional_special_tokens": special} | {key: settings[key] for key in _SPECIAL if settings.get(key)}),
        ("added_tokens.json", {token["content"]: number for number, token in added.items()}),
    ):
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
