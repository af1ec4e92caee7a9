"""PixMo-Points (Ai2): `data/train-*.parquet` with labels and points, pictures fetched from the web by the user.

Columns image_url, image_sha256, points [{x, y}], count, label, collection_method. Coordinates are percent of the picture, as
Molmo's own loader reads them (its card says pixels). Pictures are looked for in `images/`, named after their SHA-256, and
must have it: what a site shows today is not always what was labelled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.phrasing import point_text
from vlaser_core.data.source import Sample
from vlaser_core.data.sources.base import TableSource
from vlaser_core.data.sources.pictures import Sized, sized
from vlaser_core.data.sources.regions import as_point
from vlaser_core.reasoning.parse import NOT_VISIBLE

MOST_POINTS = 60
_SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp")
_ALL = ("Point to every {label}.", "Point to all {label}.", "Where is {label}? Answer with points.")
_COUNT = ("How many {label} are there? Point to each, then say the number.", "Count {label}: point, then say how many.")


class PixmoPoints(TableSource):
    """Points on web pictures, none where a label does not occur, and counts."""

    name = "pixmo_points"
    licence = "ODC-BY-1.0; pictures under their own licences"
    domain = "web pictures"
    provenance = "human labels"
    get = (
        "download the data set allenai/pixmo-points from Hugging Face (data/train-*.parquet), fetch each image_url into images/<image_sha256>.jpg "
        "beside data/, and give the folder that holds both"
    )

    def files(self) -> Sequence[Path]:
        files = sorted(self.root.glob("data/train-*.parquet")) or sorted(self.root.glob("train-*.parquet"))
        if not files:
            raise self.missing("data/train-*.parquet")
        return files

    def columns(self) -> list[str]:
        return ["image_sha256", "points", "count", "label", "collection_method"]

    def samples(self, row: dict, key: str, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        label, points = str(row["label"] or "").strip(), row["points"] or []
        if not label:
            raise Damaged("no label", key)
        if len(points) > MOST_POINTS:
            raise Damaged("too many points for an answer", f"{len(points)}")
        if row["count"] is not None and row["count"] != len(points):
            raise Damaged("count differs from the points", f"{row['count']} and {len(points)}")
        # Drawn before the picture is looked for: a picture fetched later must not change the other records.
        wordings = _COUNT if row["collection_method"] == "counting" and points else _ALL
        question = wordings[rng.integers(len(wordings))].format(label=label)
        picture = self._picture(str(row["image_sha256"]))
        answer = point_text(*(as_point(point["x"], point["y"], 100, 100) for point in points)) if points else NOT_VISIBLE
        if wordings is _COUNT:
            answer += f" {len(points)}"
        yield self.sample(key, [picture], [(question, answer)], "grounding", "count" if wordings is _COUNT else "pointing")

    def _picture(self, digest: str) -> Sized:
        folder = self.root / "images"
        for suffix in _SUFFIXES:
            path = folder / f"{digest}{suffix}"
            if path.is_file():
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() != digest:
                    raise Damaged("picture is another than labelled", str(path))
                return sized(data, f"{self.name}/{digest[:2]}/{digest}")
        raise Damaged("picture is missing", str(folder / digest))
