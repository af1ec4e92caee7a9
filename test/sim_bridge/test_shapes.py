from __future__ import annotations

import mujoco
import numpy as np
import pytest

from sim_bridge.elsewhere.objects import CATALOGUE, MESHES, PLACES
from sim_bridge.shapes import SHADES, extents
from sim_bridge.tabletop.distractors import PALETTE
from sim_bridge.tabletop.objects import THINGS
from vlaser_core.data.vocabulary import COLOURS, FAR, NATURAL, NOUNS, RECEIVERS

SHAPES = {
    **{f"tabletop {name}": shape for name, shape in PALETTE.items()},
    **{f"elsewhere {name}": shape for name, shape in CATALOGUE.items()},
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_stands_on_its_underside_with_its_middle_in_the_middle(name):
    """Where a thing rests, and what rests on it, follow from half_height: it has to be what the geoms say."""
    shape = SHAPES[name]
    body = shape.mjcf("thing", 5, 'contype="2" conaffinity="0" mass="0"')
    model = mujoco.MjModel.from_xml_string(
        f'<mujoco><compiler angle="radian"/><asset>{MESHES}</asset><worldbody>{body}</worldbody></mujoco>'
    )
    size = extents(model, model.body("thing").id)
    assert size[2] / 2 == pytest.approx(shape.half_height, abs=0.0025)
    data = mujoco.MjData(model)
    model.body_pos[1] = (0, 0, shape.half_height)
    mujoco.mj_forward(model, data)
    # Rays from below find the underside, whatever the shape.
    places = np.stack(np.meshgrid(*[np.linspace(-0.2, 0.2, 161)] * 2), axis=-1).reshape(-1, 2)
    hits = [
        mujoco.mj_ray(model, data, np.array([x, y, -1.0]), np.array([0.0, 0.0, 1.0]), None, 1, -1, np.zeros(1, np.int32), None)
        for x, y in places[np.abs(places).max(axis=1) < shape.footprint]
    ]
    low = min(hit for hit in hits if hit >= 0) - 1.0
    assert low == pytest.approx(0.0, abs=0.0025)
    assert np.hypot(*size[:2]) / 2 >= shape.footprint * 0.6 and max(size[:2]) / 2 <= shape.footprint * 1.35
    assert abs(shape.floor) <= shape.half_height + 1e-9 and (shape.top > 0 or shape.floor == 0)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_called_by_names_the_questions_know(name):
    shape = SHAPES[name]
    assert shape.kind in NOUNS and set(shape.colours) <= set(SHADES) == set(COLOURS)
    if shape.kind in NATURAL:
        assert set(shape.colours) <= set(NATURAL[shape.kind])
    for colour in shape.colours:
        phrases = shape.phrases(colour)
        assert len(set(phrases)) == len(phrases) and any(colour in phrase.split() for phrase in phrases)


def test_elsewhere_shows_no_kind_of_the_tabletop():
    assert {shape.kind for shape in CATALOGUE.values()}.isdisjoint(
        {shape.kind for shape in PALETTE.values()} | {thing.kind for thing in THINGS.values()}
    )
    assert {CATALOGUE[name].kind for name in PLACES} <= set(RECEIVERS)


def test_nouns_of_different_kinds_are_different_words_and_wrong_colours_are_mutually_far():
    nouns = [noun for names in NOUNS.values() for noun in names]
    assert len(set(nouns)) == len(nouns)
    last = {kind: {noun.split()[-1] for noun in names} for kind, names in NOUNS.items()}
    for kind, words in last.items():
        for other, theirs in last.items():
            assert kind == other or words.isdisjoint(theirs), (kind, other)
    for colour, far in FAR.items():
        assert colour not in far and set(far) <= set(COLOURS)
        assert len(far) >= 3


def test_shades_of_far_colours_are_far_apart():
    for colour, far in FAR.items():
        for other in far:
            assert np.linalg.norm(np.subtract(SHADES[colour], SHADES[other])) > 0.3, (colour, other)
