"""From a file nobody has vouched for to pixels, safely.

Order matters: bytes are counted, the format is told from the content, the header is held against
the limits, and only then does a decoder run. Blocks the calling thread (23 ms for a 12 megapixel
JPEG) and releases the interpreter lock meanwhile: call it in a pool of as many threads as cores.
"""

import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np

from vision.errors import PictureError, PictureTruncated
from vision.flatten import flatten
from vision.formats import gif, heif, jpeg, png, tiff, webp
from vision.formats.header import Header
from vision.formats.sniff import sniff
from vision.limits import Limits
from vision.picture import Format, Picture, Pixels

_READERS: dict[Format, Callable[[bytes], Header]] = {
    Format.JPEG: jpeg.read,
    Format.PNG: png.read,
    Format.WEBP: webp.read,
    Format.HEIF: heif.read,
    Format.TIFF: tiff.read,
    Format.GIF: gif.read,
}

# What decoders raise when bytes make no sense to them. MemoryError is not among them: that the
# machine is full is no fault of the picture.
_DECODER_FAILURES = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    RuntimeError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    struct.error,
    zlib.error,
)


def decode(data: bytes, limits: Limits | None = None) -> Picture:
    """Decode a photograph.

    JPEG, PNG, WebP, HEIC/HEIF, TIFF and GIF; of an animation or a file of several pages, the
    first. The EXIF orientation is applied.

    Args:
        data: The whole file.
        limits: The bounds to keep, Limits() if not given.

    Returns:
        The picture, upright, at full size. Inks are converted to sRGB; any other profile is
        handed on in Picture.profile.

    Raises:
        NotAPicture: Not a picture, whatever it is called.
        UnsupportedPicture: A picture of a kind that is not read.
        PictureTruncated: Incomplete or damaged, in whatever way.
        PictureTooLarge: Above a limit, found out before anything is decoded.
        PictureTooSmall: Below the limit.
    """
    limits = limits or Limits()
    limits.check_bytes(len(data))
    try:
        return _decode(data, limits)
    except PictureError:
        raise
    except _DECODER_FAILURES as error:
        raise PictureTruncated from error


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (Exif 2.32, tag 0x0112).

    Args:
        pixels: uint8 [height, width, 3], as stored.
        orientation: 1 to 8; any other number counts as 1, the right way up.

    Returns:
        The pixels the right way up, contiguous.
    """
    if orientation in (5, 6, 7, 8):
        pixels = _as_pixels(cv2.transpose(pixels))
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}
    if orientation in flips:
        pixels = _as_pixels(cv2.flip(pixels, flips[orientation]))
    return np.ascontiguousarray(pixels)


def _decode(data: bytes, limits: Limits) -> Picture:
    header = _READERS[sniff(data)](data)
    limits.check_size(header.width, header.height, len(data))
    loaded = header.load()
    pixels, profile = flatten(loaded)
    if pixels.shape != (header.height, header.width, 3):
        raise PictureTruncated
    return Picture(upright(pixels, loaded.orientation), profile, header.format)


def _as_pixels(array: object) -> Pixels:
    """Narrow what cv2 declares to be any array of numbers."""
    return np.asarray(array, dtype=np.uint8)
