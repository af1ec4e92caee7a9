"""The families that are written and the rubrics that judge them, as config/data/labels/families.yaml has them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from vlaser_core.embodiment import config_directory
from vlaser_core.errors import ConfigError

AnswerKind = Literal["pairs", "places", "steps", "caption", "phrase"]


@dataclass(frozen=True)
class WrittenFamily:
    """answer: how its reply is read. topics: one is drawn for each picture, so that questions differ. questions: asked for a
    caption. fallback: the question of a reply that marks none; empty leaves such replies out.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    category: Literal["grounding", "qa", "spatial", "planning"]
    answer: AnswerKind
    prompt: str
    temperature: float
    max_tokens: int
    topics: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    fallback: str = ""

    def __post_init__(self) -> None:
        if self.answer == "caption" and not self.questions:
            raise ValueError("a caption needs questions that it answers")
        if "{topic}" in self.prompt and not self.topics:
            raise ValueError("the prompt has {topic} and there are no topics")
        if self.temperature < 0 or self.max_tokens < 1:
            raise ValueError("temperature is 0 or more and max_tokens at least 1")

    def asked(self, rng: np.random.Generator, context: str, places: str, kind: str) -> str:
        """The prompt, filled in."""
        topic = self.topics[rng.integers(len(self.topics))] if self.topics else ""
        return filled(self.prompt, context=context, topic=topic, places=places, kind=kind)


@dataclass(frozen=True)
class Families:
    """All of them. rubrics: by a record's category. judge: the prompt around a rubric."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    families: dict[str, WrittenFamily]
    rubrics: dict[Literal["grounding", "qa", "spatial", "planning"], str]
    judge: str

    def chosen(self, names: Sequence[str]) -> dict[str, WrittenFamily]:
        """Families by name, in the order given. Raises ConfigError for an unknown one."""
        unknown = sorted(set(names) - set(self.families))
        if unknown:
            raise ConfigError(f"no family {', '.join(unknown)} to write; known: {', '.join(self.families)}")
        return {name: self.families[name] for name in names}

    @cached_property
    def digest(self) -> str:
        """Of every word in it: other words make other records."""
        return hashlib.sha256(TypeAdapter(Families).dump_json(self)).hexdigest()[:16]


def filled(prompt: str, **words: str) -> str:
    """`prompt` with its words in braces filled in, in one pass: a brace in a word stays what it is."""
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), prompt).strip()


def load_families(path: Path | None = None) -> Families:
    """The families' file, the project's own by default. Raises ConfigError naming the file and the field."""
    path = path or config_directory() / "data" / "labels" / "families.yaml"
    try:
        return TypeAdapter(Families).validate_json(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'families'}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(f"{path}: {faults}") from error
