import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.facecrop import portrait
from services.facecrop.framing import frame
from services.facecrop.padding import continued
from tests.unit.facecrop.faces import CORPORATE, PRESETS, SCHOOL, SPORTS, face
from vision.picture import Format, Picture, Pixels


def picture(pixels: Pixels) -> Picture:
    return Picture(pixels, None, Format.PNG)


def slopes(width: int = 800, height: int = 600) -> Pixels:
    """A picture whose red tells the place from left to right and whose green from top to bottom."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return pixels


@given(
    x=st.floats(-20, 420),
    y=st.floats(-20, 320),
    eyes=st.floats(2, 200),
    roll=st.sampled_from([0.0, 10.0, -45.0, 90.0, 179.0]),
    name=st.sampled_from(sorted(PRESETS)),
)
def test_whatever_the_face_the_crop_has_the_presets_shape(
    x: float, y: float, eyes: float, roll: float, name: str
) -> None:
    preset = PRESETS[name]
    placed = frame(face(x, y, eyes, eyes * 1.05, roll), preset, 400, 300)
    crop = portrait.cut(picture(np.zeros((300, 400, 3), np.uint8)), placed)
    aspect = preset.aspect[0] / preset.aspect[1]
    assert abs(crop.shape[1] - aspect * crop.shape[0]) <= 0.5 + 0.51 * aspect


@pytest.mark.parametrize("roll", [0.0, 2.5, -2.9])
def test_an_upright_crop_is_a_copy_of_the_photos_pixels(roll: float) -> None:
    random = np.random.default_rng(3).integers(0, 255, (600, 800, 3), np.uint8)
    placed = frame(face(400, 300, 30, roll=roll), SCHOOL, 800, 600)
    crop = portrait.cut(picture(random), placed)
    left, top = (round(float(side)) for side in placed.corners[0])
    height, width = crop.shape[:2]
    assert (crop == random[top : top + height, left : left + width]).all()


@pytest.mark.parametrize("roll", [5.0, -30.0, 90.0, 135.0, 180.0])
def test_a_turned_crop_shows_at_each_place_what_the_frame_covers(roll: float) -> None:
    placed = frame(face(400, 300, 20, roll=roll), SCHOOL, 800, 600)
    assert not placed.padded
    crop = portrait.cut(picture(slopes()), placed)
    down, along = np.mgrid[0 : crop.shape[0], 0 : crop.shape[1]] + 0.5
    x, y = np.moveaxis(placed.to_photo.apply(np.dstack((along, down))), -1, 0)
    assert np.abs(crop[..., 0] - (x - 0.5) * 255 / 799).max() < 2.5
    assert np.abs(crop[..., 1] - (y - 0.5) * 255 / 599).max() < 2.5


def test_what_lies_outside_takes_the_colour_of_the_edge_and_what_lies_inside_stays() -> None:
    pixels = np.full((400, 400, 3), (90, 20, 30), np.uint8)
    pixels[:, 100:] = (0, 0, 200)
    placed = frame(face(10, 200, 60, 60), CORPORATE, 400, 400)
    crop = portrait.cut(picture(pixels), placed)
    assert placed.padded
    assert np.abs(crop[:, 0].astype(int) - (90, 20, 30)).max() <= 2
    left = -round(float(placed.corners[0][0]))
    assert (crop[:, left : left + 100] == (90, 20, 30)).all()
    assert (crop[:, left + 100] == (0, 0, 200)).all()


def test_a_turned_frame_that_leaves_the_photo_is_padded_with_the_colours_of_its_edge() -> None:
    pixels = np.full((400, 400, 3), (90, 20, 30), np.uint8)
    placed = frame(face(30, 30, 60, 60, roll=20), SCHOOL, 400, 400)
    crop = portrait.cut(picture(pixels), placed)
    assert placed.padded
    assert np.abs(crop.astype(int) - (90, 20, 30)).max() <= 2


def test_a_frame_without_measure_is_drawn_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portrait, "MOST_PIXELS", 50_000)
    placed = frame(face(400, 300, 60), SPORTS, 800, 600)
    crop = portrait.cut(picture(slopes()), placed)
    assert 45_000 < crop.shape[0] * crop.shape[1] <= 50_500
    middle = crop[round(0.30 * crop.shape[0]), crop.shape[1] // 2].astype(int)
    assert np.abs(middle - (127, 127, 0)).max() <= 2


@pytest.mark.parametrize("size", [(50, 50), (200, 200)])
def test_colours_that_are_not_seen_do_not_count_when_resizing(size: tuple[int, int]) -> None:
    pixels = np.zeros((100, 100, 4), np.uint8)
    pixels[:, 41:] = (200, 100, 50, 255)
    result = portrait.resized(pixels, size)
    assert result.shape == (size[1], size[0], 4)
    seen = result[result[..., 3] > 100]
    assert np.abs(seen[:, :3].astype(int) - (200, 100, 50)).max() <= 2
    assert result[0, 0, 3] == 0
    assert result[0, -1, 3] == 255


@pytest.mark.parametrize(("width", "expected"), [(300, 300), (800, 800), (801, 800), (3000, 800)])
def test_sharpening_gets_at_most_a_third_of_the_full_size(width: int, expected: int) -> None:
    crop = np.zeros((width * 5 // 4, width, 3), np.uint8)
    assert portrait.sharpening_input(crop, (2400, 3000)).shape[1] == expected


@pytest.mark.parametrize(
    ("width", "full", "expected"),
    [
        (1800, (300, 400), (300, 400)),
        (299, (300, 400), (299, 399)),
        (1800, (750, 1000), (750, 1000)),
        (1800, (1200, 1600), (800, 1067)),
    ],
)
def test_sharpening_for_a_small_full_size_gets_no_fewer_pixels_than_that_has(
    width: int, full: tuple[int, int], expected: tuple[int, int]
) -> None:
    crop = np.zeros((round(width * 4 / 3), width, 3), np.uint8)
    assert portrait.size_of(portrait.sharpening_input(crop, full)) == expected


def test_sharpening_gets_at_most_a_million_pixels() -> None:
    small = portrait.sharpening_input(np.zeros((3000, 3000, 3), np.uint8), (10_000, 10_000))
    assert small.shape[:2] == (1000, 1000)


def test_padding_begins_with_the_pixels_of_the_edge_and_grows_soft() -> None:
    stripes = np.zeros((200, 200, 3), np.uint8)
    stripes[:, ::2] = 200
    made = continued(stripes, (0, 300, 0, 0)).astype(int)
    assert (made[:200] == stripes).all()
    contrast = np.abs(np.diff(made[..., 0], axis=1)).max(axis=1)
    assert contrast[200] > 180
    assert contrast[260:].max() < 10
    assert np.abs(made[300:, 100].mean() - 100) < 10


def test_padding_takes_nothing_from_within_the_photo() -> None:
    pixels = np.full((200, 200, 3), 255, np.uint8)
    pixels[-1] = 20
    assert (continued(pixels, (0, 50, 0, 0))[199:] == 20).all()
