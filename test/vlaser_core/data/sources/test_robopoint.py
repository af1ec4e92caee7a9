from __future__ import annotations

import pytest

from vlaser_core.data.sources.robopoint import RoboPoint
from vlaser_core.errors import InputError

POINTS = (
    "<image>\nPinpoint several points within the vacant space to the left of the cup. Your answer should be formatted as a list of tuples, "
    "i.e. [(x1, y1), (x2, y2), ...], where each tuple contains the x and y coordinates of a point satisfying the conditions above. "
    "The coordinates should be between 0 and 1, indicating the normalized pixel locations of the points in the image."
)
BOXES = (
    "<image>\nFind all instances of cushions. Format the result as a list of tuples, i.e. [(x1, y1, w1, h1), (x2, y2, w2, h2), ...], where x and y are "
    "the normalized pixel locations of the object centers, and w and h are the normalized object widths and heights. All values of x, y, w, and h should be between 0 and 1."
)


def write(root, kit, items):
    kit.write_json(root / "robopoint_1432k.json", items)
    for name in ("region_ref/a.png", "coco/b.jpg"):
        kit.write_picture(root / "images" / name, kind="PNG" if name.endswith("png") else "JPEG")
    return RoboPoint(root)


def test_points_become_thousandths_and_boxes_leave_their_centres(tmp_path, kit):
    items = [
        {"id": "region_ref/a_left", "image": "region_ref/a.png", "conversations": kit.talk(POINTS, "[(0.461, 0.527), (0.5, 1)]")},
        {"id": "1", "image": "coco/b.jpg", "conversations": kit.talk(BOXES, "[(0.5, 0.25, 0.2, 0.1), (0.95, 0.5, 0.104, 0.5)]")},
        {"id": "2", "image": "coco/b.jpg", "conversations": [*kit.talk("<image>\nWhat is it?", "A bus."), *kit.talk("What colour?", "Red.")]},
        {"id": "3", "conversations": kit.talk("What is gravity?", "A force.")},
    ]
    samples, damage = kit.read_all(write(tmp_path, kit, items))
    assert not damage.counts
    assert kit.answers(samples) == [
        "<point>[[461, 527], [500, 1000]]</point>",
        "<box>[[400, 200, 600, 300], [898, 250, 1000, 750]]</box>",
        "Red.",
        "A force.",
    ]
    assert [(sample.record.category, sample.record.family) for sample in samples] == [
        ("grounding", "free_space"), ("grounding", "detection"), ("qa", "general"), ("qa", "general"),
    ]  # fmt: skip
    asked = samples[0].record.conversations[0].value
    assert asked == "<image>\nPinpoint several points within the vacant space to the left of the cup. Answer with points."
    assert samples[0].record.images == ("robopoint/region_ref/a.png",) and samples[0].pictures[0].data == (tmp_path / "images/region_ref/a.png").read_bytes()
    assert len(samples[2].record.conversations) == 4 and not samples[3].pictures


def test_what_cannot_be_used_is_counted_by_reason_and_nothing_takes_its_place(tmp_path, kit):
    good = {"id": "1", "image": "coco/b.jpg", "conversations": kit.talk("What is it?", "A bus.")}
    items = [
        good | {"conversations": kit.talk(POINTS, "[(0.461, 1.527)]")},
        good | {"conversations": kit.talk("<image>\nPlease provide the bounding box coordinate of the region this sentence describes: dog", "[0.1, 0.2, 0.3, 0.4]")},
        good | {"conversations": kit.talk("Describe this region: [0.12, 0.20, 0.33, 0.40].", "a dog")},
        good | {"image": "coco/none.jpg"},
        good | {"image": "../secret.jpg"},
        good | {"image": "coco/cut.jpg"},
        good | {"conversations": good["conversations"][:1]},
        good,
    ]
    source = write(tmp_path, kit, items)
    data = kit.picture(400, 300)
    (tmp_path / "images/coco/cut.jpg").write_bytes(data[: len(data) // 2])
    samples, damage = kit.read_all(source)
    assert kit.answers(samples) == ["A bus."]
    assert damage.counts == {
        "point outside the picture": 1, "box of a padded picture": 2, "picture is missing": 1, "picture path leaves the data set": 1,
        "picture cannot be decoded": 1, "conversation is incomplete": 1,
    }  # fmt: skip


def test_units_cut_the_file_and_the_union_is_the_whole(tmp_path, kit):
    source = write(tmp_path, kit, [{"id": str(n), "conversations": kit.talk(f"question {n}", f"answer {n}")} for n in range(25)])
    source.items_a_unit = 10
    assert [unit.items for unit in source.units()] == [10, 10, 5]
    assert kit.answers(kit.read_all(source)[0]) == [f"answer {n}" for n in range(25)]


def test_an_empty_folder_says_what_to_get(tmp_path):
    with pytest.raises(InputError, match="robopoint_1432k.json.*wentao-yuan/robopoint-data"):
        RoboPoint(tmp_path).units()
