import numpy as np
import pytest

from tests.unit.vision.files import photo
from vision.geometry import Affine, Point
from vision.tiles import SIDE, Halves, overview, squares, turned

CORNERS = np.array([(0.0, 0.0), (1.0, 1.0)])
LOST = 7
"""Pixels at the right and lower edge that halving three times may leave out."""
SIZES = [(640, 480), (480, 640), (333, 999), (128, 128), (90, 70), (129, 128), (1280, 853)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("fraction", [1.0, 0.5, 0.28])
def test_squares_cover_the_whole_picture(width: int, height: int, fraction: float) -> None:
    covered = np.zeros((height, width), bool)
    covered[height - LOST :], covered[:, width - LOST :] = True, True

    for tile in squares(Halves(np.zeros((height, width, 3), np.uint8)), [fraction]):
        (left, top), (right, bottom) = tile.to_picture.apply(CORNERS)
        assert tile.pixels.shape == (SIDE, SIDE, 3)
        assert right - left == pytest.approx(min(width, height) * fraction, rel=0.05)
        covered[round(top) : round(bottom), round(left) : round(right)] = True

    assert covered.all() or min(width, height) * fraction < 64


def test_squares_of_less_than_64_pixels_are_not_looked_at() -> None:
    assert not squares(Halves(photo(120, 120)), [0.5])
    assert squares(Halves(photo(20, 20)), [1.0])


def test_a_strip_is_not_cut_into_thousands() -> None:
    assert not squares(Halves(np.zeros((4, 1280, 3), np.uint8)), [1.0])
    assert squares(Halves(np.zeros((256, 1280, 3), np.uint8)), [0.28])


def test_neighbours_overlap_by_a_quarter_or_more() -> None:
    tiles = squares(Halves(np.zeros((500, 900, 3), np.uint8)), [0.5])

    lefts = sorted({round(tile.to_picture.x0) for tile in tiles})
    assert max(np.diff(lefts)) <= 250 * 0.75


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_overview_shows_everything_in_proportion(width: int, height: int) -> None:
    tile = overview(Halves(np.full((height, width, 3), 255, np.uint8)))

    y, x = np.nonzero(tile.pixels[:, :, 0])
    shown = np.array([(x.min(), y.min()), (x.max() + 1, y.max() + 1)]) / SIDE
    assert np.allclose(tile.to_picture.apply(shown), [(0, 0), (width, height)], atol=LOST)
    assert tile.whole


def dotted() -> tuple[Halves, Point]:
    pixels = np.zeros((600, 800, 3), np.uint8)
    pixels[310:330, 450:470] = 255
    return Halves(pixels), Point(460, 320)


def place_of_dot(pixels: np.ndarray) -> np.ndarray:
    weights = pixels[:, :, 0].astype(float)
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum() / SIDE


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_every_tile_knows_where_it_comes_from(fraction: float, quarters: int) -> None:
    picture, dot = dotted()

    tiles = [turned(tile, quarters) for tile in [*squares(picture, [fraction]), overview(picture)]]

    seen = 0
    for tile in tiles:
        edge = np.concatenate(
            (tile.pixels[0], tile.pixels[-1], tile.pixels[:, 0], tile.pixels[:, -1])
        )
        if tile.pixels.any() and not edge.any():
            seen += 1
            assert tile.to_picture.apply(place_of_dot(tile.pixels)) == pytest.approx(
                (dot.x, dot.y), abs=4
            )
    assert seen >= 2


@pytest.mark.parametrize("side", [60, 128, 300, 580])
@pytest.mark.parametrize("degrees", [0, 30, 90, -135])
def test_a_square_can_be_cut_at_any_angle_and_size(side: float, degrees: float) -> None:
    picture, dot = dotted()
    place = Affine.similarity(side, degrees, Point(0.5, 0.5), Point(dot.x + 8, dot.y - 6))

    cut = picture.cut(place)

    assert cut.shape == (SIDE, SIDE, 3)
    assert place.apply(place_of_dot(cut)) == pytest.approx((dot.x, dot.y), abs=1.5)


def test_what_lies_outside_is_black() -> None:
    white = Halves(np.full((100, 100, 3), 255, np.uint8))

    cut = white.cut(Affine.scale_and_move(100, 100, 50, 50))

    assert (cut[:62, :62] == 255).all()
    assert not cut[66:, 66:].any()


def test_a_square_much_larger_than_a_tile_is_averaged_not_sampled() -> None:
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::2] = 255

    cut = Halves(stripes).cut(Affine.scale_and_move(1024, 1024, 0, 0))

    assert np.abs(cut[4:-4, 4:-4].astype(int) - 127).max() <= 1
