from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as codec

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.sources.masks import as_rle, box_of, covers, inner_point, runs_of
from vlaser_core.data.sources.paco import PacoLvis
from vlaser_core.data.sources.sa1b import Sa1b
from vlaser_core.errors import InputError
from vlaser_core.reasoning.parse import parse_boxes, parse_points

WIDTH, HEIGHT = 200, 100


def filled(x1, y1, x2, y2, width=WIDTH, height=HEIGHT):
    mask = np.zeros((height, width), np.uint8, order="F")
    mask[y1:y2, x1:x2] = 1
    return mask


def rle(mask):
    found = codec.encode(np.asfortranarray(mask))
    return {"size": found["size"], "counts": found["counts"].decode()}


def test_own_reading_of_runs_agrees_with_the_codec_on_random_masks():
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = rng.integers(1, 60, 2)
        mask = (rng.random((height, width)) < rng.random()).astype(np.uint8)
        found = codec.encode(np.asfortranarray(mask))
        runs = runs_of(found["counts"])
        assert sum(runs) == height * width and sum(runs[1::2]) == mask.sum()


def test_masks_answer_for_box_point_and_membership():
    mask = filled(20, 10, 60, 90)
    found = as_rle(rle(mask), HEIGHT, WIDTH)
    assert box_of(found) == (20, 10, 60, 90)
    assert covers([found], 20, 10)[0] and covers([found], 59, 89)[0] and not covers([found], 60, 10)[0] and not covers([found], 10, 20)[0]
    x, y = inner_point(found)
    assert 35 <= x <= 44 and 25 <= y <= 74
    polygon = as_rle([[20, 10, 60, 10, 60, 90, 20, 90]], HEIGHT, WIDTH)
    assert codec.iou([polygon], [found], [0])[0][0] > 0.98


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [HEIGHT, WIDTH], "counts": rle(filled(1, 1, 9, 9))["counts"][:-2]},
        {"size": [HEIGHT + 1, WIDTH], "counts": rle(filled(1, 1, 9, 9))["counts"]},
        {"size": [HEIGHT, WIDTH], "counts": [5, 5]},
        rle(np.zeros((HEIGHT, WIDTH), np.uint8)),
        [],
        "none",
    ],
)
def test_a_mask_that_does_not_fit_its_picture_is_refused(segmentation):
    with pytest.raises(Damaged, match="mask"):
        as_rle(segmentation, HEIGHT, WIDTH)


CATEGORIES = [
    {"id": 1, "name": "mug", "supercategory": "OBJECT"}, {"id": 2, "name": "glass_(drink_container)", "supercategory": "OBJECT"},
    {"id": 3, "name": "glass_(drink_container):base", "supercategory": "PART"}, {"id": 4, "name": "dog", "supercategory": "OBJECT"},
]  # fmt: skip
ATTRIBUTES = [{"id": 0, "name": "black"}, {"id": 23, "name": "dark_red"}, {"id": 29, "name": "other(color)"}, {"id": 41, "name": "wood"}]


def note(number, category, mask, image=10, **changes):
    x, y, width, height = (float(value) for value in codec.toBbox(codec.encode(np.asfortranarray(mask))))
    return {"id": number, "image_id": image, "category_id": category, "bbox": [x, y, width, height], "segmentation": rle(mask), "attribute_ids": [],
            "obj_ann_id": number, "unknown_color": 0} | changes  # fmt: skip


def write_paco(root, kit, annotations, images=1, **changes):
    listed = [
        {"id": 10 + index, "file_name": f"train2017/{index:012d}.jpg", "width": WIDTH, "height": HEIGHT, "neg_category_ids": [4], "not_exhaustive_category_ids": []}
        | changes
        for index in range(images)
    ]
    content = {"info": {}, "annotations": annotations, "images": listed, "categories": CATEGORIES, "attributes": ATTRIBUTES, "part_categories": []}
    kit.write_json(root / "annotations/paco_lvis_v1_train.json", content)
    for index in range(images):
        kit.write_picture(root / f"train2017/{index:012d}.jpg", width=WIDTH, height=HEIGHT)
    return PacoLvis(root)


