from __future__ import annotations

import ast
import io
import math
from pathlib import Path

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vlaser_core.data.damaged import Damaged
from vlaser_core.data.labels.coordinates import has_places, in_model_words, read_places
from vlaser_core.data.labels.grid import Grid, Sent
from vlaser_core.data.source import Picture
from vlaser_core.reasoning.parse import parse_boxes, parse_points

QWEN = Grid("pixels", 28)
SENT = Sent(Picture("a", b""), 308, 252)  # a picture of 320 × 240, as it is sent to Qwen2.5-VL
THOUSANDTHS = Grid("thousandths")


def picture(width: int, height: int, kind: str = "JPEG", mode: str = "RGB") -> Picture:
    data = io.BytesIO()
    Image.new(mode, (width, height)).save(data, kind)
    return Picture("a", data.getvalue())


def qwens_own():
    """`smart_resize` of transformers' image processor; its module cannot be imported without torchvision, of which this needs nothing."""
    path = Path(transformers.__file__).parent / "models" / "qwen2_vl" / "image_processing_qwen2_vl.py"
    (function,) = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef) and node.name == "smart_resize"]
    names: dict = {"math": math}
    exec(compile(ast.Module([function], []), str(path), "exec"), names)  # noqa: S102 - a function of an installed library
    return names["smart_resize"]


@given(st.integers(20, 4000), st.integers(20, 4000))
@settings(max_examples=200, deadline=None)
def test_a_picture_is_sent_in_a_size_that_qwens_own_preprocessing_keeps(width, height):
    smart_resize = qwens_own()
    if max(width, height) / min(width, height) > 150:
        return
    size = QWEN.size(width, height)
    assert QWEN.size(*size) == size
    assert smart_resize(size[1], size[0], factor=28, min_pixels=QWEN.least, max_pixels=QWEN.most) == size[::-1]
    assert smart_resize(height, width, factor=28, min_pixels=QWEN.least, max_pixels=QWEN.most) == size[::-1]


def test_answers_in_the_models_own_resized_grid_are_not_divided_by_the_original_size():
    sent = QWEN.prepare(picture(320, 240))
    assert (sent.width, sent.height) == (308, 252) and Image.open(io.BytesIO(sent.picture.data)).size == (308, 252)
    assert "308 pixels wide and 252 pixels high" in QWEN.told(sent)
    # The far corner of the picture is its far corner: divided by 320 × 240 it would be (962, 1050).
    assert read_places("[308, 252]", QWEN, sent).points == ((1000, 1000),)
    assert read_places("[154, 126, 308, 252]", QWEN, sent).boxes == ((500, 500, 1000, 1000),)


def test_a_picture_that_fits_is_sent_as_it_is_and_another_kind_becomes_one_that_is_known():
    fits = picture(448, 280)
    assert QWEN.prepare(fits).picture is fits
    grey = QWEN.prepare(picture(448, 280, "PNG", "LA"))
    assert grey.picture.data.startswith(b"\x89PNG")
    assert Image.open(io.BytesIO(THOUSANDTHS.prepare(picture(50, 70, "BMP")).picture.data)).format == "JPEG"
    with pytest.raises(Damaged, match="cannot be decoded"):
        QWEN.prepare(Picture("a", b"no picture"))


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("It is at (154, 126).", ((500, 500),)),
        ("coordinates (154, 126)", ((500, 500),)),
        ("position: 154, 126", ((500, 500),)),
        ("The position 154, 126, that is at (154, 126), coordinates: 154, 126", ((500, 500),)),
        ("at 154, 126", ((500, 500),)),
        ("[[154, 126], [0, 0]]", ((500, 500), (0, 0))),
        ("(x=154, y=126)", ((500, 500),)),
        ("[50%, 50%]", ((500, 500),)),
        ('{"point_2d": [154, 126], "label": "cup 2"}', ((500, 500),)),
        ("<point>[[154.0, 126.0]]</point>", ((500, 500),)),
    ],
)
def test_overlapping_ways_to_say_a_place_do_not_make_it_twice(text, points):
    found = read_places(text, QWEN, SENT)
    assert found.points == points and not found.boxes and not found.faults


