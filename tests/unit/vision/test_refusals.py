"""What decode refuses, how it says so, and that it stays calm with any bytes at all."""

import subprocess
import sys
import zipfile
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.unit.vision import files
from tests.unit.vision.files import encoded, heic, photo
from vision.decode import decode
from vision.errors import (
    NotAPicture,
    PictureError,
    PictureTooLarge,
    PictureTooSmall,
    PictureTruncated,
    UnsupportedPicture,
)
from vision.limits import Limits

RGB = Image.fromarray(photo())
LATER = Image.fromarray(photo(seed=2))

GOOD: dict[str, bytes] = {
    "jpeg": encoded(RGB, "JPEG", quality=90),
    "progressive jpeg": encoded(RGB, "JPEG", quality=90, progressive=True),
    "cmyk jpeg": encoded(RGB.convert("CMYK"), "JPEG", quality=90),
    "png": encoded(RGB, "PNG"),
    "interlaced 16-bit png": files.png_16_bits(photo().astype(np.uint16) * 257),
    "webp": encoded(RGB, "WEBP"),
    "lossless webp": encoded(RGB, "WEBP", lossless=True),
    "animated webp": encoded(RGB, "WEBP", save_all=True, append_images=[LATER]),
    "heic": heic(photo()),
    "tiff": encoded(RGB, "TIFF"),
    "lzw tiff": encoded(RGB, "TIFF", compression="tiff_lzw"),
    "deflate tiff": encoded(RGB, "TIFF", compression="tiff_adobe_deflate"),
    "jpeg tiff": encoded(RGB, "TIFF", compression="jpeg"),
    "gif": encoded(RGB, "GIF"),
    "animated gif": encoded(RGB, "GIF", save_all=True, append_images=[LATER]),
}


@pytest.mark.parametrize("part", [1 / 3, 1 / 2, 0.99])
@pytest.mark.parametrize("kind", GOOD)
def test_a_truncated_picture_is_refused(kind: str, part: float) -> None:
    data = GOOD[kind]

    with pytest.raises(PictureTruncated):
        decode(data[: int(len(data) * part)])


@pytest.mark.parametrize("kind", GOOD)
def test_a_picture_that_lacks_its_last_byte_is_refused(kind: str) -> None:
    with pytest.raises(PictureTruncated):
        decode(GOOD[kind][:-1])


@pytest.mark.parametrize("kind", [kind for kind in GOOD if "gif" not in kind])
def test_what_follows_a_picture_does_not_matter(kind: str) -> None:
    assert np.array_equal(decode(GOOD[kind] + b"trailing" * 9).pixels, decode(GOOD[kind]).pixels)


def test_a_gif_has_to_end_with_its_end_mark() -> None:
    """Nothing else tells that an animation is whole."""
    assert decode(GOOD["gif"] + b"\0\r\n").width == 160
    with pytest.raises(PictureTruncated):
        decode(GOOD["gif"] + b"trailing")


