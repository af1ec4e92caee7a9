"""Numbers that others published for these suites, to stand beside ours. None of them was measured here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """success: mean over the suite's tasks, 0…1."""

    suite: str
    name: str
    success: float
    source: str


_PAPER = "Vlaser, ICLR 2026"
# The paper's rows for one policy whose backbone was trained on different data, and for changes to how it is run.
PUBLISHED = (
    Published("widowx", "InternVL3-2B", 0.418, _PAPER),
    Published("widowx", "Vlaser-2B, out-of-domain data", 0.432, _PAPER),
    Published("widowx", "Vlaser-2B, in-domain spatial", 0.608, _PAPER),
    Published("widowx", "Vlaser-2B, in-domain grounding", 0.620, _PAPER),
    Published("widowx", "Vlaser-2B, in-domain QA", 0.626, _PAPER),
    Published("widowx", "Vlaser-2B, all in-domain data", 0.651, _PAPER),
    Published("widowx", "Vlaser-2B, in-domain QA, 2 of 4 steps executed", 0.511, _PAPER),
    Published("widowx", "Vlaser-2B, in-domain QA, 20 flow steps", 0.633, _PAPER),
    Published("google_vm", "Vlaser-2B", 0.762, _PAPER),
    Published("google_va", "Vlaser-2B", 0.590, _PAPER),
)


def published(suite: str) -> list[Published]:
    """The rows of a suite."""
    return [row for row in PUBLISHED if row.suite == suite]
