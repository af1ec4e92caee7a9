"""What a model's reply holds: questions with answers, a score."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARK = re.compile(r"^[\s>#*_\-]*(?:\d{1,2}[.)]\s*)?[*_]*(question|answer|q|a)\s*(?:#?\d{1,2})?\s*[*_]*\s*:\s*[*_]*\s*(.*)$", re.IGNORECASE)
_FENCE = re.compile(r"^\s*```\w*\s*$")


def parse_pairs(text: str, fallback: str = "") -> list[tuple[str, str]]:
    """(question, answer) of a reply with lines that begin with `Question:` and `Answer:`; lines without go on with what is
    above them. Without such marks: what stands before and behind the first empty line; without one, `fallback` and the
    whole text, or nothing when there is no fallback. A question without an answer is left out.
    """
    pairs: list[list[list[str]]] = []
    current: list[str] | None = None
    short = False  # the last question began with `Q:`; only then is `A:` its answer and not the first of its options
    for line in text.splitlines():
        if _FENCE.match(line):
            continue
        found = _MARK.match(line)
        if found and found.group(1).lower() in ("question", "q"):
            pairs.append([[found.group(2)], []])
            current, short = pairs[-1][0], found.group(1) in ("q", "Q")
        elif found and pairs and not any(pairs[-1][1]) and (short or found.group(1) not in ("a", "A")):
            pairs[-1][1].append(found.group(2))
            current = pairs[-1][1]
        elif current is not None:
            current.append(line)
    if pairs:
        joined = [(_joined(question), _joined(answer)) for question, answer in pairs]
        return [(question, answer) for question, answer in joined if question and answer]
    before, _, after = text.strip().partition("\n\n")
    if before.strip() and after.strip() and "?" in before:
        return [(_joined(before.splitlines()), _joined(after.splitlines()))]
    return [(fallback, _joined(text.splitlines()))] if fallback and text.strip() else []


def _joined(lines: Sequence[str]) -> str:
    words = " ".join(part for line in lines for part in line.split())
    return words.strip("*_ ").strip()


_STATED = re.compile(r"\b(?:score|rating|rate|grade|final)\b[^0-9\n]{0,20}?([123])(?![\d.]*\d)", re.IGNORECASE)
_RANGE = re.compile(r"\b1\s*(?:-|–|to|through|\.\.+)\s*3\b|\b1\s*,\s*2\s*,?\s*(?:or|and)?\s*3\b", re.IGNORECASE)
_DIGIT = re.compile(r"(?<![\d.,/\[(])([123])(?![\d\])]|[.,]\d)")
_WORDS = {
    3: ("excellent", "high quality", "very good", "fully correct", "good"),
    2: ("acceptable", "fair", "moderate", "average", "partially correct", "partly correct"),
    1: ("poor", "bad", "low quality", "incorrect", "wrong", "irrelevant", "unacceptable"),
}
_NOT = re.compile(r"\b(?:not|n't|no|isn't|hardly)\s+(?:\w+\s+)?$", re.IGNORECASE)


def parse_score(text: str) -> int | None:
    """The score 1…3 of a reply: a number called the score, else the first that stands alone, else what its words come to.
    None where it says nothing, or several things: a score that cannot be read is no score.
    """
    plain = _RANGE.sub(" ", text)
    for pattern in (_STATED, _DIGIT):
        found = pattern.search(plain)
        if found:
            return int(found.group(1))
    meant = set()
    for score, words in _WORDS.items():
        for word in words:
            for found in re.finditer(rf"\b{word}\b", plain, re.IGNORECASE):
                meant.add(None if _NOT.search(plain[: found.start()]) else score)
    return meant.pop() if len(meant) == 1 else None
