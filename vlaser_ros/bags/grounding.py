"""A phrase looked for in every n-th picture of a bag: a video in the recording's own time, and a table of what was found."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vlaser_core.errors import InputError
from vlaser_core.reasoning.draw import annotated
from vlaser_core.reasoning.types import Grounding
from vlaser_ros.bags.clock import header_stamp
from vlaser_ros.bags.reader import Bag
from vlaser_ros.demo.film import Film
from vlaser_ros.images import colour

LONGEST_GAP = 1.0  # s a picture is shown at most: a camera that stalled does not freeze the film
LEAST_HEIGHT = 480  # pixels of the film: what is drawn on a smaller picture cannot be read
COLUMNS = ("stamp", "frame", "kind", "label", "score", "x1", "y1", "x2", "y2", "pixel_x1", "pixel_y1", "pixel_x2", "pixel_y2", "text")


@dataclass
class Looked:
    """frames: pictures in the bag's topic that were shown. looks: questions asked. found: of them with a box or point. malformed: answers with refused parts."""

    frames: int = 0
    looks: int = 0
    found: int = 0
    malformed: int = 0
    seconds: float = 0.0


def pictures(bag: Bag, topic: str) -> Iterator[tuple[float, np.ndarray]]:
    """Stamp (s) and RGB uint8 (h, w, 3) of every picture. Raises InputError naming the topic for one that cannot be read."""
    for record in bag.read({topic}):
        try:
            yield header_stamp(record.data), colour(bag.decode(record))
        except InputError as error:
            raise InputError(f"{bag.path}: a picture on {topic!r} cannot be read: {error}") from error


def ground_bag(
    bag: Bag, topic: str, ground: Callable[[np.ndarray, str], Grounding], phrase: str, out: Path, *, every: int, limit: int = 0, progress: Callable[[int], None] = lambda looks: None
) -> Looked:
    """Ask for `phrase` in every `every`-th picture; write ground.mp4 and ground.csv into `out`.

    The pictures between two looks show the last answer, greyed in the caption by its age. limit: looks at most, 0: all;
    the film ends with the last picture that its answer is shown on.
    """
    out.mkdir(parents=True, exist_ok=True)
    looked = Looked()
    with (out / "ground.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        film: Film | None = None
        shown: tuple[float, np.ndarray] | None = None
        first, asked, found = 0.0, 0.0, None
        try:
            for index, (stamp, picture) in enumerate(pictures(bag, topic)):
                if index % every == 0:
                    if limit and looked.looks >= limit:
                        break
                    found, asked = ground(picture, phrase), stamp
                    table.writerows(rows(found, stamp, index))
                    looked.looks += 1
                    looked.found += found.found
                    looked.malformed += bool(found.malformed)
                    progress(looked.looks)
                first = first or stamp
                canvas = _frame(picture, found, phrase, stamp - first, stamp - asked)
                if film is None:
                    film = Film(out / "ground.mp4", canvas.shape[1], canvas.shape[0])
                elif shown is not None:
                    film.add(shown[1], min(LONGEST_GAP, max(0.001, stamp - shown[0])))
                shown = stamp, canvas
                looked.frames += 1
            if film is not None and shown is not None:
                film.add(shown[1], 0.1)
                looked.seconds = film.seconds
        finally:
            if film is not None:
                film.__exit__()
    return looked


def rows(found: Grounding, stamp: float, frame: int) -> list[list]:
    """One row a box or point; one row without coordinates where nothing was found. The model's text stands on the first."""
    scores = found.scores or ("",) * len(found.labels)
    made: list[list] = []
    regions = [*zip(("box",) * len(found.boxes), found.boxes, found.boxes_px(), strict=True), *zip(("point",) * len(found.points), found.points, found.points_px(), strict=True)]
    for (kind, region, pixels), label, score in zip(regions, found.labels, scores, strict=True):
        blank = [""] * (4 - len(region))
        made.append([f"{stamp:.6f}", frame, kind, label, score, *region, *blank, *(f"{value:.2f}" for value in pixels), *blank, ""])
    made = made or [[f"{stamp:.6f}", frame, "none", found.phrase, "", *[""] * 8, ""]]
    made[0][-1] = json.dumps(found.text, ensure_ascii=False)
    return made


def _frame(picture: np.ndarray, found: Grounding, phrase: str, seconds: float, age: float) -> np.ndarray:
    scale = max(1.0, LEAST_HEIGHT / picture.shape[0])
    # H.264 takes even sizes only.
    size = (round(picture.shape[1] * scale / 2) * 2, round(picture.shape[0] * scale / 2) * 2)
    canvas = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC) if size != picture.shape[1::-1] else picture
    return annotated(canvas, [found], f"{seconds:6.2f} s  {phrase}{'' if found.found else ': not found'}  (asked {age:.1f} s ago)")
