import struct

import numpy as np
import pytest

from tests.unit.vision import files
from tests.unit.vision.files import encoded, photo
from vision.decode import decode
from vision.errors import PictureTruncated

ROWS = b"".join(b"\0" + bytes(row) for row in photo(64, 40).reshape(40, -1))


def test_a_flipped_bit_in_the_pixels_is_noticed() -> None:
    data = bytearray(encoded(photo(), "PNG"))
    data[len(data) // 2] ^= 1

    with pytest.raises(PictureTruncated):
        decode(bytes(data))


def interlaced(rows_missing: int) -> bytes:
    """An interlaced grey 64 x 64 PNG of zeros, which Pillow cannot write."""
    passes = ((8, 8), (8, 8), (16, 8), (16, 16), (32, 16), (32, 32), (64, 32))
    rows = b"".join(b"\0" * (wide + 1) * high for wide, high in passes)
    data = files.png(64, 64, 8, 0, rows[: len(rows) - 65 * rows_missing])
    header = struct.pack(">LLBBBBB", 64, 64, 8, 0, 0, 0, 1)
    return data[:8] + files.png_chunk(b"IHDR", header) + data[33:]


def test_an_interlaced_picture_is_read() -> None:
    assert not decode(interlaced(rows_missing=0)).pixels.any()


def test_an_interlaced_picture_that_lacks_a_row_is_refused() -> None:
    with pytest.raises(PictureTruncated):
        decode(interlaced(rows_missing=1))


@pytest.mark.parametrize(("depth", "colour", "row"), [(1, 0, 8), (2, 3, 16), (16, 6, 512)])
def test_a_black_picture_is_whole_if_it_has_all_its_rows(depth: int, colour: int, row: int) -> None:
    palette = [files.png_chunk(b"PLTE", b"\0" * 12)] if colour == 3 else []
    whole = b"\0" * (row + 1) * 40

    picture = decode(files.png(64, 40, depth, colour, whole, *palette))

    assert picture.pixels.shape == (40, 64, 3)
    with pytest.raises(PictureTruncated):
        decode(files.png(64, 40, depth, colour, whole[:-1], *palette))


def test_pixels_in_many_chunks_are_put_together() -> None:
    whole = files.png(64, 40, 8, 2, ROWS)
    start, end = whole.index(b"IDAT") + 4, whole.index(b"IEND") - 8
    body = whole[start:end]
    parts = b"".join(files.png_chunk(b"IDAT", body[at : at + 7]) for at in range(0, len(body), 7))

    picture = decode(whole[: start - 8] + parts + whole[end + 4 :])

    assert np.array_equal(picture.pixels, photo(64, 40))


def test_a_hundred_thousand_empty_chunks_are_refused() -> None:
    whole = files.png(64, 40, 8, 2, ROWS)
    at = whole.index(b"IDAT") - 4

    with pytest.raises(PictureTruncated):
        decode(whole[:at] + files.png_chunk(b"zzzz", b"") * 100_000 + whole[at:])


def test_the_profile_is_unpacked() -> None:
    profile = files.profile(files.DISPLAY_P3, None)

    assert decode(encoded(photo(), "PNG", icc_profile=profile)).profile == profile
