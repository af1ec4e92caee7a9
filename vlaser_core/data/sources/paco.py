"""PACO-LVIS: `annotations/paco_lvis_v1_{train,val}.json` (COCO's form) with COCO's pictures in `train2017/` and `val2017/`.

Categories of supercategory PART are named `<object>:<part>` and their annotations carry obj_ann_id; images name categories
that were looked for in vain (neg_category_ids) and those not labelled everywhere (not_exhaustive_category_ids); only what is
labelled everywhere is asked for as a whole. Layout: facebookresearch/paco, docs/PACO_DATASET.md and its category list.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.phrasing import box_text, point_text
from vlaser_core.data.source import Damage, Sample, Unit
from vlaser_core.data.sources.base import Described, Split, file_key, unit_rng
from vlaser_core.data.sources.items import Spans, member_spans, read_span
from vlaser_core.data.sources.masks import as_rle, box_of, told_point
from vlaser_core.data.sources.pictures import Sized, read_picture
from vlaser_core.data.sources.regions import as_box
from vlaser_core.errors import InputError
from vlaser_core.reasoning.parse import NOT_VISIBLE

IMAGES_A_UNIT = 500
MOST_BOXES = 12
_SPLITS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
_IMAGE_ID = re.compile(rb'"image_id"\s*:\s*(\d+)')


@dataclass
class _Index:
    """Where images and their annotations are in one file, and its categories and attributes by id."""

    images: Spans
    notes: Spans
    image_of: array
    order: np.ndarray
    names: dict[int, tuple[str, bool]]
    attributes: dict[int, str]
    colours: set[int]


class PacoLvis(Described):
    """Boxes of objects and their parts, points inside parts, objects that are not there, colours."""

    name = "paco_lvis"
    licence = "MIT (annotations); COCO pictures under Flickr terms"
    domain = "web pictures"
    provenance = "human labels"
    get = (
        "download paco_lvis_v1.zip (linked from github.com/facebookresearch/paco) into annotations/, COCO's train2017 and val2017 beside it, "
        "and give the folder that holds annotations/, train2017/ and val2017/"
    )

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._indices: dict[Path, _Index] = {}

    def files(self) -> Sequence[Path]:
        files = [path for folder in ("annotations", ".") for path in sorted((self.root / folder).glob("paco_lvis_v1_*.json"))]
        if not files:
            raise self.missing("annotations/paco_lvis_v1_train.json")
        return files

    def units(self) -> Sequence[Unit]:
        """Runs of 500 pictures of a file."""
        units = []
        for path in self.files():
            count = len(self._index(path).images)
            key = file_key(path.relative_to(self.root))
            units += [
                Unit(self.name, f"{key}.{first}-{min(first + IMAGES_A_UNIT, count)}", min(IMAGES_A_UNIT, count - first))
                for first in range(0, count, IMAGES_A_UNIT)
            ]
        return units

    def read(self, unit: Unit, damage: Damage, seed: int) -> Iterator[Sample]:
        key, _, span = unit.key.rpartition(".")
        path = next((path for path in self.files() if file_key(path.relative_to(self.root)) == key), None)
        if path is None:
            raise InputError(f"unit {unit.key!r} of {self.name}: its file is gone from {self.root}")
        index, split = self._index(path), _SPLITS.get(path.stem.rsplit("_", 1)[-1], "train")
        first, last = (int(part) for part in span.split("-"))
        for number in range(first, last):
            rng = np.random.default_rng([int(unit_rng(unit, seed).integers(1 << 32)), number])
            try:
                image = read_span(path, index.images.starts[number], index.images.ends[number])
                yield from self._samples(path, index, image, split, rng, damage)
            except Damaged as error:
                damage.skip(f"{path.name} image {number} ({error})", error.reason)

    def _index(self, path: Path) -> _Index:
        if path not in self._indices:
            lists = member_spans(path, ("images", "annotations", "categories", "attributes"))
            notes, image_of = lists["annotations"], array("q")
            with path.open("rb") as file:
                for start, end in zip(notes.starts, notes.ends, strict=True):
                    file.seek(start)
                    found = _IMAGE_ID.search(file.read(end - start))
                    image_of.append(int(found.group(1)) if found else -1)
            try:
                categories = [read_span(path, *span) for span in zip(lists["categories"].starts, lists["categories"].ends, strict=True)]
                attributes = [read_span(path, *span) for span in zip(lists["attributes"].starts, lists["attributes"].ends, strict=True)]
                names = {
                    int(entry["id"]): (str(entry["name"]), entry.get("supercategory") == "PART" or ":" in entry["name"])
                    for entry in categories
                }
                called = {int(entry["id"]): str(entry["name"]).replace("_", " ") for entry in attributes}
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(f"{path}: categories or attributes are incomplete: {error!r}") from error
            order = np.argsort(np.asarray(image_of), kind="stable")
            # The first thirty attributes are colours, the last of them `other(color)` (docs/PACO_DATASET.md).
            colours = {number for number, name in called.items() if number < 29 and "(" not in name}
            self._indices[path] = _Index(lists["images"], notes, image_of, order, names, called, colours)
        return self._indices[path]

    def _notes(self, path: Path, index: _Index, image: int) -> list[dict]:
        owners = np.asarray(index.image_of)
        low, high = np.searchsorted(owners, [image, image + 1], sorter=index.order)
        return [read_span(path, index.notes.starts[place], index.notes.ends[place]) for place in index.order[low:high]]

    def _samples(self, path: Path, index: _Index, image: dict, split: Split, rng: np.random.Generator, damage: Damage) -> Iterator[Sample]:
        try:
            number, width, height, file_name = int(image["id"]), int(image["width"]), int(image["height"]), str(image["file_name"])
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged("image entry is incomplete", repr(error)) from error
        picture = read_picture(self.root, file_name, self.name)
        if (picture.width, picture.height) != (width, height):
            raise Damaged("picture of another size than labelled", f"{picture.width} × {picture.height}, labelled {width} × {height}")
        notes: dict[int, list[tuple[dict, dict]]] = {}
        for note in self._notes(path, index, number):
            try:
                kind = int(note["category_id"])
                if kind not in index.names:
                    raise Damaged("unknown category", f"{kind}")
                notes.setdefault(kind, []).append((note, as_rle(note["segmentation"], height, width)))
            except (Damaged, KeyError, TypeError, ValueError) as error:
                reason = error.reason if isinstance(error, Damaged) else "annotation is incomplete"
                damage.skip(f"{path.name} annotation {note.get('id')} ({error})", reason)
                return  # a picture of which one thing is unreadable cannot be asked for all of them
        yield from self._ask(index, image, picture, notes, split, rng)

    def _ask(
        self, index: _Index, image: dict, picture: Sized, notes: dict[int, list[tuple[dict, dict]]], split: Split, rng: np.random.Generator
    ) -> Iterator[Sample]:
        size, key = (picture.width, picture.height), str(image["id"])
        unsure = set(image.get("not_exhaustive_category_ids") or ())
        whole = [kind for kind in sorted(notes) if not index.names[kind][1] and kind not in unsure and len(notes[kind]) <= MOST_BOXES]
        if whole:
            kind = whole[rng.integers(len(whole))]
            boxes = box_text(*(as_box(*box_of(rle), *size) for _, rle in notes[kind]))
            yield self.sample(
                f"{key}.objects",
                [picture],
                [(f"Give the box of every {said(index.names[kind][0])}.", boxes)],
                "grounding",
                "objects",
                split,
            )
        absent = [kind for kind in image.get("neg_category_ids") or () if kind in index.names and kind not in notes]
        if absent:
            kind = absent[rng.integers(len(absent))]
            asked = [(f"Give the box of the {said(index.names[kind][0])}.", NOT_VISIBLE)]
            yield self.sample(f"{key}.absent", [picture], asked, "grounding", "absent", split)
        single = [kind for kind in sorted(notes) if not index.names[kind][1] and len(notes[kind]) == 1 and kind not in unsure]
        owners = {notes[kind][0][0]["id"]: kind for kind in single}
        parts = [
            (kind, notes[kind][0][1])
            for kind in sorted(notes)
            if index.names[kind][1] and len(notes[kind]) == 1 and kind not in unsure and notes[kind][0][0].get("obj_ann_id") in owners
        ]
        if parts:
            kind, rle = parts[rng.integers(len(parts))]
            turns = [(f"Give the box of the {said(index.names[kind][0])}.", box_text(as_box(*box_of(rle), *size)))]
            told = told_point(rle)
            if told is not None:
                turns.append((f"Point to the {said(index.names[kind][0])}.", point_text(told[0])))
            yield self.sample(f"{key}.part", [picture], turns, "grounding", "part", split)
        coloured = [(kind, colour) for kind in single for colour in [_colour(index, notes[kind][0][0])] if colour]
        if coloured:
            kind, colour = coloured[rng.integers(len(coloured))]
            yield self.sample(
                f"{key}.colour", [picture], [(f"What colour is the {said(index.names[kind][0])}?", colour)], "qa", "colour", split
            )


def _colour(index: _Index, note: dict) -> str:
    """The one colour of an object that has no other; empty where it is not that simple."""
    colours = [number for number in note.get("attribute_ids") or () if number in index.colours]
    return index.attributes[colours[0]] if len(colours) == 1 and not note.get("unknown_color") else ""


def said(name: str) -> str:
    """`glass_(drink_container):base_panel` as one says it: `base panel of the glass`."""
    thing, _, part = name.partition(":")
    thing = re.sub(r"_?\(.*?\)", "", thing).replace("_", " ").strip()
    return f"{part.replace('_', ' ')} of the {thing}" if part else thing
