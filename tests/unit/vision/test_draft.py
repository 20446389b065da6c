"""A draft is the photograph that decode gives, smaller, and refuses what decode refuses."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.unit.vision import files
from tests.unit.vision.files import encoded, heic, photo
from vision.decode import decode
from vision.draft import draft, drafted
from vision.errors import (
    NotAPicture,
    PictureError,
    PictureTooLarge,
    PictureTooSmall,
    PictureTruncated,
    UnsupportedPicture,
)
from vision.limits import Limits
from vision.resize import resize

PIXELS = resize(photo(160, 120), 1601, 1199)
RGB = Image.fromarray(PIXELS)
KINDS = {
    "jpeg": encoded(RGB, "JPEG", quality=90),
    "progressive jpeg": encoded(RGB, "JPEG", quality=90, progressive=True),
    "grey jpeg": encoded(RGB.convert("L"), "JPEG", quality=90),
    "cmyk jpeg": encoded(RGB.convert("CMYK"), "JPEG", quality=90),
    "4:1:1 jpeg": encoded(RGB, "JPEG", quality=90, subsampling="4:1:1"),
    "png": encoded(RGB, "PNG"),
    "webp": encoded(RGB, "WEBP"),
    "heic": heic(PIXELS),
    "tiff": encoded(RGB, "TIFF"),
}


def thumbnail(pixels: files.Pixels) -> NDArray[np.float32]:
    """40 x 30, averaged."""
    small = cv2.resize(pixels, (40, 30), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


@pytest.mark.parametrize("side", [100, 400, 800, 801, 1601, 9000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_looks_like_the_photograph(kind: str, side: int) -> None:
    whole = decode(KINDS[kind]).pixels
    small = draft(KINDS[kind], side)

    height, width, channels = small.shape
    assert channels == 3
    assert min(side, 1601) <= width < max(2 * side, 1602)
    assert width / height == pytest.approx(1601 / 1199, rel=0.02)
    assert small.flags.c_contiguous
    assert np.abs(thumbnail(small) - thumbnail(whole)).mean() < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_draft_is_upright(orientation: int) -> None:
    scene = files.scene(960, 640)
    stored = Image.fromarray(files.stored_turned(scene, orientation))
    data = encoded(stored, "JPEG", quality=95, exif=files.exif(orientation))

    small = draft(data, 200)

    assert small.shape == (160, 240, 3)
    for place, (y, x) in {
        "top left": (40, 60),
        "top right": (40, 180),
        "bottom left": (120, 60),
    }.items():
        assert np.abs(small[y, x].astype(int) - files.CORNERS[place]).max() < 12


@pytest.mark.parametrize("side", [100, 400, 800, 801, 1601, 9000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_knows_how_large_the_photograph_is(kind: str, side: int) -> None:
    found = drafted(KINDS[kind], side)

    height, width = found.pixels.shape[:2]
    assert (found.width, found.height) == (1601, 1199)
    assert (found.scale_x * width, found.scale_y * height) == pytest.approx((1601, 1199))
    if found.whole is None:
        assert kind.endswith("jpeg")
        assert width < 1601
    else:
        assert found.whole.shape == (1199, 1601, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [200, 900])
def test_the_size_that_a_draft_knows_is_upright(kind: str, orientation: int, side: int) -> None:
    stored = Image.fromarray(files.stored_turned(files.scene(960, 640), orientation))
    found = drafted(encoded(stored, kind, exif=files.exif(orientation)), side)

    assert (found.width, found.height) == (960, 640)
    assert found.scale_x == pytest.approx(found.scale_y, rel=0.01)


@pytest.mark.parametrize("part", [1 / 3, 1 / 2, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_is_refused(kind: str, part: float) -> None:
    data = KINDS[kind]
    with pytest.raises(PictureTruncated):
        draft(data[: int(len(data) * part)], 400)


@pytest.mark.parametrize(
    ("data", "limits", "error"),
    [
        (b"", Limits(), NotAPicture),
        (b"<html>" * 20, Limits(), NotAPicture),
        (b"BM" + b"\0" * 60, Limits(), UnsupportedPicture),
        (KINDS["jpeg"], Limits(most_bytes=1000), PictureTooLarge),
        (KINDS["jpeg"], Limits(most_side=1600), PictureTooLarge),
        (KINDS["png"], Limits(most_pixels=1_000_000), PictureTooLarge),
        (KINDS["jpeg"], Limits(bomb_pixels=1_000_000, bomb_pixels_per_byte=1), PictureTooLarge),
        (encoded(Image.new("RGB", (8, 8)), "JPEG"), Limits(), PictureTooSmall),
    ],
)
def test_limits_hold_before_anything_is_decoded(
    data: bytes, limits: Limits, error: type[PictureError]
) -> None:
    with pytest.raises(error):
        draft(data, 400, limits)


def test_a_header_that_lies_about_the_size_is_refused() -> None:
    data = bytearray(KINDS["jpeg"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (300).to_bytes(2, "big") + (9000).to_bytes(2, "big")
    with pytest.raises(PictureTruncated):
        draft(bytes(data), 400)


def test_what_libjpeg_only_warns_about_is_no_reason_to_refuse() -> None:
    data = KINDS["jpeg"] + b"\xff\xff trailing \x00 bytes of a telephone"
    assert draft(data, 400).shape[1] >= 400
