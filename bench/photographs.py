"""Photographs to measure with: the astronaut at 512 pixels, and enlarged to camera sizes."""

import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from triton_models.builder.archives import astronaut
from vision.decode import decode
from vision.encode import encode_jpeg
from vision.picture import Pixels

_GRAIN = 6.0
"""Standard deviation of the added noise: an enlargement alone compresses far better than what a
camera delivers, and would decode too fast."""

SIDE_2MP = 1600
SIDE_12MP = 3464
_SIDE_24MP = 4899

_STEPS = 433
"""Steps along a side by which one photograph of a series may be shifted against the next."""
_IN_A_ROW = 40
"""Shifts to the side before the next one downwards: the crown lies near the upper edge."""

_GROUP_OF = 3, 4
"""Rows of people, and people in a row."""
_GROUP_CELL = 1000
"""Pixels that a person has; the face takes a fifth of them."""
_GROUP_STEP = 4

_ROOM = 200, 288, 232, 256
"""Pixels put above, below, left and right of the astronaut: the head then has room at any turn."""
_ROOMY_SIDES = 600, 800, 1000, 1500, 2000
_TURNS = 0.0, 12.0, -25.0, 90.0, 180.0
"""Degrees clockwise."""

_START_OF_IMAGE = 2
_COMMENT = b"\xff\xfe"


def photographs() -> dict[str, bytes]:
    """Return JPEG files by name: 512 x 512, 12 and 24 megapixels."""
    pixels = decode(astronaut()).pixels
    return {
        "512": encode_jpeg(pixels, quality=92),
        "12MP": encode_jpeg(_enlarged(pixels, SIDE_12MP), quality=90),
        "24MP": encode_jpeg(_enlarged(pixels, _SIDE_24MP), quality=90),
    }


def series(folder: Path, count: int, side: int = SIDE_12MP) -> list[Path]:
    """Write JPEG files of which no two are equal; always the same ones.

    They are cut from one enlargement, each at another place.

    Args:
        folder: Where to write them.
        count: How many.
        side: Of each, in pixels: 12 megapixels unless told otherwise.
    """
    rows, step = -(-count // _IN_A_ROW), side // _STEPS
    large = _enlarged(decode(astronaut()).pixels, side + step * max(_IN_A_ROW, rows))

    def write(number: int) -> Path:
        down, aside = divmod(number, _IN_A_ROW)
        top, left = step * down, step * aside
        file = folder / f"photo-{side}-{number:04}.jpg"
        file.write_bytes(encode_jpeg(large[top : top + side, left : left + side], quality=90))
        return file

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return list(threads.map(write, range(count)))


def groups(folder: Path, count: int) -> list[Path]:
    """Write JPEG files of 12 megapixels with twelve people each, who all look the same."""
    height, width = _GROUP_OF
    person = cv2.resize(
        decode(astronaut()).pixels, (_GROUP_CELL, _GROUP_CELL), interpolation=cv2.INTER_CUBIC
    )
    people = _grained(np.tile(person, (height, width, 1)))

    def write(number: int) -> Path:
        file = folder / f"group-{number:04}.jpg"
        shifted = np.roll(people, _GROUP_STEP * number, axis=1)
        file.write_bytes(encode_jpeg(shifted, quality=90))
        return file

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return list(threads.map(write, range(count)))


def with_room(folder: Path) -> list[Path]:
    """Write JPEG files of one person with room around the head: scaled, turned, and mirrored."""
    roomy = cv2.copyMakeBorder(decode(astronaut()).pixels, *_ROOM, cv2.BORDER_REPLICATE)
    files = []
    for side in _ROOMY_SIDES:
        for degrees in _TURNS:
            for mirrored in (False, True):
                drawn = _turned(cv2.flip(roomy, 1) if mirrored else roomy, side, degrees)
                name = f"{side}-{degrees:g}{'-mirrored' if mirrored else ''}.jpg"
                files.append(folder / name)
                files[-1].write_bytes(encode_jpeg(drawn, quality=92))
    return files


def large_files(folder: Path, count: int) -> list[Path]:
    """Write 24 megapixel JPEG files of some 10 MB: one picture, told apart by a comment."""
    plain = encode_jpeg(_enlarged(decode(astronaut()).pixels, _SIDE_24MP), quality=94)
    files = [folder / f"large-{number}.jpg" for number in range(count)]
    for file in files:
        text = file.stem.encode()
        comment = _COMMENT + struct.pack(">H", len(text) + 2) + text
        file.write_bytes(plain[:_START_OF_IMAGE] + comment + plain[_START_OF_IMAGE:])
    return files


def _turned(pixels: cv2.typing.MatLike, side: int, degrees: float) -> Pixels:
    """Draw a square picture turned about its middle, with sides of so many pixels."""
    was = pixels.shape[0]
    how = cv2.INTER_AREA if side < was else cv2.INTER_CUBIC
    sized = cv2.resize(pixels, (side, side), interpolation=how)
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), -degrees, 1.0)
    drawn = cv2.warpAffine(
        sized, turn, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(drawn, np.uint8)


def _enlarged(pixels: Pixels, side: int) -> Pixels:
    return _grained(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC))


def _grained(pixels: cv2.typing.MatLike) -> Pixels:
    height, width = pixels.shape[:2]
    grain = np.random.default_rng(1).normal(0, _GRAIN, (height, width, 1)).astype(np.float32)
    noisy: Pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    return noisy
