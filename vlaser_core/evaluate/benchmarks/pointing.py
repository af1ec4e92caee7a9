"""What PACO-LVIS and Pixmo-Points share in Vlaser's own evaluation (evaluate_point_paco.py, evaluate_point_pixmo.py): its files, its question and its pooled precision.

Its files are JSON Lines, one picture a line: image, width, height, conversations of {from, value}; a human turn names what to point to in
`<ref>…</ref>`. The files themselves were not published; both benchmarks are therefore also read in their publishers' layouts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage
from vlaser_core.evaluate.benchmarks.files import fields, json_lines
from vlaser_core.evaluate.benchmarks.places import VLASER_PREFIX
from vlaser_core.evaluate.benchmarks.question import Fault

_REFERENCE = re.compile(r"<ref>(.*?)</ref>")
POOLED = Fault(
    "pooled",
    "precision over all points of all answers together: an answer of twenty points weighs twenty times, and a right point repeated counts again",
    "the mean over questions, each point of an answer once",
)
FAR_EDGE = Fault("far_edge", "x or y of 1000, and any number beyond, lies outside or is taken as it is", "1000 is the last pixel; numbers beyond are no place")


def asked(expression: str) -> str:
    """The question as both scripts put it. The scripts' prompt begins with a space and has another before its question."""
    return f" {VLASER_PREFIX} Please provide the referring points of {expression}."


def asked_plainly(expression: str) -> str:
    """The question for models that give tuples between 0 and 1."""
    return (
        f"Please provide the referring points of {expression}. Your answer should be formatted as a list of tuples, i.e. [(x1, y1), (x2, y2), ...], "
        "with coordinates between 0 and 1 of the picture's width and height."
    )


def lines(path: Path, damage: Damage) -> Iterator[tuple[str, dict, tuple[int, int], str, Sequence[dict]]]:
    """(where it stands, item, (width, height), expression, the turns) of every human turn that names something."""
    for number, item in json_lines(path, damage):
        where = f"{path.name}:{number + 1}"
        try:
            width, height, turns = _checked(item, where)
        except Damaged as error:
            damage.skip(f"{where} ({error})", error.reason)
            continue
        for turn in turns:
            found = _REFERENCE.search(str(turn.get("value", ""))) if turn.get("from") == "human" else None
            if found:
                yield where, item, (width, height), found.group(1), turns


def _checked(item: dict, where: str) -> tuple[int, int, list[dict]]:
    width, height, turns, _ = fields(item, ("width", "height", "conversations", "image"), where)
    if not isinstance(width, int) or not isinstance(height, int) or min(width, height) < 1:
        raise Damaged("the picture's size is no size", f"{where}: {width!r} × {height!r}")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise Damaged("conversations are no list of turns", where)
    return width, height, turns


def below(folder: Path, name: Any, where: str) -> Path:
    """A picture's path below a folder. Raises Damaged where it leaves it."""
    relative = Path(str(name))
    if relative.is_absolute() or ".." in relative.parts:
        raise Damaged("a picture's name leaves the folder", f"{where}: {name}")
    return folder / relative
