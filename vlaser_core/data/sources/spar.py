"""Spatial questions in SPAR-7M's and VSI-590K's layouts.

SPAR: `<part>/qa_jsonl/train/<task>/<form>/<form>_<n>.jsonl` (id, type, image […], conversations, markers) with `<part>/images/`.
Questions speak of red, blue, green and yellow points or boxes whose places (0…1000) are in the item; they are drawn here, as
the publisher's loader does. For several pictures the items say which picture a point belongs to; for boxes the rule differs
from task to task, so those are left out. Layout: LogosRoboticsGroup/SPAR, datasets/.

VSI: `vsi_590k*.jsonl` (conversations, question_type, and image or video, relative to the folder). Layout: nyu-visionx/VSI-590K as
its published loaders read it; videos are shown as evenly spread frames.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.source import Sample
from vlaser_core.data.sources.base import ItemSource, conversation_turns, spread
from vlaser_core.data.sources.pictures import Sized, read_picture, sized

_COLOURS = ("red", "blue", "green", "yellow")
_TAGS = re.compile(r"<(?:image|video)>|Frame-\d+:\s*|Image-\d+:\s*")


class Spar(ItemSource):
    """SPAR-7M. pictures: most pictures of a question; items of more (long videos) are thinned evenly."""

    name = "spar"
    licence = "see the data set's card (jasonzhango/SPAR-7M); scenes under ScanNet's, ScanNet++'s and Structured3D's terms"
    domain = "indoor scans"
    provenance = "3-D ground truth, as published"
    get = "download the data set jasonzhango/SPAR-7M from Hugging Face, unpack it, and give the folder spar/ that holds scannet/, scannetpp/, …"

    def __init__(self, root: Path, pictures: int = 10) -> None:
        super().__init__(root)
        self.most = pictures

    def files(self) -> Sequence[Path]:
        files = sorted(self.root.glob("*/qa_jsonl/train/*/*/*.jsonl"))
        if not files:
            raise self.missing("<part>/qa_jsonl/train/<task>/<form>/*.jsonl")
        return files

    def samples(self, item: dict, key: str, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        turns = [(_TAGS.sub("", question).strip(), answer) for question, answer in conversation_turns(item)]
        part = path.relative_to(self.root).parts[0]
        images = item.get("image")
        images = [images] if isinstance(images, str) else images
        if not isinstance(images, list) or not images:
            raise Damaged("item names no pictures", str(item.get("id")))
        marks = _marks(item, len(images))
        chosen = range(len(images)) if marks else spread(len(images), self.most)
        pictures = []
        for index in chosen:
            picture = read_picture(self.root / part / "images", str(images[index]), f"{self.name}/{part}")
            drawn = [mark for mark in marks if mark[0] == index]
            pictures.append(_drawn(picture, drawn, f"{path.stem}.{key}.{index}") if drawn else picture)
        family = str(item.get("type") or path.parent.parent.name)
        yield self.sample(f"{part}.{path.parent.parent.name}.{key}", pictures, turns, "spatial", family)


def _marks(item: dict, pictures: int) -> list[tuple[int, str, tuple[float, ...]]]:
    """(picture, colour, place) of each marker; a place of two numbers is a point, of four a box."""
    marks = []
    owners = item.get("point_img_idx")
    points = [colour for colour in _COLOURS if item.get(f"{colour}_point")]
    boxes = [colour for colour in _COLOURS if item.get(f"{colour}_bbox")]
    if boxes and pictures > 1 and item.get("type") != "position_matching":
        raise Damaged("box markers over several pictures", str(item.get("type")))
    try:
        for order, colour in enumerate(points):
            owner = int(owners[0][order]) if pictures > 1 else 0
            marks.append((owner, colour, tuple(float(value) for value in item[f"{colour}_point"][0])))
        marks += [(0, colour, tuple(float(value) for value in item[f"{colour}_bbox"][0])) for colour in boxes]
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise Damaged("marker cannot be placed", f"{item.get('id')}: {error!r}") from error
    for owner, _, place in marks:
        if len(place) not in (2, 4) or not all(0 <= value <= 1000 for value in place) or not 0 <= owner < pictures:
            raise Damaged("marker outside the picture", f"{place} on picture {owner}")
    return marks


def _drawn(picture: Sized, marks: list[tuple[int, str, tuple[float, ...]]], key: str) -> Sized:
    with Image.open(io.BytesIO(picture.picture.data)) as image:
        canvas = image.convert("RGB")
    draw = ImageDraw.Draw(canvas)
    size = max(canvas.width, canvas.height) / 100
    for _, colour, place in marks:
        scaled = [value / 1000 * (canvas.width, canvas.height)[index % 2] for index, value in enumerate(place)]
        if len(scaled) == 2:
            draw.ellipse([scaled[0] - size, scaled[1] - size, scaled[0] + size, scaled[1] + size], fill=colour)
        else:
            corners = [min(scaled[::2]), min(scaled[1::2]), max(scaled[::2]), max(scaled[1::2])]
            draw.rectangle(corners, outline=colour, width=max(round(size), 1))
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=92)
    return sized(buffer.getvalue(), f"spar/marked/{key}.jpg")


class Vsi(ItemSource):
    """VSI-590K. frames: of each video."""

    name = "vsi"
    licence = "Apache-2.0; scenes under their own sources' terms"
    domain = "indoor scans"
    provenance = "3-D ground truth and simulation, as published"
    get = "download the data set nyu-visionx/VSI-590K from Hugging Face, unpack its archives, and give the folder that holds vsi_590k.jsonl"

    def __init__(self, root: Path, frames: int = 8) -> None:
        super().__init__(root)
        self.frames = frames

    def files(self) -> Sequence[Path]:
        files = sorted(self.root.glob("vsi_590k*.jsonl"))
        if not files:
            raise self.missing("vsi_590k.jsonl")
        return files

    def samples(self, item: dict, key: str, path: Path, rng: np.random.Generator) -> Iterator[Sample]:
        turns = [(_TAGS.sub("", question).strip(), answer) for question, answer in conversation_turns(item)]
        if item.get("video"):
            pictures = video_frames(self.root, str(item["video"]), self.frames, self.name)
        elif item.get("image"):
            images = item["image"] if isinstance(item["image"], list) else [item["image"]]
            pictures = [read_picture(self.root, str(image), self.name) for image in images]
        else:
            raise Damaged("item names no pictures", key)
        yield self.sample(key, pictures, turns, "spatial", str(item.get("question_type") or "spatial"))


def video_frames(root: Path, relative: str, count: int, source: str) -> list[Sized]:
    """`count` frames of a video, evenly spread over it. Raises Damaged: missing, cut off, or shorter than that."""
    path = root / relative
    if not path.is_file() or ".." in Path(relative).parts:
        raise Damaged("video is missing", str(path))
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            total = stream.frames or sum(1 for _ in container.decode(stream))
            wanted = spread(total, count)
        found = []
        with av.open(str(path)) as container:
            for index, frame in enumerate(container.decode(container.streams.video[0])):
                if index in wanted:
                    buffer = io.BytesIO()
                    frame.to_image().save(buffer, "JPEG", quality=92)
                    found.append(sized(buffer.getvalue(), f"{source}/{Path(relative).with_suffix('')}/{index:06d}.jpg"))
                if index == wanted[-1]:
                    break
    except (av.FFmpegError, OSError, IndexError) as error:
        raise Damaged("video cannot be read", f"{path}: {error}") from error
    if len(found) < len(wanted):
        raise Damaged("video is shorter than it says", f"{path}: {len(found)} of {len(wanted)} frames")
    return found
