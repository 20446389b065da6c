import struct

import pytest

from tests.unit.vision import files
from vision.formats.exif import orientation


@pytest.mark.parametrize("value", range(1, 9))
def test_the_orientation_is_read(value: int) -> None:
    assert orientation(files.exif(value)) == value


def test_it_is_read_in_either_byte_order_and_with_or_without_its_mark() -> None:
    block = b"MM\0*" + struct.pack(">LHHHLHHL", 8, 1, 0x0112, 3, 1, 6, 0, 0)

    assert orientation(block) == 6
    assert orientation(b"Exif\0\0" + block) == 6


@pytest.mark.parametrize(
    "block",
    [
        None,
        b"",
        b"Exif\0\0",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"MM\0*" + struct.pack(">LHHHLHHL", 8, 1, 0x0112, 3, 1, 9, 0, 0),
        b"MM\0*" + struct.pack(">LHHHLHHL", 8, 1, 0x0112, 3, 1, 0, 0, 0),
        b"MM\0*" + struct.pack(">LHHHLHHL", 8, 1, 0x0112, 2, 4, 6, 0, 0),
        b"junk" * 30,
    ],
)
def test_whatever_else_it_says_is_upright(block: bytes | None) -> None:
    assert orientation(block) == 1
