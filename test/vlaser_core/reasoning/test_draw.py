from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.errors import InputError
from vlaser_core.reasoning.draw import GREEN, ORANGE, annotated, draw_box, draw_grounding, draw_label, draw_path, draw_point
from vlaser_core.reasoning.types import Grounding


def blank(height: int = 240, width: int = 320) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def changed(picture: np.ndarray) -> np.ndarray:
    return (picture != 128).any(axis=2)


def grounding(**changes) -> Grounding:
    values = {"boxes": ((250, 500, 500, 750),), "points": ((375, 625),), "labels": ("carrot", "carrot"), "scores": (0.9, 0.8)}
    return Grounding(phrase="carrot", text="", width=320, height=240, **{**values, **changes})


def test_a_box_is_drawn_where_it_is():
    picture = draw_box(blank(), (80, 120, 160, 180))
    rows, columns = np.nonzero(changed(picture))
    assert abs(columns.min() - 80) <= 3 and abs(columns.max() - 160) <= 3
    assert abs(rows.min() - 120) <= 3 and abs(rows.max() - 180) <= 3
    assert np.abs(picture[150, 80].astype(int) - GREEN).max() < 20 and not changed(picture)[150, 120]


def test_a_point_is_drawn_where_it_is():
    picture = draw_point(blank(), (100.0, 60.0))
    rows, columns = np.nonzero(changed(picture))
    assert (columns.mean(), rows.mean()) == pytest.approx((100, 60), abs=0.6)


def test_a_path_breaks_where_it_is_unknown():
    path = np.array([[20, 20], [100, 20], [np.nan, np.nan], [200, 20], [300, 20]], float)
    columns = changed(draw_path(blank(), path))[20]
    assert columns[60] and columns[250] and not columns[150]


def test_every_part_of_a_path_has_the_colour_of_the_step_it_leads_to():
    picture = draw_path(blank(), np.array([[20, 20], [120, 20], [220, 20]], float), [GREEN, GREEN, ORANGE])

    def nearest(column: int):
        return min((GREEN, ORANGE), key=lambda colour: np.abs(picture[20, column].astype(int) - colour).sum())

    assert nearest(70) == GREEN and nearest(170) == ORANGE


def test_a_path_that_leaves_for_the_far_breaks_there():
    columns = changed(draw_path(blank(), np.array([[20, 20], [100, 20], [1e300, np.inf]])))[20]
    assert columns[60] and not columns[150:].any()


def test_a_path_of_unknown_points_draws_nothing():
    assert not changed(draw_path(blank(), np.full((3, 2), np.nan))).any()


def test_groundings_scale_to_an_enlarged_picture():
    small, large = (
        changed(draw_grounding(blank(), grounding(labels=("", ""), scores=()))),
        changed(draw_grounding(blank(720, 960), grounding(labels=("", ""), scores=()))),
    )
    first = [(axis.min(), axis.max()) for axis in np.nonzero(small)]
    second = [(axis.min(), axis.max()) for axis in np.nonzero(large)]
    assert np.array(second) == pytest.approx(np.array(first) * 3, abs=10)


def test_labels_stay_inside_the_picture():
    for x, y in ((-50, -50), (1000, 1000), (310, 3)):
        assert changed(draw_label(blank(), "a long label", x, y)).any()


def test_text_that_is_not_ascii_does_not_fail():
    assert changed(draw_label(blank(), "Möhre 胡萝卜", 10, 100)).any()


def test_annotating_leaves_the_original_alone():
    picture = blank()
    drawn = annotated(picture, [grounding()], "put carrot on plate", enlarge=2)
    assert not changed(picture).any() and drawn.shape == (480, 640, 3)


def test_coordinates_outside_the_picture_do_not_fail():
    draw_path(blank(), np.array([[-4000.0, 20.0], [9000.0, 9000.0]]), ORANGE)
    draw_box(blank(), (-20, -20, 900, 900), "everything")


@pytest.mark.parametrize("wrong", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), None])
def test_only_rgb_pictures_are_drawn_on(wrong):
    with pytest.raises(InputError, match="RGB uint8"):
        draw_box(wrong, (0, 0, 1, 1))
