"""What every format knows before and after its pixels are decoded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from vision.errors import PictureTruncated
from vision.picture import Format, Pixels

Data = TypeVar("Data", bytes, memoryview)

MOST_PROFILE_BYTES = 4 * 1024 * 1024
"""Larger ICC profiles are ignored. The largest in use for printing hold about 3 MB."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Pixels as the file stores them: any mode, unrotated, in the file's own colours."""

    image: Image.Image | Pixels
    """An array is RGB already."""
    profile: bytes | None
    orientation: int
    """1 to 8 as in EXIF; 1 is upright."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first look at a file. Nothing has been decoded."""

    format: Format
    width: int
    """As stored, before any rotation."""
    height: int
    load: Callable[[], Loaded]
    """Decodes. Fails with whatever the decoder raises; `decode` translates."""


def usable_profile(profile: bytes | None) -> bytes | None:
    """Return the profile unless it is empty or too large to be one."""
    return profile if profile and len(profile) <= MOST_PROFILE_BYTES else None


def slice_of(data: Data, start: int, length: int) -> Data:
    """Return `length` bytes from `start`; raises PictureTruncated if the file ends before."""
    if start < 0 or start + length > len(data):
        raise PictureTruncated
    return data[start : start + length]
