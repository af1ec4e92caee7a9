"""The wordings of every question the data engine asks, by category. Plain text; imports nothing of the project.

`QUESTIONS[key]` are paraphrases with placeholders: {phrase}, {other}, {third} name objects without an article, {a_phrase}
with one, {goal} is an instruction, {surface} what things stand on, {point} and {box} coordinates, {options} lettered
options, one a line. The first of a key is the canonical one: it is what a trained model is asked live. Each names the format of its answer
where more than one would be natural.
"""

from __future__ import annotations

from vlaser_core.reasoning.questions.grounding import GROUNDING
from vlaser_core.reasoning.questions.planning import PLANNING
from vlaser_core.reasoning.questions.qa import QA
from vlaser_core.reasoning.questions.spatial import SPATIAL

QUESTIONS: dict[str, tuple[str, ...]] = {**GROUNDING, **QA, **SPATIAL, **PLANNING}
