"""One thing to be written: the request made of a picture and what is known of it, and the records' turns made of the reply."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.labels.answers import parse_pairs
from vlaser_core.data.labels.chat import Request
from vlaser_core.data.labels.coordinates import has_places, read_places
from vlaser_core.data.labels.families import WrittenFamily
from vlaser_core.data.labels.grid import Grid, Sent
from vlaser_core.data.phrasing import box_text, point_text
from vlaser_core.data.source import Picture, Sample
from vlaser_core.data.truth import Box, Point
from vlaser_core.reasoning.parse import parse_boxes, parse_plan, parse_points
from vlaser_core.reasoning.questions import QUESTIONS

KNOWN_CHARACTERS = 600  # of what is known of a picture: enough for an instruction and a few facts
NOTHING_KNOWN = "shown"  # the family of a sample that only shows its picture
LONGEST_PHRASE = 12  # words
STEPS = 2, 10


@dataclass(frozen=True)
class Draft:
    """A family to be written about a picture of a sample. box, point: in thousandths, the place that is to be named."""

    sample: Sample
    family: str
    wanted: WrittenFamily
    box: Box | None = None
    point: Point | None = None

    @property
    def picture(self) -> Picture:
        return self.sample.pictures[0]

    def key(self) -> tuple[str, str]:
        """What is asked once in a unit: the family about the picture, or about the place in it."""
        return self.family, self.picture.name + (f" {self.box}" if self.box else "")


def drafts_of(sample: Sample, families: Mapping[str, WrittenFamily]) -> Iterator[Draft]:
    """What can be written about a sample: nothing without a picture, and a region only where one exact box is stated."""
    if not sample.pictures:
        return
    for name, family in families.items():
        if family.answer != "phrase":
            yield Draft(sample, name, family)
            continue
        answers = [message.value for message in sample.record.conversations if message.sender == "gpt"]
        boxes = {box for answer in answers for box in parse_boxes(answer)[0]}
        if len(boxes) == 1 and len(sample.pictures) == 1:
            box = boxes.pop()
            inside = [
                point
                for answer in answers
                for point in parse_points(answer)[0]
                if box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]
            ]
            yield Draft(sample, name, family, box, inside[0] if inside else None)


def known_of(sample: Sample) -> str:
    """What is known of the picture besides itself, in words: the instruction, or questions that were answered. Places are left
    out: they are in thousandths, and the model may speak of pixels."""
    if sample.truth is not None and sample.truth.instruction:
        return f"The robot's task is: {sample.truth.instruction}."
    turns = sample.record.turns() if sample.record.family != NOTHING_KNOWN else []
    told = [f"{question} {answer}" for question, answer in turns if not has_places(question) and not has_places(answer)]
    facts = " ".join(told)
    return f"Known about it: {facts}" if told and len(facts) <= KNOWN_CHARACTERS else ""


def request_of(draft: Draft, grid: Grid, rng: np.random.Generator) -> tuple[Request, Sent, str]:
    """The request, the picture as it is sent, and the kind of place that is asked for. Raises Damaged for a picture that cannot be decoded."""
    sent = grid.prepare(draft.picture)
    kind = ("point", "box")[rng.integers(2)]
    prompt = draft.wanted.asked(rng, known_of(draft.sample) if draft.box is None else "", grid.told(sent), kind)
    picture = sent.picture if draft.box is None else _framed(sent, draft.box)
    seed = int(rng.integers(1 << 31))
    return Request(prompt, (picture,), "", draft.wanted.temperature, draft.wanted.max_tokens, seed), sent, kind


def _framed(sent: Sent, box: Box) -> Picture:
    """The picture with a red rectangle just outside of `box` (thousandths)."""
    with Image.open(io.BytesIO(sent.picture.data)) as image:
        drawn = image.convert("RGB")
    width = max(2, round(min(sent.width, sent.height) / 200))
    x1, y1, x2, y2 = (value * side / 1000 for value, side in zip(box, (sent.width, sent.height) * 2, strict=True))
    ImageDraw.Draw(drawn).rectangle((x1 - width, y1 - width, x2 + width, y2 + width), outline=(255, 0, 0), width=width)
    data = io.BytesIO()
    drawn.save(data, "JPEG", quality=95)
    return Picture(sent.picture.name, data.getvalue())


def read_reply(text: str, draft: Draft, grid: Grid, sent: Sent, kind: str, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Questions and answers of a reply, as records have them. Raises Damaged with the reason why there are none."""
    family = draft.wanted
    if not text.strip():
        raise Damaged("the answer is empty")
    if family.answer == "caption":
        caption = " ".join(text.split())
        return [(family.questions[rng.integers(len(family.questions))], _words(caption))]
    if family.answer == "phrase":
        return _named(text, draft, rng)
    pairs = parse_pairs(text, family.fallback)
    if not pairs:
        raise Damaged("no question and answer in the reply", text[:200])
    read = {"pairs": _worded, "places": _placed, "steps": _stepped}[family.answer]
    return [read(question, answer, grid, sent, kind) for question, answer in dict.fromkeys(pairs)]


def _words(text: str) -> str:
    """A text without places: those would be in the model's own units."""
    if has_places(text):
        raise Damaged("coordinates where words were asked for", text[:200])
    return text


def _worded(question: str, answer: str, grid: Grid, sent: Sent, kind: str) -> tuple[str, str]:
    return _words(question), _words(answer)


def _placed(question: str, answer: str, grid: Grid, sent: Sent, kind: str) -> tuple[str, str]:
    """The question says which kind of place is meant, as the answer has it: one kind, never two."""
    found, places = read_places(answer, grid, sent).text(kind)
    several = places.count("],") > 0
    asked = {"point": ("Answer with a point.", "Answer with points."), "box": ("Answer with a box.", "Answer with boxes.")}[found][several]
    return f"{_words(question)} {asked}", places


def _stepped(question: str, answer: str, grid: Grid, sent: Sent, kind: str) -> tuple[str, str]:
    plan = parse_plan(answer, question)
    if plan.malformed or not STEPS[0] <= len(plan.steps) <= STEPS[1]:
        raise Damaged("no list of steps in the answer", answer[:200])
    return _words(question), "\n".join(f"{number}. {_words(step.text)}" for number, step in enumerate(plan.steps, 1))


def _named(text: str, draft: Draft, rng: np.random.Generator) -> list[tuple[str, str]]:
    """A question for the exact box, or for the point in it, by the words the model found for it."""
    phrase = re.sub(r"^(?:the|a|an)\s+", "", " ".join(text.split()).strip("\"'`*. "), flags=re.IGNORECASE)
    if phrase.lower() in ("none", ""):
        raise Damaged("the model has no words that fit this thing alone")
    if len(phrase.split()) > LONGEST_PHRASE or re.search(r"[:;!?\[\]{}<>]|rectangle|red box|bounding", phrase, re.IGNORECASE):
        raise Damaged("the reply is no phrase", text[:200])
    phrase = phrase[0].lower() + phrase[1:] if not phrase[:2].isupper() else phrase
    as_point = draft.point is not None and rng.random() < 0.5
    asked = QUESTIONS["ground_point" if as_point else "ground_box"]
    answer = point_text(draft.point) if as_point else box_text(draft.box)
    return [(asked[rng.integers(len(asked))].format(phrase=phrase), answer)]
