"""What must not be trained on: a benchmark's pictures and questions, as digests that do not give the benchmark away.

    {"format": 1, "name": "where2place", "words": 10, "pictures": ["<48 bytes, hexadecimal>", …], "ngrams": ["<16 digits>", …]}

pictures: fingerprints (`Fingerprint.pack`); ngrams: SHA-256 of every `words` normalised words in a row of its questions, those
left out that many of its questions share: "answer with the letter of the right option" is no benchmark's own.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from vlaser_core.data.clean.benchmark import Found, read_benchmark
from vlaser_core.data.clean.fingerprint import SIZE, Fingerprint, fingerprint
from vlaser_core.data.clean.words import ngrams, normalised
from vlaser_core.data.shards.files import write_text
from vlaser_core.data.source import Picture
from vlaser_core.errors import InputError

FORMAT = 1
WORDS = 10
SHARED, SHARED_BY = 0.02, 5  # part and number of questions with an n-gram from which on it is not the benchmark's own


@dataclass(frozen=True)
class Blocklist:
    """See the module. skipped: files of the benchmark that could not be read, when it was made."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    name: str
    words: int
    pictures: tuple[str, ...]
    ngrams: tuple[str, ...]
    questions: int = 0
    skipped: tuple[str, ...] = ()
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT or self.words < 3:
            raise ValueError(f"expected format {FORMAT} and n-grams of at least 3 words, got format {self.format} and {self.words} words")
        wrong = [entry for entry in self.pictures if len(entry) != 2 * SIZE or not set(entry) <= set("0123456789abcdef")]
        if wrong:
            raise ValueError(f"pictures are {2 * SIZE} hexadecimal digits, got {wrong[0][:20]!r}…")

    def fingerprints(self) -> list[Fingerprint]:
        return [Fingerprint.unpack(bytes.fromhex(entry)) for entry in self.pictures]


def make_blocklist(folder: Path, name: str, words: int = WORDS) -> Blocklist:
    """Of all pictures and questions below a benchmark's folder. Raises InputError for one that holds neither."""
    pictures: set[str] = set()
    questions: set[str] = set()
    skipped: list[str] = []

    def take(found: Found) -> None:
        if found.picture is not None:
            try:
                pictures.add(fingerprint(Picture(found.where, found.picture)).pack().hex())
            except InputError:
                skipped.append(found.where)
        elif found.question:
            questions.add(normalised(found.question))
        else:
            skipped.append(found.where)

    for found in read_benchmark(folder):
        take(found)
    if not pictures and not questions:
        raise InputError(
            f"no pictures and no questions below {folder}: expected picture files, or JSON, JSON Lines, Parquet, CSV or TSV with questions"
        )
    counts = Counter(gram for question in questions for gram in set(ngrams(question, words)))
    limit = max(SHARED_BY, SHARED * len(questions))
    own = sorted(gram for gram, count in counts.items() if count < limit)
    return Blocklist(name, words, tuple(sorted(pictures)), tuple(own), len(questions), tuple(skipped))


def save_blocklist(blocklist: Blocklist, path: Path) -> None:
    """Whole or not at all."""
    write_text(path, json.dumps(asdict(blocklist), indent=0) + "\n")


def load_blocklist(path: Path) -> Blocklist:
    """Raises InputError naming the file and the field."""
    try:
        return TypeAdapter(Blocklist).validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the list {path}: {error}; make one with `vlaser data blocklist`") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'list'}: {fault['msg']}" for fault in error.errors()[:3])
        raise InputError(f"{path}: {faults}") from error
