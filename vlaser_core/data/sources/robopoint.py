"""RoboPoint's instruction data: `robopoint_1432k.json` with `images/` beside it.

    {"id": …, "image": "region_ref/….png", "conversations": [{"from": "human", …}, {"from": "gpt", "value": "[(0.461, 0.527), …]"}]}

Points are fractions of the picture; detection boxes are fractions too, given as centre, width and height. Boxes of the
RefCOCO and Visual Genome turns refer to a picture padded to a square, and are left out. Layout: wentaoyuan/RoboPoint,
README.md, and the wording of its own questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.phrasing import box_text, point_text
from vlaser_core.data.source import Sample
from vlaser_core.data.sources.base import ItemSource, conversation_turns
from vlaser_core.data.sources.pictures import read_picture
from vlaser_core.data.sources.regions import as_box, as_point, number_groups

_FORMAT = re.compile(r"\s*(?:Your answer should be formatted as|Format the result as)\b.*$", re.DOTALL)
_IS_LIST = re.compile(r"\s*\[\s*[\[(]?\s*-?\d")
_BOX_IN_TEXT = re.compile(r"\[\s*\d?\.\d+\s*,\s*\d?\.\d+\s*,\s*\d?\.\d+\s*,\s*\d?\.\d+\s*\]")
_FAMILIES = {"object_ref": "object_reference", "region_ref": "free_space"}


class RoboPoint(ItemSource):
    """Where things and free places are (synthetic scenes), boxes of LVIS, and general questions."""

    name = "robopoint"
    licence = "Apache-2.0; pictures under their own sources' licences"
    domain = "synthetic and web pictures"
    provenance = "simulator state and human labels, as published"
    get = "download the data set wentao-yuan/robopoint-data from Hugging Face and unpack images/*.tar.gz, so that robopoint_1432k.json lies beside images/"

    def files(self) -> Sequence[Path]:
        files = sorted(self.root.glob("robopoint*.json"))
        if not files:
            raise self.missing("robopoint_1432k.json")
        return files

    def samples(self, item: dict, key: str, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        turns = conversation_turns(item)
        image = item.get("image")
        pictures = [] if image is None else [read_picture(self.root / "images", str(image), self.name)]
        converted, regions = [], False
        for question, answer in turns:
            if _BOX_IN_TEXT.search(question) or (_IS_LIST.match(answer) and not _FORMAT.search(question)):
                raise Damaged("box of a padded picture", "RefCOCO and Visual Genome boxes do not refer to the picture as it is")
            if _IS_LIST.match(answer):
                converted.append(_region_turn(question, answer))
                regions = True
            else:
                converted.append((question, answer))
        family = _FAMILIES.get(str(image).split("/", 1)[0], "detection") if regions else "general"
        yield self.sample(key, pictures, converted, "grounding" if regions else "qa", family)


def _region_turn(question: str, answer: str) -> tuple[str, str]:
    groups = number_groups(answer)
    sizes = {len(group) for group in groups}
    asked = _FORMAT.sub("", question).strip()
    if sizes == {2}:
        return f"{asked} Answer with points.", point_text(*(as_point(x, y, 1, 1) for x, y in groups))
    if sizes == {4}:
        # A box at the edge may stand out of the picture by the last printed digit.
        corners = ((x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in groups)
        return f"{asked} Answer with boxes.", box_text(*(as_box(*(_to_edge(value) for value in box), 1, 1) for box in corners))
    raise Damaged("answer is no list of points or boxes", answer[:60])


def _to_edge(value: float) -> float:
    return min(max(value, 0.0), 1.0) if -0.006 < value < 1.006 else value
