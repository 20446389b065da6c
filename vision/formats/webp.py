"""WebP, still or the first frame of an animation."""

import io

from PIL import WebPImagePlugin

from vision.errors import PictureTruncated
from vision.formats import exif
from vision.formats.header import Header, Loaded, slice_of, usable_profile
from vision.picture import Format


def read(data: bytes) -> Header:
    """Read the canvas size.

    Raises:
        PictureTruncated: The file is shorter than it says, or its first chunk is none of WebP's.
    """
    promised = int.from_bytes(slice_of(data, 4, 4), "little") + 8
    if len(data) < promised:
        raise PictureTruncated
    width, height = _size(slice_of(data, 12, 18))
    return Header(Format.WEBP, width, height, lambda: _load(data[:promised]))


def _size(chunk: bytes) -> tuple[int, int]:
    """Read width and height from the first chunk, eight bytes of which are its name and length."""
    name, body = chunk[:4], chunk[8:]
    if name == b"VP8X":
        wide, high = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
    elif name == b"VP8L" and body[:1] == b"\x2f":
        bits = int.from_bytes(body[1:5], "little")
        wide, high = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif name == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        wide, high = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    else:
        raise PictureTruncated
    return wide, high


def _load(data: bytes) -> Loaded:
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
    image.load()
    return Loaded(
        image,
        usable_profile(image.info.get("icc_profile")),
        exif.orientation(image.info.get("exif")),
    )
