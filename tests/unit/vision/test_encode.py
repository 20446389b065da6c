import io

import numpy as np
import pytest
from PIL import Image

from tests.unit.vision.files import photo, scene
from vision.decode import decode
from vision.encode import encode_jpeg, encode_png
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


@pytest.mark.parametrize("encode", [encode_jpeg, encode_png])
def test_a_part_of_a_picture_can_be_encoded_as_it_lies(encode: object) -> None:
    part = photo()[10:90, 20:100]

    shown = decode(encode(part)).pixels

    assert np.abs(shown.astype(int) - part).mean() < 6


def test_equal_pictures_are_equal_files() -> None:
    assert encode_jpeg(photo()) == encode_jpeg(photo().copy())
