"""GIF: the first frame."""

import io
import struct

from PIL import GifImagePlugin

from vision.errors import PictureTruncated
from vision.formats import exif
from vision.formats.header import Header, Loaded, slice_of
from vision.picture import Format

_EXTENSION, _IMAGE, _TRAILER = b"!", b",", b";"
_MOST_BLOCKS = 1_000_000
"""Encoders fill blocks of 255 bytes; one-byte blocks would keep a core busy."""
_PADDING = b"\0\r\n"


def read(data: bytes) -> Header:
    """Walk to the end of the first frame.

    Raises:
        PictureTruncated: The file ends within the first frame or lacks its end mark.
    """
    width, height, flags = struct.unpack("<HHB", slice_of(data, 6, 5))
    at = 13 + _palette_bytes(flags)
    while (block := slice_of(data, at, 1)) == _EXTENSION:
        at = _after_blocks(data, at + 2)
    if block != _IMAGE:
        raise PictureTruncated
    left, top, wide, high, flags = struct.unpack("<HHHHB", slice_of(data, at + 1, 9))
    end = _after_blocks(data, at + 10 + _palette_bytes(flags) + 1)
    if not data[-64:].rstrip(_PADDING).endswith(_TRAILER):
        raise PictureTruncated
    # Decoders enlarge the screen for a frame that reaches over its edge.
    return Header(
        Format.GIF,
        max(width, left + wide),
        max(height, top + high),
        lambda: _load(data[:end] + _TRAILER),
    )


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Skip a chain of length-prefixed blocks up to and including its empty end block."""
    for _ in range(_MOST_BLOCKS):
        if at >= len(data):
            break
        length = data[at]
        at += 1 + length
        if not length:
            return at
    raise PictureTruncated


def _load(still: bytes) -> Loaded:
    image = GifImagePlugin.GifImageFile(io.BytesIO(still))
    image.load()
    return Loaded(image, None, exif.UPRIGHT)
