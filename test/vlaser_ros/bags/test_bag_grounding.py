"""A phrase in a bag's pictures: every look is in the table, and the film is as long as the recording."""

from __future__ import annotations

import csv

import av
import numpy as np
import pytest

from vlaser_core.errors import InputError
from vlaser_core.reasoning.types import Grounding
from vlaser_ros.bags.grounding import COLUMNS, ground_bag, rows
from vlaser_ros.bags.reader import Bag

from .conftest import IMAGES, START


def square(image: np.ndarray, phrase: str) -> Grounding:
    """Finds the yellow square of the test pictures; a model that sees."""
    found = np.argwhere((image == (250, 250, 40)).all(axis=2))
    height, width = image.shape[:2]
    (y1, x1), (y2, x2) = found.min(axis=0), found.max(axis=0) + 1
    box = (round(x1 / width * 1000), round(y1 / height * 1000), round(x2 / width * 1000), round(y2 / height * 1000))
    return Grounding(phrase, (box,), (), (phrase,), (0.9,), f"<box>[{list(box)}]</box>", width, height)


def nothing(image: np.ndarray, phrase: str) -> Grounding:
    return Grounding(phrase, (), (), (), (), "I see no such thing", image.shape[1], image.shape[0])


def look(file, out, ground, **options):
    with Bag(file) as bag:
        return ground_bag(bag, IMAGES, ground, "the square", out, **options)


def film_of(path) -> tuple[int, float, tuple[int, int]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return len(frames), float(frames[-1].pts * frames[-1].time_base), (frames[0].width, frames[0].height)


def test_each_look_is_a_row_and_each_picture_a_frame(episode, tmp_path):
    found = look(episode(3.0).write(tmp_path / "a.mcap"), tmp_path / "out", square, every=4)
    assert (found.frames, found.looks, found.found, found.malformed) == (30, 8, 8, 0)
    table = list(csv.DictReader((tmp_path / "out/ground.csv").open()))
    assert tuple(table[0]) == COLUMNS and [int(row["frame"]) for row in table] == [0, 4, 8, 12, 16, 20, 24, 28]
    for row in table:
        assert float(row["stamp"]) == pytest.approx(START + 0.1 * int(row["frame"]), abs=1e-5)
        assert float(row["pixel_x1"]) == pytest.approx(7 * int(row["frame"]), abs=0.5) and float(row["pixel_y1"]) == pytest.approx(100, abs=0.5)
    frames, last, size = film_of(tmp_path / "out/ground.mp4")
    assert frames == 30 and last == pytest.approx(2.9, abs=0.05) and size == (640, 480)


def test_a_limit_ends_with_the_pictures_of_its_last_answer(episode, tmp_path):
    found = look(episode(3.0).write(tmp_path / "a.mcap"), tmp_path / "out", square, every=5, limit=2)
    assert (found.frames, found.looks) == (10, 2) and film_of(tmp_path / "out/ground.mp4")[0] == 10


def test_what_is_not_found_has_a_row_without_coordinates(episode, tmp_path):
    found = look(episode(0.5).write(tmp_path / "a.mcap"), tmp_path / "out", nothing, every=2)
    assert (found.looks, found.found) == (3, 0)
    table = list(csv.DictReader((tmp_path / "out/ground.csv").open()))
    assert [row["kind"] for row in table] == ["none"] * 3 and table[0]["text"] == '"I see no such thing"' and table[0]["x1"] == ""


def test_boxes_and_points_have_a_row_each_with_pixels():
    found = Grounding("cup", ((100, 200, 300, 400),), ((500, 500),), ("cup", "handle"), (0.5, 0.25), "a\nb", 200, 100)
    box, point = (dict(zip(COLUMNS, row, strict=True)) for row in rows(found, 1.5, 3))
    assert (box["kind"], box["label"], box["x1"], box["pixel_x1"], box["pixel_y2"]) == ("box", "cup", 100, "20.00", "40.00")
    assert (point["kind"], point["label"], point["x1"], point["x2"], point["pixel_x1"], point["pixel_y1"], point["text"]) == ("point", "handle", 500, "", "100.00", "50.00", "")


def test_a_picture_that_cannot_be_read_names_bag_and_topic(episode, tmp_path):
    made = episode(0.3)
    for _, topic, message in made.messages:
        if topic == IMAGES:
            message.encoding = "bayer_rggb8"
    with pytest.raises(InputError, match=r"a\.mcap: a picture on '/camera/color/image_raw' cannot be read: .*bayer"):
        look(made.write(tmp_path / "a.mcap"), tmp_path / "out", square, every=1)