def archive() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("photo.jpg", GOOD["jpeg"])
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"hello, I am not a photograph\n" * 40,
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj <</Type/Catalog>> endobj",
        b"%PDF-1.4\n" + GOOD["jpeg"],
        files.jpeg_with_segment(GOOD["jpeg"], 0xFE, b"%PDF-1.4 and a picture too"),
        files.jpeg_with_segment(GOOD["jpeg"], 0xFE, b"<script>alert(1)</script>"),
        archive(),
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 400,
        b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 40,
        b"MZ" + b"\0" * 400,
        b"\x7fELF" + b"\0" * 400,
    ],
    ids=[
        "empty",
        "one zero",
        "text",
        "web page",
        "drawing",
        "pdf",
        "pdf before a jpeg",
        "pdf within a jpeg",
        "script within a jpeg",
        "archive",
        "film",
        "sound",
        "windows program",
        "linux program",
    ],
)
def test_what_is_not_a_picture_is_refused(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        decode(data)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (encoded(RGB, "BMP"), "BMP"),
        (encoded(RGB, "AVIF"), "AVIF"),
        (encoded(RGB, "JPEG2000"), "JPEG 2000"),
        (b"8BPS\0\1" + b"\0" * 400, "Photoshop"),
        (b"II+\0\x08\0\0\0" + b"\0" * 400, "BigTIFF"),
        (b"\xff\x0a" + b"\0" * 400, "JPEG XL"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + b"\0" * 400, "raw"),
        (encoded(RGB, "TIFF", tiffinfo={254: 1}), "raw"),
        (encoded(RGB, "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "raw"),
        (encoded(Image.new("F", (64, 64)), "TIFF"), "16 bits"),
        (encoded(Image.new("LAB", (64, 64)), "TIFF"), "LAB"),
    ],
)
def test_a_picture_of_another_kind_is_refused_by_name(data: bytes, named: str) -> None:
    with pytest.raises(UnsupportedPicture, match=named):
        decode(data)


def header_only(width: int, height: int) -> bytes:
    return files.png(width, height, 8, 2, b"\0" * 10)


def uniform_webp(width: int, height: int) -> bytes:
    return encoded(Image.new("RGB", (width, height)), "WEBP", lossless=True)


def lying_gif() -> bytes:
    """A small screen with a frame of 65,535 x 65,535."""
    data = bytearray(GOOD["gif"])
    frame = data.index(b",", 13 + 768)
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    return bytes(data)


def many_scans(scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = GOOD["progressive jpeg"]
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + b"\xff\xd9"


@pytest.mark.parametrize(
    "data",
    [
        header_only(30_000, 30_000),
        header_only(20_001, 40),
        header_only(40, 20_001),
        header_only(2**31 - 1, 2**31 - 1),
        header_only(10_001, 10_000),
        files.png(8000, 7800, 16, 6, b"\0" * 20_000_000),
        files.png(20_000, 4_900, 1, 0, b"\0" * 12_000_000),
        uniform_webp(5000, 4000),
        lying_gif(),
        many_scans(200),
    ],
    ids=[
        "30,000 squared",
        "too wide",
        "too high",
        "as much as png can say",
        "just over 100 megapixels",
        "20 KB of 16-bit rgba for 500 MB",
        "black and white bomb",
        "webp bomb",
        "gif with a lying screen",
        "200 scans",
    ],
)
def test_what_would_unpack_to_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(PictureTooLarge):
        decode(data)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 2000), (2000, 31), (31, 31)])
def test_what_is_no_larger_than_an_icon_is_refused(width: int, height: int) -> None:
    with pytest.raises(PictureTooSmall):
        decode(encoded(Image.new("RGB", (width, height)), "PNG"))


def test_the_limits_are_the_callers() -> None:
    data = GOOD["png"]

    assert decode(data, Limits(most_bytes=len(data), most_pixels=160 * 120)).width == 160
    with pytest.raises(PictureTooLarge, match="megabytes"):
        decode(data, Limits(most_bytes=len(data) - 1))
    with pytest.raises(PictureTooLarge, match="megapixels"):
        decode(data, Limits(most_pixels=160 * 120 - 1))


def test_a_jpeg_that_promises_more_rows_than_it_has_is_refused() -> None:
    data = bytearray(GOOD["jpeg"])
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 7] = (4000).to_bytes(2, "big")

    with pytest.raises(PictureTruncated):
        decode(bytes(data))


def test_a_png_that_promises_more_rows_than_it_has_is_refused() -> None:
    with pytest.raises(PictureTruncated):
        decode(files.png(64, 64, 8, 2, b"\0" * (64 * 3 + 1) * 50))


