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


def large_files(folder: Path, count: int) -> list[Path]:
    """Write 24 megapixel JPEG files of some 10 MB: one picture, told apart by a comment."""
    plain = encode_jpeg(_enlarged(decode(astronaut()).pixels, _SIDE_24MP), quality=94)
    files = [folder / f"large-{number}.jpg" for number in range(count)]
    for file in files:
        text = file.stem.encode()
        comment = _COMMENT + struct.pack(">H", len(text) + 2) + text
        file.write_bytes(plain[:_START_OF_IMAGE] + comment + plain[_START_OF_IMAGE:])
    return files


def _enlarged(pixels: Pixels, side: int) -> Pixels:
    return _grained(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC))


def _grained(pixels: cv2.typing.MatLike) -> Pixels:
    height, width = pixels.shape[:2]
    grain = np.random.default_rng(1).normal(0, _GRAIN, (height, width, 1)).astype(np.float32)
    noisy: Pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    return noisy
