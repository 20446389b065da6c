"""PNG: only the chunks that make the picture reach the decoder."""

import io
import struct
import zlib
from dataclasses import dataclass, field

from PIL import PngImagePlugin

from vision.errors import PictureTruncated
from vision.formats import exif
from vision.formats.header import MOST_PROFILE_BYTES, Header, Loaded, slice_of
from vision.picture import Format

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_CHECKSUM_BYTES = 4
_COUNTED_BYTES = 1 << 20
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_INTERLACED = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""Adam7: first column, first row, and the steps between the pixels of each pass."""
_MOST_CHUNKS = 50_000
"""Encoders write chunks of 8 KB and more; a file of empty ones would keep a core busy."""


@dataclass(slots=True)
class _Chunks:
    """What makes the picture, each part of it checked."""

    picture: list[memoryview] = field(default_factory=list)
    """Whole chunks: size, palette, transparency, pixels, end."""
    pixels: list[memoryview] = field(default_factory=list)
    """What is in the chunks of pixels."""
    profile: bytes | None = None
    exif: bytes | None = None


def read(data: bytes) -> Header:
    """Read the header; the chunks are looked at when the pixels are wanted.

    Raises:
        PictureTruncated: There is no valid header.
    """
    kind, body, _ = _chunk(memoryview(data), len(_SIGNATURE))
    if kind != b"IHDR" or len(body) != 13:
        raise PictureTruncated
    width, height = struct.unpack_from(">LL", body)
    return Header(Format.PNG, width, height, lambda: _load(data))


def _load(data: bytes) -> Loaded:
    chunks = _chunks(data)
    image = PngImagePlugin.PngImageFile(io.BytesIO(b"".join((_SIGNATURE, *chunks.picture))))
    image.load()
    if _may_lack_rows(image) and not _has_all_rows(chunks):
        raise PictureTruncated
    return Loaded(image, chunks.profile, exif.orientation(chunks.exif))


def _chunks(data: bytes) -> _Chunks:
    """Collect the picture's own chunks; an animation's further frames are left behind."""
    found = _Chunks()
    view = memoryview(data)
    at = len(_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        kind, body, end = _chunk(view, at)
        if kind in _PICTURE:
            found.picture.append(view[at:end])
        match kind:
            case b"IDAT":
                found.pixels.append(body)
            case b"iCCP":
                found.profile = _inflate_profile(bytes(body))
            case b"eXIf":
                found.exif = bytes(body)
            case b"IEND":
                return found
        at = end
    raise PictureTruncated


def _chunk(data: memoryview, at: int) -> tuple[bytes, memoryview, int]:
    """Return kind, body and end of the chunk at `at`, its checksum verified where it matters."""
    length, kind = struct.unpack(">L4s", slice_of(data, at, 8))
    body = slice_of(data, at + 8, length)
    checksum = slice_of(data, at + 8 + length, _CHECKSUM_BYTES)
    if kind in _PICTURE and struct.pack(">L", zlib.crc32(body, zlib.crc32(kind))) != checksum:
        raise PictureTruncated
    return kind, body, at + 12 + length


def _may_lack_rows(image: PngImagePlugin.PngImageFile) -> bool:
    """Tell whether rows may be missing, which Pillow leaves black without a word."""
    last_row = image.crop((0, image.height - 1, image.width, image.height))
    return bool(image.info.get("interlace")) or last_row.getbbox(alpha_only=False) is None


def _has_all_rows(chunks: _Chunks) -> bool:
    """Unpack the pixels once more, only to count them."""
    missing = _row_bytes(bytes(chunks.picture[0]))
    unpacker = zlib.decompressobj()
    for part in chunks.pixels:
        packed: bytes | memoryview = part
        while packed and missing > 0 and not unpacker.eof:
            missing -= len(unpacker.decompress(packed, _COUNTED_BYTES))
            packed = unpacker.unconsumed_tail
    while missing > 0 and (rest := unpacker.decompress(b"", _COUNTED_BYTES)):
        missing -= len(rest)
    return missing <= 0


def _row_bytes(header: bytes) -> int:
    """Bytes of all rows before compression, each with the byte that names its filter."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">LLBBBBB", header, 8)
    bits = depth * _CHANNELS[colour]
    passes = _INTERLACED if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, step_x, step_y in passes:
        wide, high = -(-(width - left) // step_x), -(-(height - top) // step_y)
        if wide > 0:
            total += max(high, 0) * (1 + (wide * bits + 7) // 8)
    return total


def _inflate_profile(body: bytes) -> bytes | None:
    """Unpack an iCCP chunk: name, zero, method, then zlib data that may be a bomb."""
    _, _, packed = body.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], MOST_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if unpacker.eof and profile else None
