from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from vlaser_core.data.clean import near as module
from vlaser_core.data.clean.fingerprint import SIZE, Fingerprint, fingerprint
from vlaser_core.data.clean.near import COARSE, FINE, Near
from vlaser_core.data.source import Picture
from vlaser_core.errors import InputError


def scene(seed: int, size=(320, 240)) -> Image.Image:
    """Something with large and small structure, as photographs have."""
    rng = np.random.default_rng(seed)
    whole = np.zeros((240, 320, 3))
    for cells in (4, 9, 20, 60):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize((320, 240), Image.Resampling.BICUBIC)
        whole += np.asarray(coarse) / cells**0.5
    return Image.fromarray((whole * 255 / whole.max()).astype(np.uint8)).resize(size)


def encoded(image: Image.Image, kind: str = "JPEG", **options) -> Picture:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return Picture("p", data.getvalue())


def distance(first: Picture, second: Picture) -> tuple[int, int]:
    a, b = fingerprint(first), fingerprint(second)
    return (a.coarse ^ b.coarse).bit_count(), (a.fine ^ b.fine).bit_count()


CHANGES = {
    "compressed": lambda image: encoded(image, quality=30),
    "png": lambda image: encoded(image, "PNG"),
    "half size": lambda image: encoded(image.resize((160, 120)), quality=90),
    "brighter": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.15), quality=90),
    "less contrast": lambda image: encoded(ImageEnhance.Contrast(image).enhance(0.8), quality=90),
    "a little soft": lambda image: encoded(image.filter(ImageFilter.GaussianBlur(1)), quality=90),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_picture_saved_otherwise_is_near(change):
    for seed in range(12):
        coarse, fine = distance(encoded(scene(seed), quality=95), CHANGES[change](scene(seed)))
        assert coarse <= COARSE and fine <= FINE, (seed, coarse, fine)


def test_other_pictures_and_mirrored_ones_are_far():
    prints = [encoded(scene(seed), quality=95) for seed in range(40)]
    for index, one in enumerate(prints):
        assert all(distance(one, other)[1] > FINE for other in prints[:index])
        assert distance(one, encoded(scene(index).transpose(Image.Transpose.FLIP_LEFT_RIGHT)))[1] > FINE


def test_a_print_is_packed_in_48_bytes_and_comes_back():
    given_print = fingerprint(encoded(scene(1)))
    assert len(given_print.pack()) == SIZE and Fingerprint.unpack(given_print.pack()) == given_print
    with pytest.raises(InputError, match="48 bytes, got 7"):
        Fingerprint.unpack(b"1234567")
    with pytest.raises(InputError, match="cannot be decoded"):
        fingerprint(Picture("p", b"no picture"))


def brute(prints: list[Fingerprint], asked: Fingerprint, coarse: int, fine: int) -> list[int]:
    return [
        n for n, p in enumerate(prints) if (p.coarse ^ asked.coarse).bit_count() <= coarse and (p.fine ^ asked.fine).bit_count() <= fine
    ]


@given(st.integers(0, 2**32 - 1), st.integers(0, 7), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_what_is_found_is_exactly_what_comparing_with_all_finds(seed, coarse, fine):
    rng = np.random.default_rng(seed)
    flips = lambda bits, most: sum(1 << int(at) for at in set(rng.integers(0, bits, rng.integers(0, most + 1))))
    base = [(int(rng.integers(0, 2**63)), int.from_bytes(rng.bytes(32), "big")) for _ in range(5)]
    prints = []
    for _ in range(120):
        a, b = base[rng.integers(5)]
        prints.append(Fingerprint(a ^ flips(64, 9), b ^ flips(256, 50), int(rng.integers(0, 2**62))))
    near = Near(coarse, fine)
    for number, each in enumerate(prints):
        assert near.find(each).tolist() == brute(prints[:number], each, coarse, fine)
        assert near.add(each) == number
    assert len(near) == 120


def test_it_grows_beyond_what_it_was_made_for_and_knows_the_very_same_file():
    rng = np.random.default_rng(0)
    prints = [Fingerprint(int(rng.integers(0, 2**63)), int.from_bytes(rng.bytes(32), "big"), n) for n in range(3000)]
    near = Near()
    for each in prints:
        near.add(each)
    for number in (0, 1023, 1024, 2999):
        found = near.find(prints[number])
        assert found.tolist() == [number] and near.same(found, prints[number])
        assert not near.same(found, Fingerprint(prints[number].coarse, prints[number].fine, 10**9))


def test_numpy_without_bit_counts_counts_the_same(monkeypatch):
    values = np.random.default_rng(0).integers(0, 2**63, (50, 4), dtype=np.uint64)
    expected = [[int(value).bit_count() for value in row] for row in values]
    assert module._ones(values).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert module._ones(values).tolist() == expected and module._ones(values[:, 0]).tolist() == [row[0] for row in expected]


@pytest.mark.parametrize("bits", [(-1, 3), (8, 3), (3, 257)])
def test_a_radius_that_cannot_be_searched_is_refused(bits):
    with pytest.raises(InputError, match="near within"):
        Near(*bits)
