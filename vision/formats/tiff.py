"""TIFF: the first page, read through a directory that holds nothing but the picture.

A TIFF directory is a list of tags that point anywhere in the file. Pillow reads all of them,
guesses at broken ones and warns; so the tags that describe pixels are checked here and put into a
directory of their own, which is appended and made the file's first and only one.
"""

import io
import struct
from dataclasses import dataclass

from PIL import Image, TiffImagePlugin, TiffTags

from vision.errors import PictureTruncated, UnsupportedPicture
from vision.formats import exif
from vision.formats.header import Header, Loaded, slice_of, usable_profile
from vision.picture import Format

# Limits have been checked before a pixel is decoded. Pillow's own guard would only warn, on
# standard error, about TIFF files between 89 megapixels and the limit.
Image.MAX_IMAGE_PIXELS = None

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _ORIENTATION = 254, 256, 257, 258, 274
_STRIPS, _TILES = (273, 279), (324, 325)
_PROFILE, _DNG_VERSION = 34675, 50706
_PICTURE = frozenset(
    (
        *(_WIDTH, _HEIGHT, _BITS),
        # compression, photometric, fill order, strips, samples per pixel, rows per strip
        *(259, 262, 266, 273, 277, 278, 279),
        # planar configuration, fax options, predictor, colour map, tiles, ink set
        *(284, 292, 293, 317, 320, 322, 323, 324, 325, 332),
        # extra samples, sample format, JPEG tables, YCbCr coefficients, subsampling, positions
        *(338, 339, 347, 529, 530, 531, 532),
        # old-style JPEG
        *(512, 513, 514, 515, 517, 518, 519, 520, 521),
    )
)
_SINGLE = frozenset(tag for tag in _PICTURE if TiffTags.lookup(tag).length == 1)
_UNIT_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_NUMBERS = {1: "B", 3: "H", 4: "L"}
_OPAQUE = frozenset((1, 2, 7))
"""Bytes, text and undefined: one value of any length."""
_MOST_NUMBERS = 500_000
"""100 megapixels in tiles of 16 x 16 need 400,000 offsets."""
_BITS_READ = frozenset((1, 2, 4, 8, 16))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of a directory."""

    raw: bytes
    kind: int
    count: int
    value: bytes
    """The bytes meant, wherever they are."""


def read(data: bytes) -> Header:
    """Read the first directory.

    Raises:
        PictureTruncated: The directory, or data that it points at, lies outside the file.
        UnsupportedPicture: Camera raw (whose first page is a thumbnail), or floating point.
    """
    order = "<" if data.startswith(b"II") else ">"
    entries = _directory(data, order)
    if _DNG_VERSION in entries or _number(entries, _SUBFILE, order, 0) & 1 or data[8:10] == b"CR":
        raise UnsupportedPicture(
            "Camera raw files are not supported; export the picture as JPEG and send it again."
        )
    if set(_numbers(entries, _BITS, order)) - _BITS_READ:
        raise UnsupportedPicture(
            "TIFF with more than 16 bits a colour is not supported; save it as JPEG or PNG."
        )
    _check_data(data, entries, order)
    return Header(
        Format.TIFF,
        _number(entries, _WIDTH, order, 0),
        _number(entries, _HEIGHT, order, 0),
        lambda: _load(data, entries, order),
    )


def _directory(data: bytes, order: str) -> dict[int, _Entry]:
    """Read the first directory; the first of several equal tags counts."""
    (at,) = struct.unpack(order + "L", slice_of(data, 4, 4))
    (count,) = struct.unpack(order + "H", slice_of(data, at, 2))
    lines = slice_of(data, at + 2, 12 * count)
    entries: dict[int, _Entry] = {}
    for start in range(0, len(lines), 12):
        raw = lines[start : start + 12]
        (tag,) = struct.unpack_from(order + "H", raw)
        if tag in _PICTURE or tag in (_SUBFILE, _ORIENTATION, _PROFILE, _DNG_VERSION):
            entries.setdefault(tag, _entry(data, raw, order))
    return entries


def _entry(data: bytes, raw: bytes, order: str) -> _Entry:
    tag, kind, count = struct.unpack_from(order + "HHL", raw)
    size = count * _UNIT_BYTES.get(kind, 0)
    if not size or (kind in _NUMBERS and count > _MOST_NUMBERS):
        raise PictureTruncated
    if tag in _SINGLE and count != 1 and kind not in _OPAQUE:
        raise PictureTruncated
    if size <= 4:
        return _Entry(raw, kind, count, raw[8 : 8 + size])
    (at,) = struct.unpack_from(order + "L", raw, 8)
    return _Entry(raw, kind, count, slice_of(data, at, size))


def _numbers(entries: dict[int, _Entry], tag: int, order: str) -> tuple[int, ...]:
    entry = entries.get(tag)
    if entry is None or entry.kind not in _NUMBERS:
        return ()
    return struct.unpack(f"{order}{entry.count}{_NUMBERS[entry.kind]}", entry.value)


def _number(entries: dict[int, _Entry], tag: int, order: str, default: int) -> int:
    values = _numbers(entries, tag, order)
    return values[0] if values else default


def _check_data(data: bytes, entries: dict[int, _Entry], order: str) -> None:
    """Raise PictureTruncated if the file ends before its strips or tiles do."""
    for offsets, lengths in (_STRIPS, _TILES):
        starts, sizes = _numbers(entries, offsets, order), _numbers(entries, lengths, order)
        if any(start + size > len(data) for start, size in zip(starts, sizes, strict=False)):
            raise PictureTruncated


def _load(data: bytes, entries: dict[int, _Entry], order: str) -> Loaded:
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(_bare(data, entries, order)))
    image.load()
    profile = entries.get(_PROFILE)
    turn = _number(entries, _ORIENTATION, order, exif.UPRIGHT)
    return Loaded(
        image,
        usable_profile(profile.value if profile else None),
        turn if 1 <= turn <= 8 else exif.UPRIGHT,
    )


def _bare(data: bytes, entries: dict[int, _Entry], order: str) -> bytes:
    """Return the file with a directory of picture tags only, which points where the old one did."""
    kept = [entries[tag].raw for tag in sorted(entries) if tag in _PICTURE]
    padding = b"\0" * (len(data) % 2)
    start = struct.pack(order + "L", len(data) + len(padding))
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept) + b"\0\0\0\0"
    return b"".join((data[:4], start, memoryview(data)[8:], padding, directory))
