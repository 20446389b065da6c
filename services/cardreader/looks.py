"""Looks at photographs that cannot take longer than they may.

What the symbol reader costs depends on the picture: a few milliseconds for most, and minutes for
one that is nothing but finder patterns, which takes some kilobytes to send. So it runs in processes
that are ended when their time is over.
"""

import ctypes
import os
from functools import cache

import cv2
import numpy as np

from kit.aside import Aside, Overrun
from services.cardreader import decoding
from services.cardreader.decoding import Grey, Symbol
from vision.errors import PictureError
from vision.limits import Limits

QUICK_SECONDS = 2.0
"""For both sizes of the first looks together, which take some 0.03 seconds."""
THOROUGH_SECONDS = 6.0
"""A photograph of 24 megapixels takes less than one, one of 100 about three."""


class PictureTooComplex(PictureError):
    """There is so much in it that looks like a symbol that it is not searched to its end."""

    code = "PICTURE_TOO_COMPLEX"
    sentence = (
        "This picture takes too long to search for cards: it is full of patterns that look like "
        "codes."
    )


async def quick(aside: Aside, grey: Grey) -> list[Symbol]:
    """Look as `decoding.find_cards` does.

    Raises PictureTooComplex, and BrokenProcessPool when the process died.
    """
    # two megabytes through the pipe of a process would take longer than what it is for; nothing of
    # this is left behind, however it ends
    shared = os.memfd_create("photograph")
    try:
        os.write(shared, np.ascontiguousarray(grey).data)
        place = f"/proc/{os.getpid()}/fd/{shared}"
        return await aside.run(QUICK_SECONDS, _quickly, place, grey.shape)
    except Overrun as error:
        raise PictureTooComplex from error
    finally:
        os.close(shared)


async def thorough(aside: Aside, data: bytes, limits: Limits) -> list[Symbol]:
    """Look as `decoding.find_harder` does; nothing is found in what takes too long.

    Raises PictureError, and BrokenProcessPool when the process died.
    """
    try:
        return await aside.run(THOROUGH_SECONDS, _thoroughly, data, limits)
    except Overrun:
        return []


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of mallopt(3)."""
_KEPT_BYTES = 64 << 20
_LENT_BYTES = 16 << 20


@cache
def _get_ready() -> None:
    """Set this process up, once.

    It keeps the memory that a quick look takes, which would otherwise be given back and cleared
    anew for each photograph, a fifth of the time; what a look at full size takes is given back.
    """
    cv2.setNumThreads(1)  # as many pictures are looked at as there are cores
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        allocator.mallopt(_MMAP_THRESHOLD, _LENT_BYTES)


def _quickly(place: str, shape: tuple[int, int]) -> list[Symbol]:
    _get_ready()
    return decoding.find_cards(np.memmap(place, np.uint8, "r", shape=shape))


def _thoroughly(data: bytes, limits: Limits) -> list[Symbol]:
    _get_ready()
    return decoding.find_harder(data, limits)
