import random
import struct
import warnings
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.unit.vision import files
from tests.unit.vision.files import encoded, heic, photo
from vision.taken import Facts, facts

RGB = Image.fromarray(photo())
TAKEN = datetime(2026, 5, 18, 9, 15, 30, 250_000, tzinfo=UTC)
NOTHING = Facts(None, None)


def block(top: dict[int, str], details: dict[int, str]) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in top.items():
        exif[tag] = value
    exif.get_ifd(0x8769).update(details)
    return exif


FULL = block(
    {0x010F: "Acme", 0x0110: "Camera 5", 0x0132: "2026:05:20 10:00:00"},
    {0x9003: "2026:05:18 09:15:30", 0x9291: "25", 0xA431: "0012345"},
)


@pytest.mark.parametrize(
    "data",
    [
        encoded(RGB, "JPEG", exif=FULL),
        encoded(RGB, "TIFF", exif=FULL.tobytes()),
        heic(photo(), exif=FULL.tobytes()),
        files.jpeg_with_segment(
            files.jpeg_with_segment(encoded(RGB, "JPEG"), 0xE1, FULL.tobytes()), 0xE2, b"x" * 60_000
        ),
    ],
    ids=["jpeg", "tiff", "heic", "jpeg with more before it"],
)
def test_time_and_camera_are_read(data: bytes) -> None:
    assert facts(data) == Facts(TAKEN, "Acme Camera 5 0012345")


def of(top: dict[int, str], details: dict[int, str]) -> Facts:
    return facts(encoded(RGB, "JPEG", exif=block(top, details)))


@pytest.mark.parametrize(
    ("text", "fraction", "moment"),
    [
        ("2026:05:18 09:15:30", "", TAKEN.replace(microsecond=0)),
        ("2026-05-18T09:15:30+07:00", "", TAKEN.replace(microsecond=0)),
        ("2026:05:18 09:15:30", "250", TAKEN),
        ("2026:05:18 09:15:30", "2500009", TAKEN),
        ("2026:05:18 09:15:30", "x", TAKEN.replace(microsecond=0)),
        ("2026:05:18 09:15:60", "", TAKEN.replace(second=59, microsecond=0)),
        ("0000:00:00 00:00:00", "", None),
        ("    :  :     :  :  ", "", None),
        ("2026:13:41 09:15:30", "", None),
        ("2026:05:18 24:15:30", "", None),
        ("yesterday", "", None),
        ("", "", None),
    ],
)
def test_the_moment_is_what_the_clock_showed(
    text: str, fraction: str, moment: datetime | None
) -> None:
    assert of({}, {0x9003: text, 0x9291: fraction}).captured_at == moment


def test_without_a_moment_of_capture_the_one_of_writing_counts() -> None:
    assert of({0x0132: "2026:05:18 09:15:30"}, {}).captured_at == TAKEN.replace(microsecond=0)


@pytest.mark.parametrize(
    ("top", "details", "camera"),
    [
        ({0x0110: "Camera 5"}, {}, "Camera 5"),
        ({0x0110: "Camera 5"}, {0xA431: "7"}, "Camera 5 7"),
        ({0x0110: "Camera 5", 0xC62F: "8"}, {}, "Camera 5 8"),
        ({0x0110: " Camera\n\x075  "}, {}, "Camera 5"),
        ({0x0110: "C" * 500}, {}, "C" * 64),
        ({0x0110: "   "}, {}, None),
    ],
)
def test_a_camera_is_named_by_what_is_known(
    top: dict[int, str], details: dict[int, str], camera: str | None
) -> None:
    assert of(top, details).camera == camera


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"DR1:TEXT",
        encoded(RGB, "JPEG"),
        encoded(RGB, "PNG"),
        encoded(RGB, "WEBP", exif=FULL),
        heic(photo()),
        heic(photo())[:300],
        b"\xff\xd8\xff\xe1",
        b"\xff\xd8\xff\xe1\0\x10Exif\0\0",
        b"\xff\xd8\xff\xe1\0\x10Exif\0\0II*\0\xff\xff\xff\xff",
    ],
)
def test_files_that_do_not_say_give_nothing(data: bytes) -> None:
    assert facts(data) == NOTHING


def test_a_directory_that_points_at_itself_or_away_is_left() -> None:
    def jpeg(tiff: bytes) -> bytes:
        return files.jpeg_with_segment(encoded(RGB, "JPEG"), 0xE1, b"Exif\0\0" + tiff)

    itself = b"MM\0*" + struct.pack(">LHHHLL", 8, 1, 0x8769, 4, 1, 8)
    away = b"MM\0*" + struct.pack(">LHHHLL", 8, 1, 0x8769, 4, 1, 0xFFFFFFF0)
    text_away = b"MM\0*" + struct.pack(">LHHHLL", 8, 1, 0x0110, 2, 0xFFFFFFFF, 0xFFFFFFF0)
    half = b"MM\0*" + struct.pack(">LHHHLLHH", 8, 9, 0x0110, 2, 4, 0x41424300, 0x0132, 2)

    for tiff, camera in ((itself, None), (away, None), (text_away, None), (half, "ABC")):
        assert facts(jpeg(tiff)) == Facts(None, camera, camera is None)


def test_a_block_made_to_cost_time_costs_little() -> None:
    entries = struct.pack(">HHLL", 0x8769, 4, 1, 8) * 5000
    tiff = b"MM\0*" + struct.pack(">LH", 8, 65535) + entries

    assert facts(tiff) == NOTHING
    assert facts(b"\xff\xd8\xff\xe1\xff\xff" + b"Exif\0\0" + tiff) == NOTHING


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0))
def test_damaged_blocks_never_fail(noise: bytes, at: int, seed: int) -> None:
    for good in (encoded(RGB, "JPEG", exif=FULL), encoded(RGB, "TIFF", exif=FULL)):
        damaged = bytearray(good)
        damaged[at : at + len(noise)] = noise
        picked = random.Random(seed)
        for _ in range(10):
            damaged[picked.randrange(8, 400)] = picked.randrange(256)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            moment, camera, _ = facts(bytes(damaged))
        assert moment is None or moment.tzinfo is UTC
        assert camera is None or (camera.isprintable() and len(camera) <= 3 * 64 + 2)
