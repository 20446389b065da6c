"""A photograph at a reduced size, for looking at it.

A JPEG is decoded at the reduced size straight away, because libjpeg can scale while it transforms:
a draft of 12 megapixels takes 37 ms where all pixels take 62, nearly all of it for unpacking.
Everything else is decoded and then reduced. Blocks the calling thread and releases the
interpreter lock meanwhile.
"""

import simplejpeg

from vision.decode import decode, upright
from vision.formats import exif, jpeg
from vision.formats.sniff import sniff
from vision.limits import Limits
from vision.picture import Format, Pixels
from vision.resize import reduce_to

_FACTORS = (8, 4, 2)
"""libjpeg knows the eighths between as well, but takes longer for them than for a half."""

_EXIF_MARK = b"Exif\0\0"
_METADATA_BYTES = 1 << 17
"""EXIF is the first segment of a JPEG, or the second; a segment holds 64 KB."""


def draft(data: bytes, side: int, limits: Limits | None = None) -> Pixels:
    """Decode a photograph at a reduced size.

    Args:
        data: The whole file, in any format that `decode` reads.
        side: What the longer side shall have at least, in pixels, where the photograph has that.
        limits: The bounds to keep, Limits() if not given.

    Returns:
        uint8 [height, width, 3] RGB, upright, in the file's own colours. The longer side has less
        than twice `side`.

    Raises:
        PictureError: As `decode` does, for the same files.
    """
    limits = limits or Limits()
    limits.check_bytes(len(data))
    pixels = _scaled(data, side, limits) if sniff(data) is Format.JPEG else None
    if pixels is None:
        return reduce_to(decode(data, limits).pixels, side).pixels
    return pixels


def _scaled(data: bytes, side: int, limits: Limits) -> Pixels | None:
    """Decode a JPEG by scaling; None for one that `decode` has to look at.

    It has to look at inks, at rare ways to subsample, and at whatever libjpeg complains about: it
    knows what of that is damage.
    """
    header = jpeg.read(data)
    limits.check_size(header.width, header.height, len(data))
    longer = max(header.width, header.height)
    factor = next((factor for factor in _FACTORS if longer >= factor * side), 1)
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data, strict=False)
        if (width, height) != (header.width, header.height):
            return None
        scaled: Pixels = simplejpeg.decode_jpeg(
            data, "RGB", min_width=-(-width // factor), min_height=-(-height // factor)
        )
    except ValueError:
        return None
    return upright(scaled, exif.orientation(_exif(data)))


def _exif(data: bytes) -> bytes | None:
    at = data.find(_EXIF_MARK, 0, _METADATA_BYTES)
    return data[at : at + _METADATA_BYTES] if at >= 0 else None
