"""A photograph at a reduced size, for looking at it.

A JPEG is decoded at the reduced size straight away, because libjpeg can scale while it transforms:
a draft of 12 megapixels takes 37 ms where all pixels take 62, nearly all of it for unpacking.
Everything else is decoded and then reduced. Blocks the calling thread and releases the
interpreter lock meanwhile.
"""

from dataclasses import dataclass

import simplejpeg

from vision.decode import decode, upright
from vision.formats import exif, jpeg
from vision.formats.sniff import sniff
from vision.limits import Limits
from vision.picture import Format, Pixels
from vision.resize import reduce_to

_FACTORS = (8, 4, 2)
"""libjpeg knows the eighths between as well, but takes longer for them than for a half."""

_LYING = frozenset((5, 6, 7, 8))
"""Orientations by which width and height change places."""

_EXIF_MARK = b"Exif\0\0"
_METADATA_BYTES = 1 << 17
"""EXIF is the first segment of a JPEG, or the second; a segment holds 64 KB."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A photograph at a reduced size, and how large it is."""

    pixels: Pixels
    """[height, width, 3] RGB, upright, in the file's own colours."""
    width: int
    """Of the whole photograph, upright, in pixels."""
    height: int
    whole: Pixels | None
    """All its pixels, where they had to be decoded for the draft; else that is still to be done."""

    @property
    def scale_x(self) -> float:
        """Pixels of the whole photograph to one of the draft, along x; at least 1."""
        return self.width / int(self.pixels.shape[1])

    @property
    def scale_y(self) -> float:
        """Likewise along y."""
        return self.height / int(self.pixels.shape[0])


def draft(data: bytes, side: int, limits: Limits | None = None) -> Pixels:
    """Decode a photograph at a reduced size: the pixels of what `drafted` returns."""
    return drafted(data, side, limits).pixels


def drafted(data: bytes, side: int, limits: Limits | None = None) -> Draft:
    """Decode a photograph at a reduced size.

    Args:
        data: The whole file, in any format that `decode` reads.
        side: What the longer side shall have at least, in pixels, where the photograph has that.
        limits: The bounds to keep, Limits() if not given.

    Returns:
        The draft, whose longer side has less than twice `side`.

    Raises:
        PictureError: As `decode` does, for the same files.
    """
    limits = limits or Limits()
    limits.check_bytes(len(data))
    found = _scaled(data, side, limits) if sniff(data) is Format.JPEG else None
    if found is None:
        whole = decode(data, limits)
        small = reduce_to(whole.pixels, side).pixels
        found = Draft(small, whole.width, whole.height, whole.pixels)
    return found


def _scaled(data: bytes, side: int, limits: Limits) -> Draft | None:
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
    orientation = exif.orientation(_exif(data))
    if orientation in _LYING:
        width, height = height, width
    pixels = upright(scaled, orientation)
    return Draft(pixels, width, height, pixels if factor == 1 else None)


def _exif(data: bytes) -> bytes | None:
    at = data.find(_EXIF_MARK, 0, _METADATA_BYTES)
    return data[at : at + _METADATA_BYTES] if at >= 0 else None