@pytest.mark.parametrize(
    "data",
    [
        files.jpeg_with_segment(
            GOOD["jpeg"], 0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xee" * 60_000
        ),
        files.jpeg_with_segment(
            GOOD["jpeg"], 0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\1\x12\0\3" * 900
        ),
        files.jpeg_with_segment(GOOD["jpeg"], 0xE2, b"MPF\0II*\0" + b"\xee" * 400),
        files.jpeg_with_segment(GOOD["jpeg"], 0xE2, b"ICC_PROFILE\0\1\1" + b"\xee" * 60_000),
        files.png(64, 64, 8, 2, b"\0" * 193 * 64, files.png_chunk(b"iTXt", b"X" * 3_000_000)),
        files.png(
            64,
            64,
            8,
            2,
            b"\0" * 193 * 64,
            files.png_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * 90_000_000)),
        ),
        files.png(
            64,
            64,
            8,
            2,
            b"\0" * 193 * 64,
            files.png_chunk(b"iCCP", b"k\0\0" + zlib.compress(b"\0" * 90_000_000)),
        ),
        files.png(64, 64, 8, 2, b"\0" * 193 * 64, files.png_chunk(b"acTL", b"\xff" * 8)),
        files.png(64, 64, 8, 2, b"\0" * 193 * 64, files.png_chunk(b"eXIf", b"II*\0junk")),
    ],
    ids=[
        "huge exif without a directory",
        "exif that promises 65,535 entries",
        "broken index of further pictures",
        "profile of noise",
        "3 MB of text",
        "text bomb",
        "profile bomb",
        "impossible animation",
        "broken exif in png",
    ],
)
def test_odd_metadata_is_no_reason_to_refuse(data: bytes) -> None:
    picture = decode(data)

    assert picture.width >= 64


def test_every_refusal_has_a_code_and_a_sentence() -> None:
    for data in (b"", b"text", GOOD["jpeg"][:500], header_only(30_000, 30_000)):
        with pytest.raises(PictureError) as refused:
            decode(data)
        assert refused.value.code.isupper()
        assert str(refused.value)[0].isupper()
        assert str(refused.value).endswith(".")


CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=8
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("kind", GOOD)
@given(changes=CHANGES, cut=st.floats(0.5, 1.0))
def test_no_damage_does_anything_but_refuse(
    kind: str, changes: list[tuple[float, int]], cut: float
) -> None:
    data = bytearray(GOOD[kind][: int(len(GOOD[kind]) * cut)])
    for place, flip in changes:
        data[int(place * len(data))] ^= flip

    try:
        picture = decode(bytes(data), Limits(most_pixels=1_000_000))
    except PictureError:
        return
    assert picture.pixels.shape == (picture.height, picture.width, 3)


@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("kind", GOOD)
@given(changes=CHANGES)
def test_no_damaged_header_does_anything_but_refuse(
    kind: str, changes: list[tuple[float, int]]
) -> None:
    data = bytearray(GOOD[kind])
    for place, flip in changes:
        data[int(place * min(len(data), 700))] ^= flip

    try:
        picture = decode(bytes(data), Limits(most_pixels=1_000_000))
    except PictureError:
        return
    assert picture.pixels.shape == (picture.height, picture.width, 3)


@settings(max_examples=300, deadline=None)
@given(start=st.sampled_from(sorted(GOOD)), length=st.integers(0, 40), rest=st.binary(max_size=400))
def test_no_file_that_only_starts_well_does_anything_but_refuse(
    start: str, length: int, rest: bytes
) -> None:
    with pytest.raises(PictureError):
        decode(GOOD[start][:length] + rest)


MEASURE = """
import resource, sys
from vision.decode import decode
from vision.errors import PictureTooLarge
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode(data)
except PictureTooLarge:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    "bomb",
    [files.png(8000, 7800, 16, 6, b"\0" * 20_000_000), uniform_webp(5000, 4000), lying_gif()],
    ids=["png", "webp", "gif"],
)
def test_refusing_a_bomb_takes_hardly_any_memory(bomb: bytes) -> None:
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE], input=bomb, capture_output=True, check=True
    )

    assert int(measured.stdout) < 8 * 1024, "kilobytes above what the interpreter took before"
