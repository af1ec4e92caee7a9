"""Numbers in answers, and VSI-Bench's mean relative accuracy (Yang et al. 2024, eq. 1)."""

from __future__ import annotations

import math
import re

import numpy as np

THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = {word: 10 * (place + 2) for place, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())}
_VALUES = {word: value for value, word in enumerate(_UNITS)} | _TENS | {"hundred": 100, "thousand": 1000}
_TOKEN = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?|[a-z]+", re.IGNORECASE)


def mean_relative_accuracy(given: float, truth: float, strict: bool) -> float:
    """Share of the thresholds θ = 0.5, 0.55 … 0.95 for which the relative error is below 1 − θ (`strict`, as the paper defines it) or
    not above it (as its code computes it). truth: not 0."""
    error = abs(given - truth) / truth
    bounds = [1 - threshold for threshold in THRESHOLDS]
    return sum(error < bound - 1e-9 if strict else error <= bound for bound in bounds) / len(bounds)


def as_number(text: str) -> float | None:
    """A text that is a finite number and nothing else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def first_number(text: str) -> float | None:
    """The first number of a text, in digits or in words (`twenty-one`, `two hundred and five`); None where there is none."""
    total, current, words = 0, 0, False
    for token in _TOKEN.findall(text):
        word = token.lower()
        if word in _VALUES:
            value, words = _VALUES[word], True
            if value == 100:
                current = max(current, 1) * 100
            elif value == 1000:
                total, current = total + max(current, 1) * 1000, 0
            else:
                current += value
        elif words and word == "and":
            continue
        elif words:
            break
        elif not word.isalpha():
            return float(token.replace(",", ""))
    return float(total + current) if words else None
