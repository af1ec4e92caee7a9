"""Robo2VLM-1: `data/{train,test}-*.parquet` with id, question, choices (a list written as text), correct_answer, image.

Layout: the data set card of keplerccc/Robo2VLM-1. The choices are shuffled anew by the unit's seed; pictures may be two
views side by side, as published.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Sample
from vlaser_core.data.sources.base import Split, TableSource
from vlaser_core.data.sources.pictures import embedded_picture

_SPATIAL = ("left", "right", "closer", "closest", "behind", "above", "below", "distance", "depth", "direction", "viewpoint", "perspective")
_PLANNING = ("next", "phase", "after", "goal", "trajectory")


class Robo2Vlm(TableSource):
    """Multiple choice about robot pictures; answers are the letter and the choice."""

    name = "robo2vlm"
    licence = "Apache-2.0"
    domain = "open x-embodiment robots"
    provenance = "robot state, as published"
    get = "download the data set keplerccc/Robo2VLM-1 from Hugging Face and give the folder that holds data/train-*.parquet"

    def files(self) -> Sequence[Path]:
        files = sorted(self.root.glob("data/*.parquet")) or sorted(self.root.glob("*.parquet"))
        if not files:
            raise self.missing("data/train-*.parquet")
        return files

    def samples(self, row: dict, key: str, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        try:
            choices = row["choices"] if isinstance(row["choices"], list) else ast.literal_eval(row["choices"])
            right = int(row["correct_answer"])
            question, data = str(row["question"]).strip(), row["image"]["bytes"]
        except (KeyError, TypeError, ValueError, SyntaxError) as error:
            raise Damaged("row is incomplete", repr(error)) from error
        if not isinstance(choices, list) or not 2 <= len(choices) <= 26 or not 0 <= right < len(choices) or not question:
            raise Damaged("choices do not hold the answer", f"{right} of {str(choices)[:80]}")
        if not data:
            raise Damaged("picture is missing", key)
        order = [int(index) for index in rng.permutation(len(choices))]
        letters = [chr(ord("A") + place) for place in range(len(order))]
        options = "\n".join(f"{letter}. {choices[index]}" for letter, index in zip(letters, order, strict=True))
        answer = f"{letters[order.index(right)]}. {choices[right]}"
        words = question.lower().replace("?", " ").split()
        category = (
            "spatial" if any(word in words for word in _SPATIAL) else "planning" if any(word in words for word in _PLANNING) else "qa"
        )
        split: Split = "test" if path.name.startswith("test") else "train"
        yield self.sample(
            key, [embedded_picture(data, self.name)], [(f"{question}\n{options}", answer)], category, "multiple_choice", split
        )
