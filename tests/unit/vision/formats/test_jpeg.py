import io

import numpy as np
import pytest
from PIL import Image

from tests.unit.vision import files
from tests.unit.vision.files import encoded, photo
from vision.decode import decode
from vision.errors import PictureTruncated, UnsupportedPicture
from vision.formats import jpeg

GOOD = encoded(photo(), "JPEG", quality=90)


def test_the_header_is_read_without_decoding() -> None:
    header = jpeg.read(GOOD[:700])

    assert (header.width, header.height) == (160, 120)


def test_fill_bytes_before_a_segment_are_skipped() -> None:
    end = 4 + int.from_bytes(GOOD[4:6], "big")

    header = jpeg.read(GOOD[:end] + b"\xff\xff\xff" + GOOD[end:])

    assert (header.width, header.height) == (160, 120)


def test_a_hundred_false_marks_of_scans_in_metadata_do_not_count() -> None:
    data = files.jpeg_with_segment(GOOD, 0xE5, b"\xff\xda" * 5000)

    assert np.array_equal(decode(data).pixels, decode(GOOD).pixels)


def test_the_thumbnail_in_exif_is_not_taken_for_the_picture() -> None:
    thumbnail = encoded(photo(40, 32), "JPEG")

    data = files.jpeg_with_segment(GOOD, 0xE1, b"Exif\0\0" + files.exif(6)[6:] + thumbnail)

    assert decode(data).pixels.shape == (160, 120, 3)


@pytest.mark.parametrize("marker", [0xC3, 0xC9, 0xCA])
def test_lossless_and_arithmetic_frames_are_refused_by_name(marker: int) -> None:
    data = bytearray(GOOD)
    data[data.index(b"\xff\xc0") + 1] = marker

    with pytest.raises(UnsupportedPicture, match="JPEG"):
        decode(bytes(data))


def test_twelve_bit_frames_are_refused_by_name() -> None:
    data = bytearray(GOOD)
    data[data.index(b"\xff\xc0") + 4] = 12

    with pytest.raises(UnsupportedPicture, match="8 bits"):
        decode(bytes(data))


def test_a_way_to_subsample_that_turbojpeg_has_no_name_for_is_read() -> None:
    """Three luma samples to one of colour: five blocks of mid grey for every 24 x 8 pixels."""
    grey = encoded(Image.new("L", (64, 64), 128), "JPEG")
    tables = grey[: grey.index(b"\xff\xc0")]
    codes = grey[grey.index(b"\xff\xc4") : grey.index(b"\xff\xda")]
    frame = b"\xff\xc0\0\x11\x08\0\x40\0\x40\3" + b"\1\x31\0\2\x11\0\3\x11\0"
    scan = b"\xff\xda\0\x0c\3\1\0\2\0\3\0\0\x3f\0"
    blocks = bytes.fromhex("28a28a") * (3 * 8 * 5 * 6 // 24)

    picture = decode(tables + frame + codes + scan + blocks + b"\xff\xd9")

    assert picture.pixels.shape == (64, 64, 3)
    assert (picture.pixels == 128).all()


def test_a_picture_without_a_scan_is_refused() -> None:
    start = GOOD.index(b"\xff\xda")

    with pytest.raises(PictureTruncated):
        decode(GOOD[:start] + b"\xff\xd9")


def test_damage_in_the_middle_is_refused() -> None:
    data = bytearray(GOOD)
    middle = len(data) // 2
    data[middle : middle + 40] = b"\xff\xd9" * 20

    with pytest.raises(PictureTruncated):
        decode(bytes(data))


def test_four_inks_stored_as_ycck_are_read_like_plain_ones() -> None:
    """Pillow writes CMYK plainly; Adobe's mark with transform 2 says YCCK."""
    inks = Image.new("CMYK", (64, 64), (0, 0, 0, 128))
    plain = encoded(inks, "JPEG", quality=100)
    at = plain.index(b"Adobe")
    ycck = bytearray(plain)
    ycck[at + 11] = 2

    grey = decode(plain).pixels[5, 5]
    assert tuple(grey) == pytest.approx((127, 127, 127), abs=2)
    reference = Image.open(io.BytesIO(ycck)).convert("RGB").getpixel((5, 5))
    assert tuple(decode(bytes(ycck)).pixels[5, 5]) == pytest.approx(reference, abs=2)