def test_paco_asks_for_objects_parts_colours_and_what_is_not_there(tmp_path, kit):
    glass, base = filled(100, 20, 160, 80), filled(120, 60, 140, 80)
    annotations = [note(2, 2, glass, attribute_ids=[23, 41]), note(3, 3, base, obj_ann_id=2)]
    samples, damage = kit.read_all(write_paco(tmp_path, kit, annotations))
    assert not damage.counts
    told = {sample.record.family: [message.value for message in sample.record.conversations] for sample in samples}
    assert set(told) == {"objects", "absent", "part", "colour"}
    assert told["objects"] == ["<image>\nGive the box of every glass.", "<box>[[500, 200, 800, 800]]</box>"]
    assert told["absent"] == ["<image>\nGive the box of the dog.", "not visible"]
    assert told["part"][:2] == ["<image>\nGive the box of the base of the glass.", "<box>[[600, 600, 700, 800]]</box>"]
    ((x, y),) = parse_points(told["part"][3])[0]
    assert base[y * HEIGHT // 1000, x * WIDTH // 1000]
    assert told["colour"] == ["<image>\nWhat colour is the glass?", "dark red"]


def test_paco_asks_for_all_only_where_all_are_labelled_and_for_one_only_where_it_is_alone(tmp_path, kit):
    two = [note(1, 1, filled(0, 0, 20, 20), attribute_ids=[0]), note(2, 1, filled(40, 0, 60, 20), attribute_ids=[0])]
    families = [sample.record.family for sample in kit.read_all(write_paco(tmp_path / "a", kit, two))[0]]
    assert families == ["objects", "absent"], "the colour of which mug?"
    unsure = kit.read_all(write_paco(tmp_path / "b", kit, two, not_exhaustive_category_ids=[1]))[0]
    assert [sample.record.family for sample in unsure] == ["absent"]


def test_paco_pictures_of_another_size_missing_ones_and_bad_masks_are_counted(tmp_path, kit):
    annotations = [note(1, 1, filled(0, 0, 9, 9), image=10), note(2, 1, filled(0, 0, 9, 9), image=11, segmentation=[]), note(3, 9, filled(0, 0, 9, 9), image=13)]
    source = write_paco(tmp_path, kit, annotations, images=4)
    kit.write_picture(tmp_path / "train2017/000000000000.jpg", width=WIDTH, height=HEIGHT + 2)
    (tmp_path / "train2017/000000000002.jpg").unlink()
    samples, damage = kit.read_all(source)
    assert not samples
    assert damage.counts == {"picture of another size than labelled": 1, "mask cannot be decoded": 1, "picture is missing": 1, "unknown category": 1}


def write_sa1b(root, kit, masks, name="sa_1", **changes):
    image = {"image_id": 1, "width": WIDTH, "height": HEIGHT, "file_name": f"{name}.jpg"}
    notes = [note(index, 1, mask) | {"area": int(mask.sum()), "predicted_iou": 0.9} for index, mask in enumerate(masks)]
    kit.write_json(root / f"sa_000000/{name}.json", {"image": image | changes, "annotations": notes})
    kit.write_picture(root / f"sa_000000/{name}.jpg", width=WIDTH, height=HEIGHT)


def test_sa1b_boxes_and_points_are_those_of_the_masks(tmp_path, kit):
    whole, inner, other = filled(0, 0, 120, 100), filled(40, 30, 80, 70), filled(140, 10, 190, 60)
    write_sa1b(tmp_path, kit, [whole, inner, other])
    samples, damage = kit.read_all(Sa1b(tmp_path))
    assert not damage.counts
    boxes = {(0, 0, 600, 1000): whole, (700, 100, 950, 600): other}
    regions = [sample for sample in samples if sample.record.family == "region"]
    assert 1 <= len(regions) <= 2, "a point of the inner thing lies on the outer one too: it is not asked about"
    for sample in regions:
        text = " ".join(message.value for message in sample.record.conversations)
        (box,), points = set(parse_boxes(text)[0]), parse_points(text)[0]
        assert box in boxes and len(set(points)) == 1
        x, y = points[0]
        assert boxes[box][y * HEIGHT // 1000, x * WIDTH // 1000] and not inner[y * HEIGHT // 1000, x * WIDTH // 1000]


def test_sa1b_says_yes_and_no_about_two_points_as_the_masks_do(tmp_path, kit):
    left, right = filled(0, 0, 90, 100), filled(110, 0, 200, 100)
    for number in range(30):
        write_sa1b(tmp_path, kit, [left, right], name=f"sa_{number}")
    samples, _ = kit.read_all(Sa1b(tmp_path))
    same = [sample.record.conversations for sample in samples if sample.record.family == "same_thing"]
    assert len(same) == 30 and {conversation[1].value for conversation in same} == {"yes", "no"}
    for question, answer in same:
        (x, _), (u, _) = parse_points(question.value)[0]
        assert (answer.value == "yes") == ((x < 500) == (u < 500))


def test_sa1b_counts_a_box_that_belies_its_mask_and_an_unreadable_file(tmp_path, kit):
    write_sa1b(tmp_path, kit, [filled(0, 0, 90, 100)], name="sa_1")
    write_sa1b(tmp_path, kit, [filled(0, 0, 90, 100)], name="sa_2", width=WIDTH + 1)
    write_sa1b(tmp_path, kit, [filled(0, 0, 90, 100)], name="sa_3")
    path = tmp_path / "sa_000000/sa_3.json"
    path.write_text(path.read_text().replace("[0.0, 0.0, 90.0, 100.0]", "[0.0, 0.0, 50.0, 100.0]"))
    (tmp_path / "sa_000000/sa_4.json").write_text("{")
    (tmp_path / "sa_000000/sa_1.jpg").unlink()
    samples, damage = kit.read_all(Sa1b(tmp_path))
    assert not samples
    assert damage.counts == {
        "picture is missing": 1, "mask cannot be decoded": 1, "box does not fit its mask": 1, "annotation file cannot be read": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("source", "words"), [(PacoLvis, "facebookresearch/paco"), (Sa1b, "segment-anything")])
def test_an_empty_folder_says_what_to_get(tmp_path, source, words):
    with pytest.raises(InputError, match=words):
        source(tmp_path).units()
