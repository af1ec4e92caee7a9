"""SA-1B (Meta): `sa_<n>.jpg` with `sa_<n>.json` beside it, in folders `sa_000000/`, … as its archives unpack.

    {"image": {"image_id", "width", "height", "file_name"}, "annotations": [{"id", "segmentation": {"size", "counts"}, "bbox": [x, y, w, h],
     "area", "predicted_iou", "stability_score", "point_coords", "crop_box"}]}

Masks have no names. What they say exactly: the box of the thing at a point, whether two points lie on one thing, a point
on what fills a box. Masks lie within each other, so only points that one mask holds are asked about. Captions come from
label writers later. Layout: facebookresearch/segment-anything, README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.phrasing import box_text, point_text
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.sources.base import Described, file_key, unit_rng
from vlaser_core.data.sources.masks import Rle, as_rle, box_of, covers, told_point
from vlaser_core.data.sources.pictures import Sized, read_picture
from vlaser_core.data.sources.regions import as_box, as_point

PICTURES_A_UNIT = 200
SMALLEST = 0.002  # of the picture: smaller things are seldom what a person would point at
_BOX_AT = ("Give the box of the thing at [[{x}, {y}]].", "Which box does the object at [[{x}, {y}]] fill?")
_POINT_IN = ("Point to the thing that fills the box [[{box}]].", "Give a point on the object in the box [[{box}]].")
_SAME = ("Are [[{x}, {y}]] and [[{u}, {v}]] on the same thing?", "Do the points [[{x}, {y}]] and [[{u}, {v}]] lie on one object?")


class Sa1b(Described):
    """regions: masks asked about in a picture, at most."""

    name = "sa1b"
    licence = "SA-1B Dataset Research License"
    domain = "photographs"
    provenance = "Segment Anything masks, as published"
    get = "download SA-1B from ai.meta.com/datasets/segment-anything and unpack its archives; give the folder that holds sa_000000/, sa_000001/, …"

    def __init__(self, root: Path, regions: int = 3) -> None:
        super().__init__(root)
        self.regions = regions

    def units(self) -> Sequence[Unit]:
        """Runs of 200 pictures of a folder."""
        units = [
            Unit(self.name, f"{file_key(folder)}.{first}", min(PICTURES_A_UNIT, len(files) - first))
            for folder, files in self._folders().items()
            for first in range(0, len(files), PICTURES_A_UNIT)
        ]
        if not units:
            raise self.missing("sa_000000/sa_*.json")
        return units

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        key, _, first = unit.key.rpartition(".")
        files = next(files for folder, files in self._folders().items() if file_key(folder) == key)
        base = int(unit_rng(unit, seed).integers(1 << 32))
        for number, path in enumerate(files[int(first) : int(first) + PICTURES_A_UNIT]):
            try:
                yield from self._samples(path, np.random.default_rng([base, number]))
            except Damaged as error:
                damage.skip(f"{path} ({error})", error.reason)

    def _folders(self) -> dict[Path, list[Path]]:
        folders: dict[Path, list[Path]] = {}
        for path in sorted(self.root.glob("**/sa_*.json"), key=lambda path: (path.parent, len(path.name), path.name)):
            folders.setdefault(path.parent.relative_to(self.root), []).append(path)
        return folders

    def _samples(self, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            image, notes = content["image"], content["annotations"]
            width, height, file_name = int(image["width"]), int(image["height"]), str(image["file_name"])
            rles = [as_rle(note["segmentation"], height, width) for note in notes]
            stated = [tuple(float(value) for value in note["bbox"]) for note in notes]
            areas = np.array([float(note["area"]) for note in notes])
        except Damaged:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged("annotation file cannot be read", repr(error)) from error
        picture = read_picture(self.root, str((path.parent / file_name).relative_to(self.root).as_posix()), self.name)
        if (picture.width, picture.height) != (width, height):
            raise Damaged("picture of another size than labelled", f"{picture.width} × {picture.height}, labelled {width} × {height}")
        found = []
        for index in rng.permutation(np.flatnonzero(areas >= SMALLEST * width * height)):
            box = box_of(rles[index])
            x, y, box_width, box_height = stated[index]
            if max(abs(box[0] - x), abs(box[1] - y), abs(box[2] - x - box_width), abs(box[3] - y - box_height)) > 2:
                raise Damaged("box does not fit its mask", f"mask {index} of {path.name}")
            told = told_point(rles[index])
            if told is not None and int(covers(rles, *told[1]).sum()) == 1:
                found.append((told[0], as_box(*box, width, height), told[1], index))
            if len(found) == self.regions:
                break
        for number, (point, box, _, _) in enumerate(found):
            inside = ", ".join(map(str, box))
            turns = [
                (_BOX_AT[rng.integers(2)].format(x=point[0], y=point[1]), box_text(box)),
                (_POINT_IN[rng.integers(2)].format(box=inside), point_text(point)),
            ]
            yield self.sample(f"{path.stem}.{number}", [picture], turns[:: 1 if rng.random() < 0.5 else -1], "grounding", "region")
        if len(found) >= 2:
            yield self._same(path, picture, found, rles, rng)

    def _same(self, path: Path, picture: Sized, found: list, rles: list[Rle], rng: np.random.Generator) -> Sample:
        """Two points on one thing, or on two things neither of which lies in the other's mask."""
        (first, _, pixel, index), (second, _, _, _) = found[0], found[1]
        answer = "no"
        if rng.random() < 0.5:
            x1, y1, x2, y2 = (int(value) for value in box_of(rles[index]))
            for _ in range(20):
                x, y = int(rng.integers(x1, x2)), int(rng.integers(y1, y2))
                point = as_point(x + 0.5, y + 0.5, picture.width, picture.height)
                back = (
                    min(int(point[0] * picture.width / 1000), picture.width - 1),
                    min(int(point[1] * picture.height / 1000), picture.height - 1),
                )
                held = covers(rles, *back)
                if held[index] and held.sum() == 1 and abs(x - pixel[0]) + abs(y - pixel[1]) > 20:
                    second, answer = point, "yes"
                    break
        question = _SAME[rng.integers(2)].format(x=first[0], y=first[1], u=second[0], v=second[1])
        return self.sample(f"{path.stem}.same", [picture], [(question, answer)], "qa", "same_thing")
