"""Point-Bench, the questions of PointArena (PointArena/pointarena-data, 982): `data.json`, `pixmo_metadata.csv`, and `selected_images.zip` and
`selected_masks.zip` unpacked (or renamed to `images/` and `masks/`, as its evaluation wants them).

Items: image_filename, user_input, category, mask_filename, and count where things are counted. An answer succeeds when its first
point lies in the mask; of counted things all points must, and be as many. The score is the share of successes.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage
from vlaser_core.evaluate.benchmarks.files import fields, json_list, mask_file, picture_file, text_field
from vlaser_core.evaluate.benchmarks.places import (
    POINT_TILES,
    POINT_TOKENS,
    VLASER_PREFIX,
    pixel,
    placed,
    read_places,
    tagged_points,
    thousandths,
    untagged,
)
from vlaser_core.evaluate.benchmarks.question import NO_COORDINATES, Fault, Metric, Question, Questions, Verdict

_ASKED = (
    "Your answer should be formatted as a list of tuples, i.e. [(x1, y1), (x2, y2), ...], where each tuple contains the x and y coordinates of a point satisfying the "
    "conditions above. The coordinates should be between 0 and 1, indicating the normalized pixel locations of the points in the image."
)
_NAMES = ("image_filename", "user_input", "category", "mask_filename")


class PointBench(Questions):
    """Pointing by affordance, count, relation, reasoning and from a given point."""

    name = "point_bench"
    title = "PointArena"
    size = 982
    get = "put data.json and pixmo_metadata.csv of the data set PointArena/pointarena-data there and unpack selected_images.zip and selected_masks.zip beside them"
    faults = (
        Fault("tags", "coordinates without <point> tags, and a second list, are not read", "every [x, y] of the answer"),
        Fault("far_edge", "x or y of 1000 lies outside", "it is the last pixel"),
        Fault("mask_size", "a mask of another size than its picture is read at the picture's pixels", "at the same share of its own width and height"),
        Fault("lost_files", "a question whose picture or mask is missing counts as wrong", "it is damaged: counted, not scored (under both metrics here)"),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        path = folder / "data.json"
        if not path.is_file():
            raise self.absent(folder, path.name)
        hints = _given_points(folder / "pixmo_metadata.csv")
        for number, item in enumerate(json_list(path)):
            where = f"{path.name} item {number}"
            try:
                image, asked, category, mask = fields(item, _NAMES, where)
                count = item.get("count")
                if category == "counting" and (not isinstance(count, int) or count < 1):
                    raise Damaged("a field is missing: count", where)
                file = _found(folder, ("images", "selected_images"), str(category), str(image), "picture")
                covered = _found(folder, ("masks", "selected_masks"), str(category), str(mask), "mask")
                hint = ""
                if category == "steerable":
                    if hints is None:
                        raise Damaged("pixmo_metadata.csv is missing", where)
                    hint = _hint(hints.get(str(image)), file)
                asked = text_field(asked, "user_input", where).strip()
                prompt = f"{VLASER_PREFIX} {asked}{hint}" if self.settings.prompts == "vlaser" else f"{asked} {_ASKED}{hint}"
                wanted = count if category == "counting" else None
                yield Question(
                    f"point_bench/{number:04d}",
                    str(category),
                    prompt,
                    partial(_shown, file),
                    partial(_truth, covered, file, wanted),
                    POINT_TOKENS * (2 if wanted else 1),
                    POINT_TILES,
                )
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        mask, (width, height), wanted = truth
        if metric == "upstream" and self.settings.prompts == "vlaser":
            found = tagged_points(answer)
            if not found:
                return Verdict(0.0, fault=untagged(answer))
            points = thousandths(found)
            inside = [_upstream_inside(mask, int(x * width), int(y * height), width, height) for x, y in points]
        else:
            places = read_places(answer, self.settings.prompts)
            if not len(places):
                return Verdict(0.0, fault=NO_COORDINATES)
            points = list(places.points)
            inside = [bool(mask[pixel(y, mask.shape[0]), pixel(x, mask.shape[1])]) for x, y in points]
            inside += [False] * (len(places) - len(points))
        if wanted is None:
            points, inside = points[:1], inside[:1]
        right = all(inside) and (wanted is None or len(inside) == wanted)
        return placed(float(right), f"{sum(inside)} of {len(inside)} inside" + (f", {wanted} asked for" if wanted else ""), points)

    def target(self, truth: Any) -> tuple[np.ndarray, tuple]:
        return truth[0], ()


def _upstream_inside(mask: np.ndarray, x: int, y: int, width: int, height: int) -> bool:
    return 0 <= x < min(width, mask.shape[1]) and 0 <= y < min(height, mask.shape[0]) and bool(mask[y, x])


def _shown(path: Path) -> tuple:
    return (picture_file(path),)


def _truth(mask: Path, picture: Path, wanted: int | None) -> tuple[np.ndarray, tuple[int, int], int | None]:
    """(mask as bool: any channel above 127, size of the picture, how many are asked for)."""
    values = mask_file(mask)
    covered = values > 127 if values.ndim == 2 else (values > 127).any(axis=2)
    return covered, _size(picture), wanted


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, Image.DecompressionBombError) as error:
        raise Damaged("a picture cannot be decoded", f"{path}: {error}") from error


def _found(folder: Path, places: tuple[str, ...], category: str, name: str, what: str) -> Path:
    """The file, with or without its category's folder. Raises Damaged. Archives may hold accents in another form than data.json."""
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise Damaged(f"a {what}'s name leaves the folder", name)
    plain = unicodedata.normalize("NFC", relative.name)
    for place in places:
        for parent in (folder / place / category, folder / place):
            if (parent / relative).is_file():
                return parent / relative
            if not name.isascii() and parent.is_dir():
                for path in parent.iterdir():
                    if unicodedata.normalize("NFC", path.name) == plain:
                        return path
    raise Damaged(f"a {what} is missing", f"{category}/{name}")


def _given_points(path: Path) -> dict[str, list[dict]] | None:
    """The points (percent of the picture) that steerable questions start from, by picture; None without the file."""
    if not path.is_file():
        return None
    found = {}
    for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8", errors="replace"))):
        try:
            points = json.loads(row.get("points") or "[]")
            found[str(row.get("image_filename"))] = [{"x": float(point["x"]), "y": float(point["y"])} for point in points]
        except (ValueError, KeyError, TypeError):
            continue  # the question that needs it says so
    return found


def _hint(points: list[dict] | None, picture: Path) -> str:
    if not points:  # as its evaluation does
        return ""
    width, height = _size(picture)
    told = ", ".join(f"[{point['x'] * width / 100:.1f}, {point['y'] * height / 100:.1f}]" for point in points)
    return f"\nThe image contains an existing original point at pixel coordinates: {told}.\nThe query refers to this existing point."
