import struct

import numpy as np
import pytest
from PIL import Image

from tests.unit.vision.files import encoded, photo
from vision.decode import decode
from vision.errors import PictureTruncated

PIXELS = photo(64, 48)


def tiff(order: str, extra: tuple[tuple[int, int, int, int], ...] = (), short: int = 0) -> bytes:
    """An RGB TIFF written by hand, with more tags, its data `short` bytes too short."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    data = PIXELS.tobytes()
    data = data[: len(data) - short]
    bits = struct.pack(order + "3H", 8, 8, 8)
    entries = sorted(
        (
            (256, 4, 1, 64),
            (257, 4, 1, 48),
            (258, 3, 3, 8),
            (262, 3, 1, 2),
            (273, 4, 1, 14),
            (277, 3, 1, 3),
            (278, 4, 1, 48),
            (279, 4, 1, 64 * 48 * 3),
            *extra,
        )
    )
    lines = b"".join(
        struct.pack(
            order + ("HHLH2x" if (kind, count) == (3, 1) else "HHLL"), tag, kind, count, value
        )
        for tag, kind, count, value in entries
    )
    start = 14 + len(data)
    return (
        head
        + struct.pack(order + "L", start)
        + bits
        + data
        + struct.pack(order + "H", len(entries))
        + lines
        + b"\0\0\0\0"
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_either_byte_order_is_read(order: str) -> None:
    assert np.array_equal(decode(tiff(order)).pixels, PIXELS)


@pytest.mark.parametrize(
    "tag",
    [
        (270, 2, 4_000_000_000, 8),  # a description longer than any file
        (34665, 4, 1, 4_000_000_000),  # EXIF far outside
        (700, 1, 50_000_000, 8),  # XMP that is not there
        (36864, 99, 7, 1),  # a type that does not exist
    ],
)
def test_tags_that_are_not_the_picture_cannot_harm(tag: tuple[int, int, int, int]) -> None:
    assert np.array_equal(decode(tiff("<", (tag,))).pixels, PIXELS)


@pytest.mark.parametrize(
    "tag",
    [
        (320, 3, 400_000_000, 8),  # a colour map that reaches far outside
        (322, 4, 3, 8),  # three tile widths
        (324, 4, 600_000, 8),  # more tiles than any picture within the limits
        (258, 3, 0, 8),  # no bits at all
    ],
)
def test_broken_tags_of_the_picture_are_refused(tag: tuple[int, int, int, int]) -> None:
    with pytest.raises(PictureTruncated):
        decode(tiff("<", (tag,)))


def test_strips_that_end_outside_the_file_are_refused() -> None:
    with pytest.raises(PictureTruncated):
        decode(tiff("<", short=64 * 48 * 2))


def test_a_directory_outside_the_file_is_refused() -> None:
    with pytest.raises(PictureTruncated):
        decode(b"II*\0\xff\xff\xff\x7f" + b"\0" * 400)


def test_grey_with_white_as_zero_is_not_shown_as_a_negative() -> None:
    grey = Image.fromarray(PIXELS).convert("L")
    negative = Image.eval(grey, lambda value: 255 - value)
    data = bytearray(encoded(negative, "TIFF"))
    at = data.index(struct.pack("<HHL", 262, 3, 1)) + 8
    data[at : at + 2] = b"\0\0"

    assert np.array_equal(decode(bytes(data)).pixels[:, :, 0], np.asarray(grey))
