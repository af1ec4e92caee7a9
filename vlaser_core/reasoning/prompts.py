"""The one place of prompt layout; the wordings of questions are in `questions/`.

`chat_prompt` is InternVL's template `internvl2_5`; `policy_prompt` is the text the action expert was trained
behind, the literal word None included. Questions come in two sets: COMPACT, the paraphrases that the project's own
data is written in (a model answers the first of each), and INTERNVL, spelled out for models trained on the web.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vlaser_core.errors import ConfigError, InputError
from vlaser_core.reasoning.questions import QUESTIONS

IM_START, IM_END = "<|im_start|>", "<|im_end|>"
IMAGE_START, IMAGE_END, IMAGE_TOKEN = "<img>", "</img>", "<IMG_CONTEXT>"
IMAGE_PLACEHOLDER = "<image>"

INTERNVL_SYSTEM = (
    "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
)
# Upstream formats a null system message, so the policy's weights have always seen the word None.
SYSTEMS = {"internvl": INTERNVL_SYSTEM, "none": "None"}

Role = Literal["user", "assistant"]
_RESERVED = re.compile("|".join(re.escape(token) for token in (IM_START, IM_END, IMAGE_START, IMAGE_END, IMAGE_TOKEN, "<|endoftext|>")))


def system_text(name: str) -> str:
    """The system sentence that a checkpoint's config names (`internvl` or `none`). Raises ConfigError for another."""
    if name not in SYSTEMS:
        raise ConfigError(f"unknown system text {name!r}; known: {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def _clean(text: str, what: str) -> str:
    """`text` if it holds no control token: a user's words must not open a turn or place an image."""
    found = _RESERVED.search(text)
    if found:
        raise InputError(f"the {what} contains the control token {found.group()!r}; remove it")
    return text


def image_block(tokens: int) -> str:
    """The text that stands for a picture of `tokens` image tokens."""
    if tokens < 1:
        raise InputError(f"a picture has at least 1 image token, got {tokens}")
    return IMAGE_START + IMAGE_TOKEN * tokens + IMAGE_END


def chat_prompt(turns: Sequence[tuple[Role, str]], system: str = INTERNVL_SYSTEM, images: Sequence[int] | None = None) -> str:
    """A conversation as the text a chat model continues.

    turns: (role, text), user and assistant in turn, the user first; after a last user turn the prompt ends where the
    assistant begins. images: image tokens of each picture (256 a tile at 448 px), in the order of the `<image>`
    placeholders; pictures without any placeholder are put before the first question (numbered when several); None
    leaves the placeholders as they are. Raises InputError for a wrong order of turns, a count of placeholders that
    differs from the pictures', or control tokens in a text.
    """
    expected = ["user" if index % 2 == 0 else "assistant" for index in range(len(turns))]
    if not turns or [role for role, _ in turns] != expected:
        raise InputError(f"turns go user, assistant, user, …; got {[role for role, _ in turns]}")
    texts = [_clean(text, role) for role, text in turns]
    if images and not any(IMAGE_PLACEHOLDER in text for text in texts):
        heads = [f"Image-{k}: {IMAGE_PLACEHOLDER}\n" for k in range(1, len(images) + 1)] if len(images) > 1 else [f"{IMAGE_PLACEHOLDER}\n"]
        texts[0] = "".join(heads) + texts[0]
    parts = [f"{IM_START}system\n{_clean(system, 'system text')}{IM_END}\n"]
    parts += [f"{IM_START}{role}\n{text}{IM_END}\n" for (role, _), text in zip(turns, texts, strict=True)]
    if turns[-1][0] == "user":
        parts.append(f"{IM_START}assistant\n")
    prompt = "".join(parts)
    if images is None:
        return prompt
    pieces = prompt.split(IMAGE_PLACEHOLDER)
    if len(pieces) - 1 != len(images):
        raise InputError(f"the conversation has {len(pieces) - 1} {IMAGE_PLACEHOLDER} placeholders for {len(images)} pictures")
    return pieces[0] + "".join(image_block(tokens) + piece for tokens, piece in zip(images, pieces[1:], strict=True))


def policy_prompt(instruction: str, image_tokens: int, views: int = 1) -> str:
    """The policy's prompt around one picture, or one a camera; the instruction is used verbatim. Raises InputError when it is empty."""
    if not instruction.strip():
        raise InputError("the instruction is empty; say what the robot should do")
    if IMAGE_PLACEHOLDER in instruction:
        raise InputError(f"the instruction contains {IMAGE_PLACEHOLDER!r}; remove it")
    places = f"{IMAGE_PLACEHOLDER}\n" * views
    return chat_prompt([("user", f"{places}{instruction}")], SYSTEMS["none"], [image_tokens] * views)


@dataclass(frozen=True)
class Wordings:
    """Ways to put each question; the placeholders are filled in, and the first wording is the one asked live."""

    ground_box: tuple[str, ...]
    ground_point: tuple[str, ...]
    plan: tuple[str, ...]


INTERNVL = Wordings(
    ground_box=("Please provide the bounding box coordinate of the region this sentence describes: <ref>{phrase}</ref>",),
    ground_point=(
        "Point to the {phrase}. Answer with <point>[[x1, y1], [x2, y2], ...]</point>, integers from 0 to 1000 "
        "of the image's width and height, and nothing else.",
    ),
    plan=("List the steps a robot arm takes to {goal}. Number them, one step a line, and name in each the object it acts on.",),
)
# The data engine's own wordings; QUESTIONS holds those of all other questions too, which live are put through `ask`.
COMPACT = Wordings(ground_box=QUESTIONS["ground_box"], ground_point=QUESTIONS["ground_point"], plan=QUESTIONS["plan"])
STYLES = {"compact": COMPACT, "internvl": INTERNVL}


def wordings(style: str) -> Wordings:
    """The set of questions a checkpoint's config names (`compact` or `internvl`). Raises ConfigError for another."""
    if style not in STYLES:
        raise ConfigError(f"unknown question style {style!r}; known: {', '.join(STYLES)}")
    return STYLES[style]


def bare_phrase(phrase: str) -> str:
    """A phrase without its article and final full stop, on one line. Raises InputError when nothing is left."""
    bare = re.sub(r"^(?:the|a|an)(?:\s+|$)", "", " ".join(phrase.split()), flags=re.IGNORECASE).rstrip(" .?!")
    if not bare:
        raise InputError(f"the phrase {phrase!r} names nothing; give a noun phrase such as 'carrot'")
    return bare


def ground_box_question(phrase: str, style: str = "compact") -> str:
    """Asks for the boxes of what `phrase` names."""
    return wordings(style).ground_box[0].format(phrase=bare_phrase(phrase))


def ground_point_question(phrase: str, style: str = "compact") -> str:
    """Asks for points on what `phrase` names."""
    return wordings(style).ground_point[0].format(phrase=bare_phrase(phrase))


def plan_question(goal: str, style: str = "compact") -> str:
    """Asks for the steps that lead to `goal`, an instruction such as 'put carrot on plate'."""
    goal = " ".join(goal.split()).rstrip(" .?!")
    if not goal:
        raise InputError("the goal is empty; say what should be reached")
    return wordings(style).plan[0].format(goal=goal)


def ask_question(question: str) -> str:
    """A free question, as it came but for surrounding white space. Raises InputError when empty."""
    if not question.strip():
        raise InputError("the question is empty")
    return question.strip()
