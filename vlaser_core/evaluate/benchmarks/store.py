"""Answers on the disk, one a line: what was asked once is not asked again, and can be scored in another way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlaser_core.errors import InputError
from vlaser_core.evaluate.benchmarks.question import Question


@dataclass(frozen=True)
class Stored:
    """A question's answer; `asked`: digest of how it was asked."""

    id: str
    asked: str
    text: str
    complete: bool = True
    refused: str = ""


def digest(question: Question) -> str:
    """What an answer depends on besides the model and the pictures' files."""
    parts = [question.prompt, question.max_tokens, question.most_tiles]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class Lines:
    """A file of JSON lines that grows: the first says whose they are, the others are kept by their id, the last of each counting.

    about: what all of them share. Raises InputError for a file of another model or way of asking. damaged: lines that could not be read, as a
    kill leaves them; what they held is done again.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path = path
        self.damaged = 0
        self.entries: dict[str, dict] = {}
        self._about = about
        if path.is_file():
            self._read()

    def _read(self) -> None:
        text = self.path.read_text(encoding="utf-8", errors="replace")
        lines = text.split("\n")
        whole, tail = lines[:-1], lines[-1]
        self.damaged += bool(tail)
        if tail:  # the next line must not be glued to it
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")
        for number, line in enumerate(whole):
            try:
                found = json.loads(line)
                identity = found["about"] if number == 0 else found["id"]
            except (ValueError, KeyError, TypeError):
                if number == 0:
                    raise InputError(f"{self.path} does not say whose answers it holds; give another folder") from None
                self.damaged += bool(line.strip())
                continue
            if number == 0 and identity != self._about:
                changed = sorted(key for key in {*identity, *self._about} if identity.get(key) != self._about.get(key))
                told = ", ".join(f"{key} {identity.get(key)!r} there, {self._about.get(key)!r} now" for key in changed)
                raise InputError(f"{self.path} holds answers to something else ({told}); give another --out, or the same options")
            if number:
                self.entries[str(identity)] = found

    def add(self, entries: Iterable[dict]) -> None:
        """Write entries, each with an `id`, at once."""
        new = list(entries)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not self.path.is_file() or self.path.stat().st_size == 0
        with self.path.open("a", encoding="utf-8") as file:
            if fresh:
                file.write(json.dumps({"about": self._about}) + "\n")
            for entry in new:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
                self.entries[entry["id"]] = entry


class Answers:
    """The answers of one benchmark."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._lines = Lines(path, about)

    @property
    def damaged(self) -> int:
        return self._lines.damaged

    def __len__(self) -> int:
        return len(self._lines.entries)

    def get(self, question: Question) -> Stored | None:
        """The answer, if the question was put in the same words."""
        found = self._lines.entries.get(question.id)
        try:
            return None if found is None or found["asked"] != digest(question) else Stored(**found)
        except (KeyError, TypeError):
            return None

    def add(self, stored: Iterable[Stored]) -> None:
        self._lines.add([{**vars(each)} for each in stored])
