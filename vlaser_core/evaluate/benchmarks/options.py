"""Which option an answer chooses: as each benchmark's own evaluation reads it, and as a person would."""

from __future__ import annotations

import re

# Two commas are missing in the publisher's list, so that four of the beginnings stand in it glued together in pairs and never match.
_EGOPLAN_BEGINNINGS = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "Answer:",
    "Option:",
    "The correct answer",
    "The correct option",
)


def same_text(text: str) -> str:
    """ERQA: the whole answer without full stops, in small letters."""
    return text.replace(".", "").strip().lower()


def first_capital(text: str) -> str:
    """EgoPlan-Bench2: the first A, B, C or D anywhere, once some beginnings are cut out; empty for none."""
    for beginning in _EGOPLAN_BEGINNINGS:
        text = text.replace(beginning, "")
    found = re.search(r"[ABCD]", text)
    return found.group() if found else ""


def fenced_letter(text: str) -> str:
    """MMSI-Bench: a letter A…D that stands alone and before no word, in the first text between ``, then `, then {} where there is such."""
    for fence in (r"``([^`]*)``", r"`([^`]*)`", r"\{([^}]*)\}"):
        found = re.search(fence, text)
        if found:
            text = found.group(1)
    found = re.search(r"\b[A-D]\b(?!\s[a-zA-Z])", text)
    return found.group() if found else ""


def first_word(text: str) -> str:
    """VSI-Bench: what stands before the first space, without a full stop behind it."""
    return text.split(" ")[0].rstrip(".").strip()


def stated_option(text: str, letters: str) -> str:
    """The one letter that an answer states; empty where it states none, or several.

    In this order: the answer is the letter and signs; it begins with the letter and a sign behind it; it calls a letter the answer, option or choice (the
    last time it does); letters in brackets, quotes or stars, or standing alone, when all are the same one (an A before a word is none).
    """
    plain = text.strip()
    one = rf"[{letters}{letters.lower()}]"
    if found := re.fullmatch(rf"\W*({one})\W*", plain):
        return found.group(1).upper()
    if found := re.match(rf"[(\[*`]*([{letters}])[)\]*`]*(?:[).:,]|\n|$)", plain):
        return found.group(1)
    said = re.findall(rf"(?i:\b(?:answer|option|choice)\b(?:\s+(?:is|would be|should be))?)[\s:=(\[{{*`\"']{{0,6}}([{letters}])(?![A-Za-z'])", plain)
    if said:
        return said[-1]
    for pattern in (rf"[(\[{{*`\"']([{letters}])[)\]}}*`\"']", rf"(?<![A-Za-z])([{letters}])(?![A-Za-z'’])(?!(?<=A)\s+[a-z])"):
        stated = set(re.findall(pattern, plain))
        if stated:
            return stated.pop() if len(stated) == 1 else ""
    return ""
