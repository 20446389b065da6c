import numpy as np
import pytest

from tests.unit.vision.files import photo, scene
from vision.resize import halve, reduce_to


@pytest.mark.parametrize(
    ("width", "height", "longest"),
    [(4000, 3000, 1280), (3001, 1999, 500), (640, 480, 639), (97, 1301, 128), (3000, 1, 64)],
)
def test_the_longer_side_gets_the_length_asked_for(width: int, height: int, longest: int) -> None:
    reduced = reduce_to(np.zeros((height, width, 3), np.uint8), longest)

    assert max(reduced.pixels.shape[:2]) == longest
    assert reduced.pixels.shape[1] * reduced.scale_x == pytest.approx(width, rel=0.02)
    assert reduced.pixels.shape[0] * reduced.scale_y == pytest.approx(height, rel=0.02)


@pytest.mark.parametrize("longest", [160, 161, 5000])
def test_what_is_small_enough_stays_as_it_is(longest: int) -> None:
    pixels = photo(160, 120)

    reduced = reduce_to(pixels, longest)

    assert reduced.pixels is pixels
    assert (reduced.scale_x, reduced.scale_y) == (1, 1)


def test_places_are_found_again_in_the_original() -> None:
    pixels = np.zeros((1531, 2043, 3), np.uint8)
    pixels[1000:1040, 1600:1640] = 255

    reduced = reduce_to(pixels, 500)

    y, x = (float(axis.mean()) + 0.5 for axis in np.nonzero(reduced.pixels[:, :, 0] > 100))
    assert x * reduced.scale_x == pytest.approx(1620, abs=3)
    assert y * reduced.scale_y == pytest.approx(1020, abs=3)


def test_halving_averages_four_pixels() -> None:
    pixels = scene(6, 5)

    expected = pixels[:4].reshape(2, 2, 3, 2, 3).mean(axis=(1, 3))
    assert np.abs(halve(pixels) - expected).max() <= 0.5


def test_fine_stripes_become_grey_and_not_other_stripes() -> None:
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::2] = 255

    reduced = reduce_to(stripes, 300).pixels

    assert np.abs(reduced.astype(int) - 127).max() <= 1
