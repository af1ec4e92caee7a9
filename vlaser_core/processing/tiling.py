"""InternVL's dynamic tiling: a picture cut into square tiles of the grid whose aspect is nearest, and a thumbnail.

The chat models read pictures this way (up to 12 tiles, 6 in point benchmarks); the policy never tiles.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from vlaser_core.errors import InputError
from vlaser_core.processing.pixels import check_image, square


def _grids(min_tiles: int, max_tiles: int) -> list[tuple[int, int]]:
    """Grids (columns, rows) by area. Between grids of one area the order is that of a set built by ascending bound:
    upstream's weights were trained with whichever of two equally near grids CPython's set yields first."""
    found = {
        (columns, rows)
        for bound in range(min_tiles, max_tiles + 1)
        for columns in range(1, bound + 1)
        for rows in range(1, bound + 1)
        if min_tiles <= columns * rows <= max_tiles
    }
    return sorted(found, key=lambda grid: grid[0] * grid[1])


def tile_grid(width: int, height: int, max_tiles: int = 12, min_tiles: int = 1, size: int = 448) -> tuple[int, int]:
    """(columns, rows) for a picture of width × height pixels. Raises InputError for sizes or bounds below 1."""
    if min(width, height, min_tiles, size) < 1 or max_tiles < min_tiles:
        raise InputError(f"cannot tile {width} × {height} pixels into {min_tiles}…{max_tiles} tiles of {size}")
    aspect, nearest, best = width / height, float("inf"), (1, 1)
    for columns, rows in _grids(min_tiles, max_tiles):
        difference = abs(aspect - columns / rows)
        # A tie goes to the larger grid only where the picture has the pixels to fill half of it.
        if difference < nearest or (difference == nearest and width * height > 0.5 * size * size * columns * rows):
            nearest, best = difference, (columns, rows)
    return best


def tiles(image: np.ndarray, max_tiles: int = 12, *, min_tiles: int = 1, size: int = 448, thumbnail: bool = True) -> np.ndarray:
    """RGB uint8 (N, size, size, 3) of RGB uint8 (height, width, 3): tiles row by row, then the whole picture as a
    thumbnail where there is more than one tile. Bicubic, as Pillow does it. Raises InputError."""
    check_image(image)
    columns, rows = tile_grid(image.shape[1], image.shape[0], max_tiles, min_tiles, size)
    picture = Image.fromarray(image)
    large = np.asarray(picture.resize((columns * size, rows * size), Image.Resampling.BICUBIC))
    cut = [large[r * size : (r + 1) * size, c * size : (c + 1) * size] for r in range(rows) for c in range(columns)]
    if thumbnail and len(cut) > 1:
        cut.append(np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC)))
    return np.stack(cut)


def shared_tiles(max_tiles: int, pictures: int) -> int:
    """How many tiles each of several pictures may be cut into: they share what one alone may have."""
    return max(1, max_tiles // max(1, pictures))


def chat_tiles(image: np.ndarray, pictures: int, max_tiles: int, size: int, resample: str) -> np.ndarray:
    """One of a question's `pictures` as a chat model reads it, (N, size, size, 3): one square stretched by `resample` for a
    model of a single tile, else tiles and thumbnail. Raises InputError."""
    if max_tiles == 1:
        return square(image, size, resample)[None]
    return tiles(image, shared_tiles(max_tiles, pictures), size=size)


def chat_tile_count(width: int, height: int, pictures: int, max_tiles: int, size: int) -> int:
    """How many squares `chat_tiles` makes of a picture of width × height pixels."""
    if max_tiles == 1:
        return 1
    columns, rows = tile_grid(width, height, shared_tiles(max_tiles, pictures), size=size)
    return columns * rows + (columns * rows > 1)
