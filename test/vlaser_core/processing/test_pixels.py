from __future__ import annotations

import numpy as np
import pytest

from vlaser_core.errors import InputError
from vlaser_core.processing.augment import photometric
from vlaser_core.processing.pixels import check_image, normalise_pixels, square


def test_the_whole_picture_is_stretched_to_the_square():
    image = np.zeros((60, 120, 3), np.uint8)
    image[:, 60:] = 255
    stretched = square(image, 32, "area")
    assert stretched.shape == (32, 32, 3)
    assert stretched[:, :15].max() == 0 and stretched[:, 17:].min() == 255


def test_pixels_are_normalised_with_imagenets_numbers():
    pixels = normalise_pixels(np.full((1, 4, 4, 3), 255, np.uint8))
    assert pixels.shape == (1, 3, 4, 4)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([(1 - m) / s for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)], abs=1e-5)


@pytest.mark.parametrize(
    "image", [np.zeros((48, 64), np.uint8), np.zeros((48, 64, 4), np.uint8), np.zeros((48, 64, 3), np.float32), np.zeros((0, 64, 3), np.uint8), None]
)
def test_what_is_not_an_rgb_picture_is_refused(image):
    with pytest.raises(InputError, match="RGB uint8"):
        check_image(image)


def test_augmentation_changes_light_but_not_shape_and_is_seeded():
    images = np.full((3, 16, 16, 3), 128, np.uint8)
    once, again = photometric(images, np.random.default_rng(4)), photometric(images, np.random.default_rng(4))
    assert once.shape == images.shape and once.dtype == np.uint8
    assert np.array_equal(once, again) and not np.array_equal(once, images)
