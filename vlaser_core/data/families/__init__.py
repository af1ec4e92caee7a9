"""Questions with exact answers about a scene whose truth is known (in-domain data), and the policy's answer.

    turns = conversation(truth, np.random.default_rng(0), turns=4)

Every family is a function of a `Scene` (a truth with its names worked out) and a random generator that returns a `Turn`,
or None where the question has no exact answer in that scene (a margin too small to call left, an object half covered, no
robot). Wordings live in `vlaser_core.reasoning.questions`; `vlaser_core.data.check` re-derives every answer another way.
"""

from __future__ import annotations

from vlaser_core.data.families.conversation import CATEGORY, FAMILIES, Family, conversation
from vlaser_core.data.families.policy import corpus, policy_answer, task_answer
from vlaser_core.data.phrasing import Turn

__all__ = ["CATEGORY", "FAMILIES", "Family", "Turn", "conversation", "corpus", "policy_answer", "task_answer"]
