from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlaser_core.errors import InputError
from vlaser_core.processing.tiling import tile_grid, tiles


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 12), st.integers(0, 6))
def test_a_grid_keeps_its_bounds(width, height, least, more):
    columns, rows = tile_grid(width, height, least + more, least)
    assert columns >= 1 and rows >= 1 and least <= columns * rows <= least + more


def test_the_aspect_decides_and_size_breaks_ties():
    assert tile_grid(1920, 1080) == (4, 2)
    assert tile_grid(448, 448) == (1, 1)
    assert tile_grid(1024, 1024) == (3, 3)


def test_tiles_go_row_by_row_and_the_thumbnail_is_last():
    image = np.zeros((200, 400, 3), dtype=np.uint8)
    image[:, :100], image[:, 100:200], image[:, 200:300], image[:, 300:] = 10, 60, 120, 240
    cut = tiles(image, max_tiles=2, size=64)
    assert cut.shape == (3, 64, 64, 3) and cut.dtype == np.uint8
    assert cut[0, 5, 5, 0] == 10 and cut[0, 5, 60, 0] == 60 and cut[1, 5, 5, 0] == 120 and cut[1, 5, 60, 0] == 240
    assert cut[2, 5, 3, 0] == 10 and cut[2, 5, 60, 0] == 240
    assert len(tiles(image, max_tiles=2, size=64, thumbnail=False)) == 2


def test_one_tile_needs_no_thumbnail():
    assert tiles(np.zeros((80, 80, 3), dtype=np.uint8), size=64).shape == (1, 64, 64, 3)


def test_impossible_bounds_and_pictures_are_refused():
    with pytest.raises(InputError):
        tile_grid(0, 10)
    with pytest.raises(InputError):
        tile_grid(10, 10, max_tiles=2, min_tiles=3)
    with pytest.raises(InputError, match="uint8"):
        tiles(np.zeros((10, 10, 3)))
