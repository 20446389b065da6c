import cv2
import numpy as np
import pytest

from vision.decode import decode
from vision.geometry import Box
from vision.icc import srgb_curve
from vision.picture import Pixels
from vision.quality import BLURRED, exposure, sharpness

FACE = Box(171, 75, 103, 103)
"""Of the portrait, from brows to chin."""


@pytest.fixture(scope="module")
def portrait(astronaut: bytes) -> Pixels:
    """One person, 512 x 512, sharp and well lit."""
    return decode(astronaut).pixels


def blurred(pixels: Pixels, share: float) -> Pixels:
    """By a Gaussian with a sigma of this share of the face's width."""
    return cv2.GaussianBlur(pixels, (0, 0), share * FACE.width)


def smeared(pixels: Pixels, share: float, degrees: float) -> Pixels:
    """By a motion over this share of the face's width."""
    length = round(share * FACE.width)
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), degrees, 1)
    line = cv2.warpAffine(line, turn, (length, length))
    return cv2.filter2D(pixels, -1, line / line.sum())


def stops(pixels: Pixels, by: float) -> Pixels:
    """With so many times the light, as a power of two."""
    light = np.clip(srgb_curve(np.arange(256) / 255) * 2**by, 0, 1)
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(coded * 255).astype(np.uint8)[pixels]


def face_of(skin: tuple[int, int, int], shine: tuple[int, int, int]) -> Pixels:
    """A flat face with hair, two eyes and highlights on a tenth of it."""
    pixels = np.full((100, 100, 3), skin, np.uint8)
    pixels[:12] = (14, 13, 13)
    pixels[30:38, 20:35] = pixels[30:38, 65:80] = (10, 9, 9)
    pixels[15:30, 30:70] = pixels[45:60, 45:55] = shine
    return pixels


def test_a_photograph_in_focus_is_sharp(portrait: Pixels) -> None:
    assert sharpness(portrait, FACE) > 2 * BLURRED


@pytest.mark.parametrize("share", [0.03, 0.04, 0.06])
@pytest.mark.parametrize("noise", [0, 4])
def test_a_face_out_of_focus_is_blurred(portrait: Pixels, share: float, noise: float) -> None:
    grain = np.random.default_rng(5).normal(0, noise, portrait.shape)
    soft = np.clip(blurred(portrait, share) + grain, 0, 255).astype(np.uint8)

    assert sharpness(soft, FACE) < BLURRED


@pytest.mark.parametrize("degrees", [0, 30, 90, 135])
def test_a_face_that_moved_is_blurred_in_whatever_direction(
    portrait: Pixels, degrees: float
) -> None:
    assert sharpness(smeared(portrait, 0.12, degrees), FACE) < BLURRED


def test_more_blur_is_less_sharp(portrait: Pixels) -> None:
    measured = [sharpness(portrait, FACE)] + [
        sharpness(blurred(portrait, share), FACE) for share in (0.005, 0.01, 0.02, 0.03, 0.05)
    ]

    assert measured == sorted(measured, reverse=True)


@pytest.mark.parametrize("factor", [2.0, 3.7, 10.0])
def test_the_size_of_the_photograph_does_not_count(portrait: Pixels, factor: float) -> None:
    """Enlarged without new detail, the same face is as sharp as it was."""
    part, box = portrait[60:190, 160:290], Box(FACE.x - 160, FACE.y - 60, FACE.width, FACE.height)
    large = cv2.resize(part, None, fx=factor, fy=factor, interpolation=cv2.INTER_LANCZOS4)

    measured = sharpness(large, box.scaled(factor, factor))

    assert measured == pytest.approx(sharpness(part, box), rel=0.15)


def test_neither_brightness_nor_contrast_count_for_much(portrait: Pixels) -> None:
    dim = (portrait * 0.4).astype(np.uint8)
    pale = (portrait * 0.4 + 130).astype(np.uint8)

    for changed in (dim, pale, stops(portrait, -2)):
        assert sharpness(changed, FACE) == pytest.approx(sharpness(portrait, FACE), rel=0.25)


def test_a_small_face_that_was_enlarged_is_blurred(portrait: Pixels) -> None:
    tiny = cv2.resize(portrait, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)

    assert sharpness(cv2.resize(tiny, (1024, 1024)), FACE.scaled(2, 2)) < BLURRED


def test_what_is_beside_the_face_does_not_count(portrait: Pixels) -> None:
    soft = blurred(portrait, 0.04)
    mixed = portrait.copy()
    inside = (slice(75, 178), slice(171, 274))
    mixed[inside] = soft[inside]

    assert sharpness(mixed, FACE) < BLURRED


@pytest.mark.parametrize(
    "box", [Box(-40, -30, 100, 100), Box(0, 0, 1, 1), Box(99.2, 0, 40, 40), Box(500, 500, 9, 9)]
)
def test_a_box_over_the_edge_is_cut(box: Box) -> None:
    pixels = face_of((200, 160, 140), (240, 220, 210))

    assert sharpness(pixels, box) >= 0
    assert 0 <= exposure(pixels, box).mean <= 1


def test_a_flat_face_is_not_sharp() -> None:
    assert sharpness(np.full((300, 300, 3), 128, np.uint8), Box(0, 0, 300, 300)) < 0.01


def test_luma_is_that_of_rec_709() -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, :, 1] = 200

    measured = exposure(pixels, Box(0, 0, 40, 40))

    assert measured.mean == pytest.approx(0.7152 * 200 / 255, abs=1e-3)
    assert measured.highlight == pytest.approx(measured.mean, abs=1e-3)


def test_nearly_black_and_nearly_white_are_counted() -> None:
    pixels = np.full((80, 80, 3), 128, np.uint8)
    pixels[:8] = 12
    pixels[8:16, :40] = (255, 251, 30)
    pixels[16:24] = (255, 120, 120)

    measured = exposure(pixels, Box(0, 0, 80, 80))

    assert measured.dark == pytest.approx(0.1)
    assert measured.bright == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("by", "under", "over"),
    [(-5, True, False), (-4, True, False), (-1, False, False), (0, False, False), (2, False, True)],
)
def test_too_little_and_too_much_light_are_told(
    portrait: Pixels, by: float, under: bool, over: bool
) -> None:
    measured = exposure(stops(portrait, by), FACE)

    assert (measured.underexposed, measured.overexposed) == (under, over)


def test_dark_skin_in_good_light_is_not_underexposed() -> None:
    whole = Box(0, 0, 100, 100)
    face = face_of((52, 36, 30), (138, 112, 98))

    assert exposure(face, whole).mean < 0.2
    assert not exposure(face, whole).underexposed
    assert exposure(stops(face, -2.5), whole).underexposed