@pytest.mark.parametrize(
    "text",
    [
        "[77, 63, 154, 126]",
        "box: 77, 63, 154, 126",
        "The bounding box is [77, 63, 154, 126], so the box 77, 63, 154, 126.",
        "<|box_start|>(77,63),(154,126)<|box_end|>",
        "from (77, 63) to (154, 126)",
        "a box with top-left (77, 63) and bottom-right (154, 126)",
        '```json\n[{"bbox_2d": [77, 63, 154, 126], "label": "cup"}]\n```',
        "(x1=77, y1=63, x2=154, y2=126)",
    ],
)
def test_a_box_is_a_box_once_and_its_corners_are_no_points(text):
    found = read_places(text, QWEN, SENT)
    assert found.boxes == ((250, 250, 500, 500),) and not found.points and not found.faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[400, 100]", "outside the picture"),
        ("[10, -4]", "outside the picture"),
        ("[154, 126, 77, 63]", "without an area"),
        ("[10, 10, 10, 90]", "without an area"),
        ("(1, 2, 3)", "3 numbers"),
        ("[0.25, 0.5]", "fractions"),
        ("[1, 2, 3, 4, 5, 6]", "more than four"),
        ("[50%, 20]", "percent"),
    ],
)
def test_a_place_that_cannot_be_is_told_and_neither_clamped_nor_guessed(text, fault):
    found = read_places(text, QWEN, SENT)
    assert len(found.faults) == 1 and fault in found.faults[0] and not found.boxes and not found.points
    with pytest.raises(Damaged, match="impossible"):
        found.text("point")
    with pytest.raises(Damaged, match="impossible"):
        read_places(f"[10, 10] and {text}", QWEN, SENT).text("point")


def test_the_answer_is_of_the_kind_asked_for_where_there_is_one_and_never_of_both():
    both = read_places("[77, 63, 154, 126] with its middle at [100, 100]", QWEN, SENT)
    assert both.text("box") == ("box", "<box>[[250, 250, 500, 500]]</box>")
    assert both.text("point") == ("point", "<point>[[325, 397]]</point>")
    assert read_places("[77, 63, 154, 126]", QWEN, SENT).text("point")[0] == "box"
    with pytest.raises(Damaged, match="no coordinates"):
        read_places("It is on the left.", QWEN, SENT).text("point")


def test_each_unit_is_read_as_what_it_is():
    assert read_places("[500, 250]", THOUSANDTHS, SENT).points == ((500, 250),)
    assert read_places("[0.5, 0.25]", Grid("fractions"), SENT).points == ((500, 250),)
    assert read_places("[1, 1]", THOUSANDTHS, SENT).points == ((1, 1),)
    assert read_places("[1, 1]", Grid("fractions"), SENT).points == ((1000, 1000),)


@pytest.mark.parametrize("text", ["There are 3 cups, 2 of them red.", "At 10 o'clock", "the box of 12 eggs", "7-8 cm", ""])
def test_numbers_that_are_no_places_are_left_alone(text):
    assert not has_places(text) and read_places(text, QWEN, SENT).faults == ()


@given(st.text(alphabet="[](){},.0123456789 -%xy=atboxpointfrom\n", max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_the_reading_and_what_is_read_lies_in_the_picture(text):
    found = read_places(text, QWEN, SENT)
    for box in found.boxes:
        assert box[0] < box[2] and box[1] < box[3]
    assert all(0 <= value <= 1000 for place in (*found.boxes, *found.points) for value in place)


def test_a_long_text_of_brackets_is_read_in_no_time():
    assert read_places("[(" * 20000 + "box from " * 5000, QWEN, SENT).points == ()


@pytest.mark.parametrize("grid", [QWEN, THOUSANDTHS, Grid("fractions")])
def test_what_a_judge_is_told_is_what_a_writer_would_have_said(grid):
    rng = np.random.default_rng(0)
    for _ in range(50):
        x1, y1 = (int(value) for value in rng.integers(0, 900, 2))
        x2, y2 = x1 + int(rng.integers(20, 100)), y1 + int(rng.integers(20, 100))
        answer = f"<box>[[{x1}, {y1}, {x2}, {y2}]]</box> and <point>[[{x1}, {y2}]]</point>"
        back = read_places(in_model_words(answer, grid, SENT), grid, SENT)
        close = 1000 / 252 / 2 + 1 if grid is QWEN else 1
        assert np.abs(np.subtract(back.boxes[0], parse_boxes(answer)[0][0])).max() <= close
        assert np.abs(np.subtract(back.points[0], parse_points(answer)[0][0])).max() <= close


@pytest.mark.parametrize("wrong", [{"multiple": 0}, {"multiple": 2000}, {"least": 10**7}])
def test_a_grid_that_no_picture_fits_is_refused(wrong):
    with pytest.raises(ValueError, match="expected multiple"):
        Grid("pixels", **wrong)
