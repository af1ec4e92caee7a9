"""What texts must be: readable, no refusals, no going round in circles, and answers of the form that was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vlaser_core.data.clean.words import normalised
from vlaser_core.data.source import Sample
from vlaser_core.reasoning.parse import parse_yes_no
from vlaser_core.reasoning.prompts import IM_END, IM_START, IMAGE_END, IMAGE_START, IMAGE_TOKEN

_CONTROL = (IM_START, IM_END, IMAGE_START, IMAGE_END, IMAGE_TOKEN, "<|endoftext|>")
_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")
_REFUSAL = re.compile(
    r"^\W*(?:i(?:'m| am) (?:sorry|unable|not able)|sorry,|i (?:can ?not|can't) (?:see|help|assist|provide|determine|answer|view)|"
    r"as an ai\b|as a (?:large )?language model|there is no image|no image (?:was|is) (?:given|provided))",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"\[[^\[\]]*\]|</?\w+>")
_YES_NO = re.compile(r"\banswer (?:with )?(?:only )?['\"]?yes['\"]? or ['\"]?no\b", re.IGNORECASE)
_LETTER = re.compile(r"\b(?:answer|reply|respond|choose)\b[^.?!]{0,40}\bletter\b", re.IGNORECASE)
_OPTION = re.compile(r"(?:^|[\s(])([A-H])[.):](?=\s)")
_CHOSEN = re.compile(r"^\W*(?:(?i:(?:the )?(?:right |correct |best )?(?:answer|option)(?: is)?:?)\s)?\W*([A-H]|[a-h](?=\W*$))\b")
_COUNT = re.compile(r"^(?:how many|count the|what is the number of)\b[^.?!,]*[.?]?$", re.IGNORECASE)
_COUNTED = re.compile(
    r"\d|\b(?:no|none|zero|one|a|an|single|two|both|pair|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|hundred|nothing|can ?not|can't|not)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class WordRules:
    """longest: letters of one message. rounds: how often in a row a piece of up to eight words may come."""

    longest: int = 8000
    rounds: int = 4

    def fault(self, sample: Sample) -> str:
        """The first rule that a record breaks, empty for none."""
        for message in sample.record.conversations:
            text = message.value
            if any(token in text for token in _CONTROL):
                return "control tokens in the text"
            if _UNREADABLE.search(text):
                return "unreadable characters"
            if len(text) > self.longest:
                return "a text is too long"
        return next((fault for question, answer in sample.record.turns() if (fault := self._turn_fault(question, answer))), "")

    def _turn_fault(self, question: str, answer: str) -> str:
        if _REFUSAL.match(answer):
            return "the answer is a refusal"
        if goes_round(answer, self.rounds):
            return "the answer goes round in circles"
        if normalised(question) == normalised(answer) != "":
            return "the answer repeats the question"
        if _YES_NO.search(question) and parse_yes_no(answer.lstrip("\"'*( ")) is None:
            return "yes or no was asked for and is not answered"
        if _LETTER.search(question):
            options, chosen = set(_OPTION.findall(question)), _CHOSEN.match(answer)
            if len(options) >= 2 and (chosen is None or chosen.group(1).upper() not in options):
                return "a letter was asked for and is not answered"
        if _COUNT.match(question) and not _COUNTED.search(answer):
            return "a number was asked for and is not answered"
        return ""


def goes_round(text: str, rounds: int) -> bool:
    """Whether a piece of one to eight words comes more than `rounds` times in a row. Coordinates are not looked at."""
    words = [word for word in _NUMBERS.sub(" ", text).lower().split() if any(map(str.isalnum, word))]
    for length in range(1, 9):
        run = 0
        for at in range(length, len(words)):
            run = run + 1 if words[at] == words[at - length] else 0
            if run >= length * rounds:
                return True
    return False
