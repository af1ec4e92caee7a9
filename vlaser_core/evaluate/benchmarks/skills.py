"""VLABench's comparison of two sequences of skills (VLABench/evaluation/utils.py): what share of the right one is in the given one.

A skill is {name, params}; the entity and container it acts on are numbers in the labelled picture. Scores are 0…100 as there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Longest first where one begins another, as there: a sequence is cut into these from its front, and what fits none is passed over.
PATTERNS = (
    ("pick", "place"),
    ("pick", "insert"),
    ("pick", "pour", "place"),
    ("pick", "pour"),
    ("pick", "pull"),
    ("pick", "lift"),
    ("pick", "push", "pull"),
    ("pick", "push", "place"),
    ("pick", "push"),
    ("pick", "open_door"),
    ("press",),
)
WEIGHTS = {"skill": 0.4, "entity": 0.4, "skill_with_entity": 0.1, "exact": 0.1}
_ENTITY, _CONTAINER = "target_entity_name", "target_container_name"


@dataclass(frozen=True)
class Skill:
    """entity, container: numbers in the labelled picture, as they stand in the answer; None where the skill has none."""

    name: str
    entity: Any = None
    container: Any = None


def skills_of(sequence: Any, lenient: bool = False) -> list[Skill] | None:
    """A JSON list as skills; None when it is none. lenient: a number may be written as text, and params may be left out."""
    if lenient and isinstance(sequence, dict) and "skill_sequence" in sequence:
        sequence = sequence["skill_sequence"]
    if not isinstance(sequence, list):
        return None
    skills = []
    for item in sequence:
        params = item.get("params", {} if lenient else None) if isinstance(item, dict) else None
        if not isinstance(params, dict) or not isinstance(item.get("name"), str):
            return None
        skills.append(Skill(item["name"], *(_number(params.get(key), lenient) for key in (_ENTITY, _CONTAINER))))
    return skills


def fenced_json(text: str) -> Any:
    """The JSON behind the first ```json; None without it, or where it is none."""
    _, fence, rest = text.partition("```json")
    return _loaded(rest.split("```")[0]) if fence else None


def any_json(text: str) -> Any:
    """The JSON of an answer: in a fence of any kind, else the text from the first bracket to its kind's last."""
    for found in re.findall(r"```(?:\w+)?\s*\n?(.*?)```", text, re.DOTALL):
        if (value := _loaded(found)) is not None:
            return value
    for start, closing in sorted((text.find(opening), closing) for opening, closing in ("[]", "{}")):
        end = text.rfind(closing)
        if 0 <= start < end and (value := _loaded(text[start : end + 1])) is not None:
            return value
    return None


def compare(right: Sequence[Skill], given: Sequence[Skill], ordered: bool) -> dict[str, float]:
    """The four scores, 0…100. ordered: steps must come one after the other; otherwise any order of the sub-tasks is right."""
    return {
        "skill": _share([skill.name for skill in right], [skill.name for skill in given]),
        "entity": _share(_targets(right), _targets(given)),
        "skill_with_entity": _share(list(right), list(given)),
        "exact": _exact(subtasks(right), subtasks(given), ordered),
    }


def total(scores: dict[str, float], all_four: bool) -> float:
    """0…1. VLABench's code adds up the first two alone, so that a perfect answer has 80 of 100; all_four: what its weights say."""
    return sum(weight * scores[name] for name, weight in WEIGHTS.items() if all_four or name in ("skill", "entity")) / 100


def subtasks(sequence: Sequence[Skill]) -> list[tuple[str, Any, Any]]:
    """(pattern, entity, container) of the patterns that the sequence is made of; of several targets the last counts."""
    found, at = [], 0
    names = [skill.name for skill in sequence]
    while at < len(names):
        pattern = next((each for each in PATTERNS if tuple(names[at : at + len(each)]) == each), None)
        if pattern is None:
            at += 1
            continue
        part = sequence[at : at + len(pattern)]
        entities = [skill.entity for skill in part if skill.entity is not None]
        containers = [skill.container for skill in part if skill.container is not None]
        found.append(("-".join(pattern), entities[-1] if entities else None, containers[-1] if containers else None))
        at += len(pattern)
    return found


def _exact(right: list[tuple], given: list[tuple], ordered: bool) -> float:
    """Share of the right sub-tasks that are there: ordered, in the same place and behind the same one; else anywhere."""
    if not right:
        return 0.0
    if not ordered:
        return 100 * sum((Counter(right) & Counter(given)).values()) / len(right)
    behind_right, behind_given = [None, *right], [None, *given]
    hits = sum(
        right[place] == given[place] and behind_right[place] == behind_given[place] for place in range(min(len(right), len(given)))
    )
    return 100 * hits / len(right)


def _targets(sequence: Sequence[Skill]) -> list[tuple[str, Any]]:
    found = []
    for skill in sequence:
        found += [(kind, value) for kind, value in ((_ENTITY, skill.entity), (_CONTAINER, skill.container)) if value is not None]
    return found


def _share(right: list, given: list) -> float:
    return 100 * sum((Counter(right) & Counter(given)).values()) / len(right) if right else 0.0


def _number(value: Any, lenient: bool) -> Any:
    if isinstance(value, (list, dict)):  # nothing that could be right, and nothing that can be counted
        return json.dumps(value, sort_keys=True)
    if lenient and isinstance(value, str) and re.fullmatch(r"\s*\d{1,6}\s*", value):
        return int(value)
    return value


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
