"""RefSpatial-Bench (BAAI/RefSpatial-Bench: location 100, placement 100, unseen 77): `data/{location,placement,unseen}-*.parquet` with id, image,
mask, object, prompt, suffix, step; or the raw folders `Location/`, `Placement/`, `Unseen/` with `question.json`, `image/`, `mask/`.

The score is the mean over all questions; each split, and the two without `unseen`, stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Damage
from vlaser_core.evaluate.benchmarks.files import Rows, fields, json_list, mask_file, picture, picture_file, pixels_of, text_field
from vlaser_core.evaluate.benchmarks.places import POINT_TILES, POINT_TOKENS, VLASER_PREFIX, judge_mask, judge_tagged
from vlaser_core.evaluate.benchmarks.question import Fault, Metric, Question, Questions, Verdict
from vlaser_core.evaluate.benchmarks.where2place import judge_tuples, single

SPLITS = ("location", "placement", "unseen")
_NAMES = ("id", "prompt", "suffix")


class RefSpatial(Questions):
    """Things and free places named by several relations at once."""

    name = "refspatial_bench"
    title = "RefSpatial-Bench"
    size = 277
    get = "put the data set BAAI/RefSpatial-Bench there: data/*.parquet, or the folders Location/, Placement/ and Unseen/"
    faults = (
        Fault("any_grey", "every pixel of the mask that is not black is inside", "a pixel is inside above half"),
        Fault("tags", "coordinates without <point> tags, and a second list, are not read", "every [x, y] of the answer"),
        Fault("far_edge", "x or y of 1000 lies outside", "it is the last pixel"),
        Fault("left_out", "an answer that breaks the reader is left out of the mean", "it is wrong"),
        Fault("repeats", "a right point given twice counts twice", "once"),
    )

    def questions(self, folder: Path, damage: Damage) -> Iterator[Question]:
        tables = {split: sorted(folder.glob(f"data/{split}-*.parquet")) for split in SPLITS}
        raw = {split: folder / split.capitalize() / "question.json" for split in SPLITS}
        if not any(tables.values()) and not any(path.is_file() for path in raw.values()):
            raise self.absent(folder, "data/*.parquet or Location/question.json")
        for split in SPLITS:
            found = self._rows(tables[split]) if tables[split] else self._raw(raw[split]) if raw[split].is_file() else iter(())
            for where, item, pictures, truth in found:
                try:
                    if isinstance(item, Damaged):
                        raise item
                    identity, prompt, suffix = fields(item, _NAMES, where)
                    prompt = text_field(prompt, "prompt", where).strip()
                    asked = f"{VLASER_PREFIX} {prompt}" if self.settings.prompts == "vlaser" else f"{prompt} {suffix}"
                    yield Question(f"refspatial_bench/{split}/{identity}", split, asked, pictures, truth, POINT_TOKENS, POINT_TILES)
                except Damaged as error:
                    damage.skip(f"{where} ({error})", error.reason)

    def judge(self, truth: Any, answer: str, metric: Metric) -> Verdict:
        mask = single(truth)
        if metric == "corrected":
            return judge_mask(mask > 127, answer, self.settings.prompts)
        values = (mask > 0).astype(float)
        if self.settings.prompts == "vlaser":
            return judge_tagged(values, answer)
        return judge_tuples(values, answer, (mask.shape[1], mask.shape[0]), whole_numbers_are_pixels=True)

    def target(self, truth: Any) -> tuple[Any, tuple]:
        return single(truth) > 127, ()

    @staticmethod
    def _rows(paths: list[Path]) -> Iterator[tuple]:
        rows = Rows(paths, _NAMES, heavy=("image", "mask"))
        for where, item, key in rows:
            yield where, item, partial(_table_picture, rows, key, where), partial(_table_mask, rows, key, where)

    @staticmethod
    def _raw(path: Path) -> Iterator[tuple]:
        for number, item in enumerate(json_list(path)):
            where = f"{path.parent.name}/{path.name} item {number}"
            try:
                image, mask = fields(item, ("rgb_path", "mask_path"), where)
            except Damaged as error:
                yield where, error, None, None
                continue
            yield where, item, partial(_file_picture, path.parent / str(image)), partial(mask_file, path.parent / str(mask))


def _table_picture(rows: Rows, key: Any, where: str) -> tuple:
    return (picture(rows.heavy(key, "image"), where),)


def _table_mask(rows: Rows, key: Any, where: str) -> Any:
    data = rows.heavy(key, "mask")
    content = data.get("bytes") if isinstance(data, dict) else data
    if not content:
        raise Damaged("a mask is missing", where)
    return pixels_of(content, where)


def _file_picture(path: Path) -> tuple:
    return (picture_file(path),)
