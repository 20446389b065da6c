"""JPEG, by libjpeg-turbo without a detour.

simplejpeg decodes in half of Pillow's time and reports what libjpeg only warns about,
which is how a cut-off file is told from a whole one. It has no eye for metadata, so the segments
before the first scan are read here.
"""

import io
import re
import struct
from dataclasses import dataclass, field

import numpy as np
import simplejpeg
from PIL import Image, JpegImagePlugin

from vision.errors import PictureTooLarge, PictureTruncated, UnsupportedPicture
from vision.formats import exif
from vision.formats.header import Header, Loaded, slice_of, usable_profile
from vision.picture import Format, Pixels

MOST_SCANS = 100
"""Progressive files have about ten. A file of 80,000 costs minutes of decoding."""

_SOS, _EOI, _TEM, _SOI = 0xDA, 0xD9, 0x01, 0xD8
_APP1, _APP2 = 0xE1, 0xE2
_BARE_MARKERS = frozenset((*range(0xD0, 0xD8), _TEM, _SOI))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DECODABLE_FRAMES = frozenset((0xC0, 0xC1, 0xC2))
_ICC_MARK = b"ICC_PROFILE\0"
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_DAMAGE = re.compile("corrupt|premature|inconsistent", re.IGNORECASE)


@dataclass(slots=True)
class _Segments:
    """What stands before the first scan."""

    width: int = 0
    height: int = 0
    components: int = 0
    exif: bytes | None = None
    profile: dict[int, bytes] = field(default_factory=dict)
    metadata: list[tuple[int, int]] = field(default_factory=list)
    scan: int = 0


def read(data: bytes) -> Header:
    """Read the segments before the first scan.

    Raises:
        PictureTruncated: The file ends, or stops making sense, before its first scan.
        UnsupportedPicture: Lossless, arithmetic or 12-bit JPEG.
        PictureTooLarge: More scans than a photograph has.
    """
    segments = _segments(data)
    if not (segments.width and segments.height):
        raise PictureTruncated
    # Counting every pair that could start a scan is quick and can only overestimate.
    if data.count(b"\xff\xda") > MOST_SCANS and _scans(data, segments.scan) > MOST_SCANS:
        raise PictureTooLarge("The picture is stored in far more passes than a photograph needs.")
    return Header(Format.JPEG, segments.width, segments.height, lambda: _load(data, segments))


def _segments(data: bytes) -> _Segments:
    found = _Segments()
    at = 2
    while True:
        marker, at = _next_marker(data, at)
        if marker in _BARE_MARKERS:
            continue
        if marker == _EOI:
            raise PictureTruncated
        (length,) = struct.unpack(">H", slice_of(data, at, 2))
        body = slice_of(data, at + 2, max(length - 2, 0))
        if marker == _SOS:
            found.scan = at
            return found
        _note(found, marker, body, at)
        at += max(length, 2)


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the marker at or after `at` and where it ends; fill bytes may precede it."""
    while slice_of(data, at, 1) != b"\xff":
        at += 1
    while slice_of(data, at, 1) == b"\xff":
        at += 1
    return data[at], at + 1


def _note(found: _Segments, marker: int, body: bytes, at: int) -> None:
    if marker in _FRAMES:
        _note_frame(found, marker, body)
    elif marker in (_APP1, _APP2):
        found.metadata.append((at - 2, len(body) + 4))
    if marker == _APP1 and found.exif is None and body.startswith(b"Exif\0"):
        found.exif = body
    elif marker == _APP2 and body.startswith(_ICC_MARK) and len(body) > len(_ICC_MARK) + 2:
        number = body[len(_ICC_MARK)]
        found.profile.setdefault(number, body[len(_ICC_MARK) + 2 :])


def _note_frame(found: _Segments, marker: int, body: bytes) -> None:
    if len(body) < 6:
        raise PictureTruncated
    precision, found.height, found.width, found.components = struct.unpack_from(">BHHB", body)
    if marker not in _DECODABLE_FRAMES or precision != 8:
        raise UnsupportedPicture(
            "This kind of JPEG (lossless, arithmetic or more than 8 bits a colour) is not "
            "supported; save it as an ordinary JPEG and send it again."
        )


def _scans(data: bytes, start: int) -> int:
    """Count the scans from the first one to the end of the picture."""
    scans, at = 1, start
    while scans <= MOST_SCANS:
        hit = _MARKER.search(data, at)
        if hit is None or data[hit.start() + 1] == _EOI:
            break
        scans += data[hit.start() + 1] == _SOS
        at = hit.end() + int.from_bytes(data[hit.end() : hit.end() + 2], "big")
    return scans


def _load(data: bytes, segments: _Segments) -> Loaded:
    profile = b"".join(part for _, part in sorted(segments.profile.items()))
    image = _cmyk(data) if segments.components == 4 else _rgb(data, segments)
    return Loaded(image, usable_profile(profile), exif.orientation(segments.exif))


def _rgb(data: bytes, segments: _Segments) -> Image.Image | Pixels:
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data, strict=False)
    except ValueError:
        # turbojpeg knows the common ways to subsample, Pillow all of them.
        return _by_pillow(data, segments)
    if (width, height) != (segments.width, segments.height):
        raise PictureTruncated
    return _decode(data, "RGB")


def _cmyk(data: bytes) -> Image.Image:
    """Decode CMYK or YCCK. Every writer of such files stores the inks inverted, as Adobe does."""
    inks = _decode(data, "CMYK")
    return Image.fromarray(np.bitwise_not(inks), mode="CMYK")


def _decode(data: bytes, space: str) -> Pixels:
    """Decode, forgiving what libjpeg warns about unless it says that picture data is missing."""
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, space, strict=True)
    except ValueError as error:
        if _DAMAGE.search(str(error)):
            raise PictureTruncated from error
        pixels = simplejpeg.decode_jpeg(data, space, strict=False)
    return pixels


def _by_pillow(data: bytes, segments: _Segments) -> Image.Image:
    """Decode without the metadata, which Pillow would read and complain about."""
    bare = bytearray(data)
    for start, length in reversed(segments.metadata):
        del bare[start : start + length]
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(bare))
    image.load()
    return image
