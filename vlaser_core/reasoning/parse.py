"""From any text a model may produce to boxes, points, steps and words. Nothing here raises on a model's text.

Brackets are parsed and tags are optional: decoding without special tokens drops `<box>` from the text. What looks
like coordinates but is not a valid region (outside 0…1000, a box turned inside out, cut off in the middle) is
reported as malformed and never repaired: a clamped coordinate is a wrong place stated with confidence.
Every expression is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vlaser_core.data.truth import Box, Point
from vlaser_core.reasoning.types import SCALE, Grounding, Plan, PlanStep

NOT_VISIBLE = "not visible"
TASK_DONE = "the task is done"

_GROUP = re.compile(r"\[([^\[\]]*)(\]|$|(?=\[))")
_INTEGER = re.compile(r"[0-9]{1,9}")
_DIGIT = re.compile(r"[0-9]")
_REF = re.compile(r"<ref>([^<>]{0,200})</ref>")
_TAGS = re.compile(r"</?(?:box|point|ref)>")
_EXCERPT = 80


@dataclass(frozen=True)
class _Region:
    """A bracket group: where it starts, and its coordinates; None when it is malformed."""

    start: int
    values: tuple[int, ...] | None
    excerpt: str


def _regions(text: str) -> Iterator[_Region]:
    for match in _GROUP.finditer(text):
        body, closing = match.group(1), match.group(2)
        if not _DIGIT.search(body):
            continue
        excerpt = match.group(0)[:_EXCERPT]
        parts = [part.strip(" \t\r\n") for part in body.split(",", 5)]
        if closing != "]" or len(parts) not in (2, 4) or not all(_INTEGER.fullmatch(part) for part in parts):
            yield _Region(match.start(), None, excerpt)
            continue
        values = tuple(int(part) for part in parts)
        valid = all(value <= SCALE for value in values) and (len(values) == 2 or (values[0] < values[2] and values[1] < values[3]))
        yield _Region(match.start(), values if valid else None, excerpt)


def parse_boxes(text: str) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    """Valid boxes (x1, y1, x2, y2) in order, and the malformed coordinate groups, verbatim."""
    boxes, malformed = [], []
    for region in _regions(text):
        if region.values is None:
            malformed.append(region.excerpt)
        elif len(region.values) == 4:
            boxes.append(region.values)
    return tuple(boxes), tuple(malformed)


def parse_points(text: str) -> tuple[tuple[Point, ...], tuple[str, ...]]:
    """Valid points (x, y) in order, and the malformed coordinate groups, verbatim."""
    points, malformed = [], []
    for region in _regions(text):
        if region.values is None:
            malformed.append(region.excerpt)
        elif len(region.values) == 2:
            points.append(region.values)
    return tuple(points), tuple(malformed)


def parse_grounding(text: str, phrase: str, width: int, height: int, score: float | None = None) -> Grounding:
    """All regions of an answer about `phrase` in a picture of width × height pixels.

    A region is labelled by the last `<ref>` before it, else by the phrase. score: given to every region.
    """
    references = [(match.start(), match.group(1).strip()) for match in _REF.finditer(text)]
    boxes, points, box_labels, point_labels, malformed = [], [], [], [], []
    label, upcoming = phrase, 0
    for region in _regions(text):
        while upcoming < len(references) and references[upcoming][0] < region.start:
            label, upcoming = references[upcoming][1] or phrase, upcoming + 1
        if region.values is None:
            malformed.append(region.excerpt)
        elif len(region.values) == 4:
            boxes.append(region.values)
            box_labels.append(label)
        else:
            points.append(region.values)
            point_labels.append(label)
    labels = tuple(box_labels + point_labels)
    scores = () if score is None else (score,) * len(labels)
    return Grounding(phrase, tuple(boxes), tuple(points), labels, scores, text, width, height, tuple(malformed))


_NUMBERED = re.compile(r"(?:^|(?<=\s))(?:[Ss]tep ?)?([0-9]{1,2})[.):](?=\s)")
_BULLET = re.compile(r"^[-*•] ?")
_TARGET = re.compile(r"\b(?:the|a|an) +([a-z][a-z0-9 -]{0,60})", re.IGNORECASE)
_PREPOSITIONS = "on|onto|into|in|over|above|to|towards|from|with|and|at|off|by|until|so|using|near|next|of"
_TARGET_END = re.compile(rf"\s+(?:{_PREPOSITIONS})\b.*$", re.IGNORECASE)


def _target(text: str) -> str | None:
    found = _TARGET.search(text)
    if not found:
        return None
    return _TARGET_END.sub("", found.group(1)).strip(" -").lower() or None


def _step(chunk: str, malformed: list[str]) -> PlanStep | None:
    points, wrong = parse_points(chunk)
    malformed.extend(wrong)
    words = " ".join(_TAGS.sub(" ", _GROUP.sub(" ", chunk)).replace("]", " ").split()).rstrip(" .;,")
    if not re.search(r"\w", words):
        if not wrong:
            malformed.append(chunk.strip()[:_EXCERPT])
        return None
    return PlanStep(text=words, target=_target(words), point=points[0] if points else None)


def parse_plan(text: str, goal: str) -> Plan:
    """The numbered steps of an answer; lines (or bullets) when nothing is numbered. An empty answer is malformed."""
    stripped = text.strip()
    if stripped.lower().rstrip(".") == TASK_DONE:
        return Plan(goal, (), text)
    marks = list(_NUMBERED.finditer(stripped))
    if marks:
        ends = [mark.start() for mark in marks[1:]] + [len(stripped)]
        chunks = [stripped[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
    else:
        chunks = [_BULLET.sub("", line.strip()) for line in stripped.splitlines() if line.strip()]
    malformed: list[str] = [] if chunks else [text[:_EXCERPT]]
    steps = [step for chunk in chunks if (step := _step(chunk, malformed)) is not None]
    return Plan(goal, tuple(steps), text, tuple(malformed))


def parse_yes_no(text: str) -> bool | None:
    """True for an answer that begins with yes, False for no, None for anything else."""
    found = re.match(r"\s*(yes|no)\b", text, re.IGNORECASE)
    return None if found is None else found.group(1).lower() == "yes"


@dataclass(frozen=True)
class PolicyAnswer:
    """What the model says it sees before it acts. Points 0…1000; None where hidden. held: the object is in the gripper.

    angle_deg: 0…179, direction of the closing fingers about the vertical. height_mm: of the gripper above the table.
    """

    grasp: Point | None
    held: bool
    angle_deg: int
    release: Point | None
    gripper: Point | None
    height_mm: int
    phase: str


_PLACE = r"(?:\[\[([0-9]{1,4}), ?([0-9]{1,4})\]\]|(hidden|held))"
_POLICY = re.compile(rf"grasp {_PLACE} angle ([0-9]{{1,3}}) release {_PLACE} gripper {_PLACE} height ([0-9]{{1,4}}) phase ([a-z]+)")


def parse_policy_answer(text: str) -> PolicyAnswer | None:
    """The answer to the policy prompt, None when any part of it is missing or out of range."""
    found = _POLICY.search(text)
    if not found:
        return None
    gx, gy, grasp_word, angle, rx, ry, release_word, px, py, gripper_word, height, phase = found.groups()
    numbers = [int(value) for value in (gx, gy, rx, ry, px, py, height) if value is not None]
    if any(value > SCALE for value in numbers) or int(angle) >= 180 or "held" in (release_word, gripper_word):
        return None
    return PolicyAnswer(
        grasp=None if grasp_word else (int(gx), int(gy)),
        held=grasp_word == "held",
        angle_deg=int(angle),
        release=None if release_word else (int(rx), int(ry)),
        gripper=None if gripper_word else (int(px), int(py)),
        height_mm=int(height),
        phase=phase,
    )
