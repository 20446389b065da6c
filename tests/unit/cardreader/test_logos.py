"""Logos as they come: what is printed is a small PNG of our own writing, or nothing."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from services.cardreader.logos import MOST_BYTES, MOST_HEIGHT, MOST_PIXELS, MOST_WIDTH, redrawn
from tests.unit.vision.files import (
    DISPLAY_P3,
    encoded,
    exif,
    heic,
    photo,
    png_chunk,
    profile,
    scene,
)
from vision.errors import (
    NotAPicture,
    PictureError,
    PictureTooLarge,
    PictureTooSmall,
    PictureTruncated,
    UnsupportedPicture,
)

SVG = b"""<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><script>alert(1)</script></svg>"""


def logo(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(redrawn(data)))
    picture.load()
    return picture


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels and holds none."""
    promise = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100))
    chunks = (png_chunk(b"IHDR", promise), png_chunk(b"IDAT", body), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (300, 100, (300, 100)),
        (MOST_WIDTH, MOST_HEIGHT, (MOST_WIDTH, MOST_HEIGHT)),
        (2400, 400, (1200, 200)),
        (1000, 1000, (400, 400)),
        (300, 1200, (100, 400)),
        (1201, 100, (1200, 100)),
        (4000, 200, (1200, 60)),
        (200, 4000, (20, 400)),
        (16, 16, (16, 16)),
    ],
)
def test_a_logo_is_reduced_until_it_fits_and_never_enlarged(
    width: int, height: int, size: tuple[int, int]
) -> None:
    made = logo(encoded(photo(width, height), "PNG"))
    assert made.size == size
    assert made.format == "PNG"
    assert made.mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_every_format_that_is_read_becomes_a_png(kind: str) -> None:
    made = logo(encoded(Image.fromarray(scene()), kind))
    assert np.abs(np.asarray(made)[5, 5].astype(int) - (220, 40, 40)).max() < 12


def test_a_heic_becomes_a_png() -> None:
    assert logo(heic(scene())).size == (96, 64)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_transparent_is_white_as_the_paper(kind: str) -> None:
    layer = np.zeros((40, 80, 4), np.uint8)
    layer[:, 40:] = (10, 60, 200, 255)
    layer[:, :20] = (255, 0, 0, 128)
    made = np.asarray(logo(encoded(Image.fromarray(layer), kind, lossless=True)))
    assert (made[20, 30] == 255).all()
    assert (made[20, 60] == (10, 60, 200)).all()
    assert np.abs(made[20, 10].astype(int) - (255, 127, 127)).max() <= 1


def test_edges_against_what_is_transparent_stay_clean_when_reduced() -> None:
    layer = np.zeros((1600, 1600, 4), np.uint8)
    layer[:, 801:] = (10, 60, 200, 255)
    made = np.asarray(logo(encoded(Image.fromarray(layer), "PNG"))).astype(int)
    assert made.shape == (400, 400, 3)
    # between white and the colour, and never darker than it: what cannot be seen does not shine in
    assert (made[:, 200] >= (10, 60, 200)).all()


def test_colours_become_srgb() -> None:
    pixels = np.full((32, 32, 3), (200, 60, 60), np.uint8)
    wide = encoded(pixels, "PNG", icc_profile=profile(DISPLAY_P3, None))
    made = np.asarray(logo(wide))[16, 16].astype(int)
    # the same numbers mean a stronger red in Display P3
    assert made[0] > 205
    assert made[1] < 55


def test_a_logo_stored_turned_is_upright() -> None:
    made = logo(encoded(photo(300, 100), "JPEG", exif=exif(6)))
    assert made.size == (100, 300)


def test_nothing_but_pixels_is_taken_over() -> None:
    secret = b"taken at home by nobody you know"
    text = png_chunk(b"tEXt", b"Comment\0" + secret)
    plain = encoded(photo(64, 64), "PNG")
    hidden = plain[:33] + text + plain[33:] + secret
    assert secret not in redrawn(hidden)
    assert redrawn(hidden) == redrawn(plain)


def test_of_an_animation_the_first_picture_is_taken() -> None:
    colours = [(250, 0, 0), (0, 0, 250)]
    first, second = (Image.new("RGB", (32, 32), colour) for colour in colours)
    made = logo(encoded(first, "GIF", save_all=True, append_images=[second]))
    assert made.getpixel((16, 16)) == (250, 0, 0)
    assert getattr(made, "n_frames", 1) == 1


GOOD = encoded(photo(200, 100), "PNG")


@pytest.mark.parametrize(
    ("file", "error", "says"),
    [
        (b"", NotAPicture, "empty"),
        (b"just a text, nothing else", NotAPicture, "not a picture"),
        (SVG, NotAPicture, "PNG"),
        (SVG.partition(b"\n")[2], NotAPicture, "PNG"),
        (b"<!DOCTYPE svg>" + SVG, NotAPicture, "PNG"),
        (b"<!DOCTYPE html><html><img src=logo.png></html>", NotAPicture, "document"),
        (b"%PDF-1.7\n" + bytes(500), NotAPicture, "document"),
        (GOOD[:16] + b"%PDF-1.7" + GOOD[16:], NotAPicture, "document"),
        (b"PK\3\4" + bytes(500), NotAPicture, "not a picture"),
        (b"\0\0\1\0" + bytes(500), UnsupportedPicture, "PNG"),
        (b"BM" + bytes(500), UnsupportedPicture, "PNG"),
        (GOOD[: len(GOOD) // 2], PictureTruncated, "damaged"),
        (GOOD[:-200] + bytes(200), PictureTruncated, "damaged"),
        (encoded(photo(1, 1), "PNG"), PictureTooSmall, "1 x 1"),
        (encoded(photo(15, 200), "PNG"), PictureTooSmall, "15 x 200"),
        (encoded(photo(2000, 99), "PNG"), UnsupportedPicture, "2000 x 99"),
        (encoded(photo(99, 2000), "PNG"), UnsupportedPicture, "99 x 2000"),
        (png_header(20_000, 20_000), PictureTooLarge, "megapixels"),
        (png_header(5_000, 5_000), PictureTooLarge, "unpacks"),
        (png_header(2**31 - 1, 2**31 - 1), PictureTooLarge, "pixels"),
        (GOOD + bytes(MOST_BYTES), PictureTooLarge, "10 megabytes"),
    ],
)
def test_what_is_no_logo_is_refused_with_a_sentence(
    file: bytes, error: type[PictureError], says: str
) -> None:
    with pytest.raises(error, match=says) as refused:
        redrawn(file)
    assert str(refused.value).endswith(".")


def test_fewer_pixels_may_be_allowed_and_more_may_not() -> None:
    file = encoded(photo(200, 100), "PNG")
    assert redrawn(file, 20_000)
    with pytest.raises(PictureTooLarge):
        redrawn(file, 19_999)
    with pytest.raises(PictureTooLarge, match="40 are allowed"):
        redrawn(png_header(8_000, 5_001), 2 * MOST_PIXELS)
