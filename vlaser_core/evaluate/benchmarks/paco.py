"""PACO-LVIS as points: is what the model points to the part of the object that was named?

Read are `paco_lvis_v1_pointing_test_single_conv.jsonl` of Vlaser's own evaluation (with `segmentation`: polygons of each thing), should a user
have it, and the published `annotations/paco_lvis_v1_test.json` with COCO's pictures below `images/`, the folder itself or COCO's `train2017/`
and `val2017/`. From the published file one question is made for each part class that occurs on exactly one annotated thing of a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as codec

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage
from vlaser_core.data.sources.items import member_spans, read_span
from vlaser_core.data.sources.masks import as_rle
from vlaser_core.data.sources.paco import said
from vlaser_core.evaluate.benchmarks.files import fields, picture_file
from vlaser_core.evaluate.benchmarks.places import POINT_TILES, POINT_TOKENS, judge_mask, paired_numbers, placed, thousandths
from vlaser_core.evaluate.benchmarks.pointing import FAR_EDGE, POOLED, asked, asked_plainly, below, lines
from vlaser_core.evaluate.benchmarks.question import NO_COORDINATES, Fault, Metric, Question, Questions, Verdict

SCRIPT = "paco_lvis_v1_pointing_test_single_conv.jsonl"
PUBLISHED = "paco_lvis_v1_test.json"
_FOLDERS = ("images", ".", "train2017", "val2017", "coco")


class PacoLvis(Questions):
    """Parts of everyday objects."""

    name = "paco_lvis"
    title = "PACO-LVIS"
    size = 0  # its set of questions was not published
    get = (
        f"put {PUBLISHED} of paco_lvis_v1.zip (github.com/facebookresearch/paco) into annotations/ there, and COCO's train2017/ and val2017/ beside that; "
        f"or Vlaser's {SCRIPT} with its pictures in images/"
    )
    faults = (
        POOLED,
        FAR_EDGE,
        Fault("drawn_outline", "polygons are drawn with their outline, a pixel wider than COCO's own masks", "COCO's masks"),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        published = [path for path in (folder / "annotations" / PUBLISHED, folder / PUBLISHED) if path.is_file()]
        if (folder / SCRIPT).is_file():
            yield from self._script(folder, folder / SCRIPT, damage)
        elif published:
            yield from self._published(folder, published[0], damage)
        else:
            raise self.absent(folder, f"annotations/{PUBLISHED} or {SCRIPT}")

    def notes(self, folder: Path) -> list[str]:
        return [] if (folder / SCRIPT).is_file() else ["questions made from the published annotations; the paper's own were not published"]

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        segmentation, (width, height) = truth
        if metric == "corrected" or self.settings.prompts == "benchmark":
            return judge_mask(_covered(segmentation, width, height), answer, self.settings.prompts)
        found = paired_numbers(answer)
        if not found:
            return Verdict(0.0, fault=NO_COORDINATES)
        mask = _drawn(segmentation, width, height)
        pixels = [(int(x / 1000 * width), int(y / 1000 * height)) for x, y in found]
        hits = sum(bool(mask[y, x]) for x, y in pixels if x < width and y < height)
        verdict = placed(hits / len(found), f"{hits} of {len(found)} inside", thousandths(found))
        return Verdict(verdict.score, float(len(found)), "", verdict.read, verdict.points)

    def target(self, truth: Any) -> tuple[np.ndarray, tuple]:
        return _covered(truth[0], *truth[1]), ()

    def _asked(self, expression: str) -> str:
        return asked(expression) if self.settings.prompts == "vlaser" else asked_plainly(expression)

    def _script(self, folder: Path, path: Path, damage: Damage) -> Iterator[Question]:
        for number, (where, item, size, expression, _) in enumerate(lines(path, damage)):
            try:
                (segmentation,) = fields(item, ("segmentation",), where)
                if not isinstance(segmentation, list) or not segmentation:
                    raise Damaged("a field is missing: segmentation", where)
                pictures = partial(_shown, below(folder / "images", item["image"], where))
                truth = partial(_script_truth, segmentation, size)
                yield Question(f"paco_lvis/script/{number:05d}", "parts", self._asked(expression), pictures, truth, POINT_TOKENS, POINT_TILES)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)

    def _published(self, folder: Path, path: Path, damage: Damage) -> Iterator[Question]:
        """One question a part class of a picture, where one annotation has it: what it means is then plain."""
        spans = member_spans(path, ("images", "annotations", "categories"))
        names, images = {}, {}
        for start, end in zip(spans["categories"].starts, spans["categories"].ends, strict=True):
            entry = read_span(path, start, end)
            if ":" in str(entry.get("name", "")):
                names[entry.get("id")] = str(entry["name"])
        for start, end in zip(spans["images"].starts, spans["images"].ends, strict=True):
            try:
                entry = read_span(path, start, end)
                identity, *shown = fields(entry, ("id", "file_name", "width", "height"), f"{path.name} image")
                images[identity] = shown
            except Damaged as error:
                damage.skip(f"{path.name} image ({error})", error.reason)
        places: dict[tuple[int, int], list[int]] = {}
        for number, (start, end) in enumerate(zip(spans["annotations"].starts, spans["annotations"].ends, strict=True)):
            try:
                image, kind = fields(read_span(path, start, end), ("image_id", "category_id"), f"{path.name} annotation {number}")
                if kind in names:
                    places.setdefault((image, kind), []).append(number)
            except Damaged as error:
                damage.skip(f"{path.name} annotation {number} ({error})", error.reason)
        for (image, kind), found in sorted(places.items()):
            if len(found) != 1:
                continue
            where = f"{path.name} annotation {found[0]}"
            try:
                if image not in images:
                    raise Damaged("an annotation's picture is not listed", f"{where}: {image}")
                name, width, height = images[image]
                file = _coco_file(folder, name, where)
                span = spans["annotations"].starts[found[0]], spans["annotations"].ends[found[0]]
                truth = partial(_published_truth, path, span, (width, height))
                prompt = self._asked(f"the {said(names[kind])}")
                yield Question(f"paco_lvis/{image}/{kind}", names[kind].split(":")[0], prompt, partial(_shown, file), truth, POINT_TOKENS, POINT_TILES)
            except Damaged as error:
                damage.skip(f"{where} ({error})", error.reason)


def _shown(path: Path) -> tuple:
    return (picture_file(path),)


@lru_cache(maxsize=1)
def _listing(folder: Path) -> frozenset[str]:
    return frozenset(place for place in _FOLDERS if (folder / place).is_dir())


def _coco_file(folder: Path, name: Any, where: str) -> Path:
    """COCO's file, wherever its archives were unpacked. PACO names it `val2017/000000000139.jpg`."""
    for place in (place for place in _FOLDERS if place in _listing(folder)):
        for relative in (str(name), Path(str(name)).name):
            path = below(folder / place, relative, where)
            if path.is_file():
                return path
    raise Damaged("a picture is missing", f"{where}: {name}")


