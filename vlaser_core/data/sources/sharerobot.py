"""ShareRobot (BAAI): plans with frames, affordance boxes and gripper trajectories.

    planning/train/*.json, planning/jsons/*.json   id, task, selected_step, conversations, image: […]   (a file a question type)
    planning/…/rtx_frames_success_<n>/<episode>/frame_<k>.png
    affordance/*.json + affordance/images/         id, image_path, instruction, meta_data, affordance {x, y, width, height} in pixels
    trajectory/*.json + trajectory/images/         …, trajectory [[x, y], …] in pixels

Picture paths are those of the publisher's disks; what follows `rtx_frames_success_` is looked for below the folder. Layout:
the data set card of BAAI/ShareRobot and the loaders that read it; the three annotation forms are as those loaders have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.phrasing import box_text, point_text
from vlaser_core.data.source import Sample
from vlaser_core.data.sources.base import ItemSource, conversation_turns, spread
from vlaser_core.data.sources.pictures import Sized, read_picture
from vlaser_core.data.sources.regions import as_box, as_point

FRAMES = 8
_RANGE = re.compile(r"<\s*image\s*(\d+)?(?:\s*-\s*(\d+))?\s*>")
_FROM = re.compile(r"rtx_frames_success_\d+/.*")
_PLACES = ("planning/rt_frames_success", "planning/images/rt_frames_success", "planning/images", "planning")
_QA = ("success", "affordance", "past_description")


class ShareRobot(ItemSource):
    """frames: most frames of a plan's question; first, last and the step asked about are among them."""

    name = "sharerobot"
    licence = "see the data set's card (BAAI/ShareRobot); pictures from Open X-Embodiment"
    domain = "open x-embodiment robots"
    provenance = "human and model labels, as published"
    get = (
        "download the data set BAAI/ShareRobot from Hugging Face, unpack planning/images/*.tar.gz.*, "
        "and give the folder with planning/, affordance/ and trajectory/"
    )

    def __init__(self, root: Path, frames: int = FRAMES) -> None:
        super().__init__(root)
        self.frames = frames

    def files(self) -> Sequence[Path]:
        files = sorted(self.root.glob("planning/train/*.json")) or sorted(self.root.glob("planning/jsons/*.json"))
        for part in ("affordance", "trajectory"):
            files += [path for path in sorted(self.root.glob(f"{part}/*.json")) if "test" not in path.stem]
        if not files:
            raise self.missing("planning/train/*.json, affordance/*.json or trajectory/*.json")
        return files

    def samples(self, item: dict, key: str, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        part = path.relative_to(self.root).parts[0]
        yield self._plan(item, key, path) if part == "planning" else self._region(item, key, part)

    def _plan(self, item: dict, key: str, path: Path) -> Sample:
        turns = conversation_turns(item)
        images = item.get("image")
        if not isinstance(images, list) or not images:
            raise Damaged("item names no pictures", str(item.get("id")))
        asked = _RANGE.search(turns[0][0])
        if asked and asked.group(2) and int(asked.group(2)) < len(images):
            images = images[int(asked.group(1)) : int(asked.group(2)) + 1]
        turns = [(_RANGE.sub("", question).strip(), answer) for question, answer in turns]
        pictures = [self._frame(str(images[index])) for index in spread(len(images), self.frames)]
        family = re.sub(r"[^a-z]+", "_", path.stem.lower().removesuffix("_task")).strip("_")
        return self.sample(key, pictures, turns, "qa" if family.startswith(_QA) or "affordance" in family else "planning", family)

    def _frame(self, written: str) -> Sized:
        found = _FROM.search(written.replace("\\", "/"))
        relative = found.group() if found else written.lstrip("/")
        place = next((place for place in _PLACES if (self.root / place / relative).is_file()), _PLACES[0])
        return read_picture(self.root, f"{place}/{relative}", self.name)

    def _region(self, item: dict, key: str, part: str) -> Sample:
        try:
            width, height = float(item["meta_data"]["original_width"]), float(item["meta_data"]["original_height"])
            instruction, written = str(item["instruction"]).strip().rstrip("."), str(item["image_path"])
            if part == "affordance":
                box = item["affordance"]
                x, y = float(box["x"]), float(box["y"])
                answer = box_text(as_box(x, y, x + float(box["width"]), y + float(box["height"]), width, height))
                question = f"Which part of the picture should the gripper take hold of to {_lower(instruction)}? Answer with a box."
            else:
                answer = point_text(*(as_point(float(x), float(y), width, height) for x, y in item["trajectory"]))
                question = f"Along which points should the gripper move to {_lower(instruction)}? Answer with points in order."
        except Damaged:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged("annotation is incomplete", repr(error)) from error
        found = _FROM.search(written)
        relative = found.group() if found else written.lstrip("/")
        picture = read_picture(self.root, f"{part}/images/{relative}", self.name)
        if (picture.width, picture.height) != (width, height) and abs(
            picture.width * height - picture.height * width
        ) > 0.02 * width * picture.height:
            raise Damaged(
                "picture of another shape than labelled", f"{picture.width} × {picture.height}, labelled on {width:g} × {height:g}"
            )
        return self.sample(key, [picture], [(question, answer)], "grounding", part)


def _lower(instruction: str) -> str:
    return instruction[:1].lower() + instruction[1:]
