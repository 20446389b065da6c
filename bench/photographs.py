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

_SIDE_12MP = 3464
_SIDE_24MP = 4899

_STEP = 8
"""Pixels by which one photograph of a series is shifted against the next."""
_IN_A_ROW = 40
"""Shifts to the side before the next one downwards: the crown lies near the upper edge."""

_START_OF_IMAGE = 2
_COMMENT = b"\xff\xfe"


def photographs() -> dict[str, bytes]:
    """Return JPEG files by name: 512 x 512, 12 and 24 megapixels."""
    pixels = decode(astronaut()).pixels
    return {
        "512": encode_jpeg(pixels, quality=92),
        "12MP": encode_jpeg(_enlarged(pixels, _SIDE_12MP), quality=90),
        "24MP": encode_jpeg(_enlarged(pixels, _SIDE_24MP), quality=90),
    }


def series(folder: Path, count: int) -> list[Path]:
    """Write 12 megapixel JPEG files of which no two are equal; always the same ones.

    They are cut from one enlargement, each at another place.
    """
    rows = -(-count // _IN_A_ROW)
    side = _SIDE_12MP + _STEP * max(_IN_A_ROW, rows)
    large = _enlarged(decode(astronaut()).pixels, side)

    def write(number: int) -> Path:
        down, aside = divmod(number, _IN_A_ROW)
        top, left = _STEP * down, _STEP * aside
        file = folder / f"photo-{number:04}.jpg"
        cut = large[top : top + _SIDE_12MP, left : left + _SIDE_12MP]
        file.write_bytes(encode_jpeg(cut, quality=90))
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
    large = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(1).normal(0, _GRAIN, (side, side, 1)).astype(np.float32)
    noisy: Pixels = np.clip(large + grain, 0, 255).astype(np.uint8)
    return noisy
