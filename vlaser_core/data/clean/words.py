"""Texts made comparable: the same words in another case, with other spaces or punctuation, are the same."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from vlaser_core.reasoning.prompts import IMAGE_PLACEHOLDER

_OTHER = re.compile(r"[^\w]+")


def normalised(text: str) -> str:
    """Lower case, without the pictures' places, each run of what is neither letter nor digit as one space."""
    bare = text.replace(IMAGE_PLACEHOLDER, " ")
    return _OTHER.sub(" ", unicodedata.normalize("NFKC", bare).lower()).strip()


def word_digest(words: str) -> str:
    """16 hexadecimal digits that stand for normalised words, so that a list of them does not give a benchmark away."""
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def ngrams(text: str, length: int) -> list[str]:
    """Digests of every `length` words in a row of a text; none where it is shorter."""
    words = normalised(text).split()
    return [word_digest(" ".join(words[at : at + length])) for at in range(len(words) - length + 1)]