def _script_truth(segmentation: Sequence[Any], size: tuple[int, int]) -> tuple[list[list[float]], tuple[int, int]]:
    """Each thing has a list of polygons; all of them together are right."""
    try:
        polygons = [[float(value) for value in polygon] for thing in segmentation for polygon in thing]
    except (TypeError, ValueError) as error:
        raise Damaged("mask cannot be decoded", str(error)) from error
    if not polygons or any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
        raise Damaged("mask cannot be decoded", "a polygon has three corners at least")
    return polygons, size


def _published_truth(path: Path, span: tuple[int, int], size: tuple[int, int]) -> tuple[Any, tuple[int, int]]:
    (segmentation,) = fields(read_span(path, *span), ("segmentation",), path.name)
    as_rle(segmentation, size[1], size[0])
    return segmentation, size


def _covered(segmentation: Any, width: int, height: int) -> np.ndarray:
    return codec.decode(as_rle(segmentation, height, width)).astype(bool)


def _drawn(segmentation: Any, width: int, height: int) -> np.ndarray:
    """Polygons as Vlaser's script draws them; a run-length mask, which it cannot read, as COCO decodes it."""
    if not isinstance(segmentation, list):
        return _covered(segmentation, width, height)
    canvas = Image.new("L", (width, height), 0)
    for polygon in segmentation:
        ImageDraw.Draw(canvas).polygon(list(zip(polygon[::2], polygon[1::2], strict=True)), outline=1, fill=1)
    return np.asarray(canvas, dtype=bool)
