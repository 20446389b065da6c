import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base

from tests.unit.vision.files import photo, scene
from vision.decode import decode
from vision.encode import encode_jpeg, encode_png, encode_webp
from vision.icc import srgb


@pytest.mark.parametrize("encode", [encode_jpeg, encode_png])
@pytest.mark.parametrize("dpi", [72, 300, 600])
def test_resolution_and_profile_are_embedded_and_nothing_else(encode: object, dpi: int) -> None:
    image = Image.open(io.BytesIO(encode(photo(), dpi=dpi)))

    assert image.info["icc_profile"] == srgb()
    assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.05)
    assert not image.getexif()
    assert set(image.info) <= {
        "icc_profile",
        "dpi",
        "jfif",
        "jfif_version",
        "jfif_unit",
        "jfif_density",
    }


@pytest.mark.parametrize("dpi", [72, 300, 600])
def test_webp_embeds_the_profile_and_says_the_resolution_in_exif_and_nothing_else(dpi: int) -> None:
    image = Image.open(io.BytesIO(encode_webp(photo(), dpi=dpi)))

    assert image.format == "WEBP"
    assert image.info["icc_profile"] == srgb()
    inch = 2
    assert dict(image.getexif()) == {
        Base.XResolution: dpi,
        Base.YResolution: dpi,
        Base.ResolutionUnit: inch,
    }


def test_jpeg_keeps_colour_at_full_resolution() -> None:
    image = Image.open(io.BytesIO(encode_jpeg(scene())))

    assert [(sampling[1], sampling[2]) for sampling in image.layer] == [(1, 1)] * 3


def test_a_red_line_stays_a_line() -> None:
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[:, 31] = (200, 20, 20)

    shown = decode(encode_jpeg(pixels, quality=95)).pixels.astype(int)

    assert np.abs(shown[:, 31] - (200, 20, 20)).max() < 12
    assert np.abs(shown[:, 30] - 255).max() < 12


def test_quality_decides_the_size() -> None:
    small, large = (encode_jpeg(photo(), quality=quality) for quality in (50, 95))

    assert len(small) < len(large) / 2


def test_png_loses_nothing() -> None:
    assert np.array_equal(decode(encode_png(photo())).pixels, photo())


def layer() -> NDArray[np.uint8]:
    """A photo that fades from transparent to opaque."""
    alpha = np.linspace(0, 255, 160).astype(np.uint8)
    return np.dstack((photo(), np.broadcast_to(alpha, (120, 160))))


def test_png_loses_nothing_of_a_transparent_picture() -> None:
    image = Image.open(io.BytesIO(encode_png(layer(), dpi=240)))

    assert image.mode == "RGBA"
    assert np.array_equal(np.asarray(image), layer())
    assert image.info["icc_profile"] == srgb()
    assert image.info["dpi"] == pytest.approx((240, 240), abs=0.05)


def test_webp_keeps_alpha_exactly_and_colour_nearly() -> None:
    image = Image.open(io.BytesIO(encode_webp(layer())))

    assert image.mode == "RGBA"
    assert image.info["icc_profile"] == srgb()
    shown, seen = np.asarray(image).astype(int), layer()[..., 3] > 128
    assert np.array_equal(shown[..., 3], layer()[..., 3])
    assert np.abs(shown[seen, :3] - layer()[seen, :3]).mean() < 6


def test_webp_is_as_good_as_asked_for() -> None:
    poor, good = (encode_webp(photo(), quality=quality) for quality in (20, 95))

    assert len(poor) < len(good) / 2
    errors = [np.abs(decode(file).pixels.astype(int) - photo()).mean() for file in (poor, good)]
    assert errors[1] < errors[0]


def test_a_picture_too_long_for_webp_is_an_error() -> None:
    with pytest.raises(ValueError, match="16383"):
        encode_webp(np.zeros((2, 16384, 3), np.uint8))


@pytest.mark.parametrize("encode", [encode_jpeg, encode_png, encode_webp])
def test_a_part_of_a_picture_can_be_encoded_as_it_lies(encode: object) -> None:
    part = photo()[10:90, 20:100]

    shown = decode(encode(part)).pixels

    assert np.abs(shown.astype(int) - part).mean() < 6


def test_equal_pictures_are_equal_files() -> None:
    for encode in (encode_jpeg, encode_png, encode_webp):
        assert encode(photo()) == encode(photo().copy())
